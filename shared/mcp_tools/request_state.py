"""Seals the request state that a client of 2026-07-28 carries from one round of a request to the next.

The state travels through the client, so the SDK seals it (AES-256-GCM, with an expiry, the request and this server's
name inside). This module supplies the keys, which instances share and an operator can rotate, and the principal that
the state is bound to: the SDK would look for one in its own authentication, which is not in use.
"""

import json
import secrets
from collections.abc import Sequence
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.request_state import RequestStateSecurity

from shared.identity import principal_of


def security(keys: Sequence[str]) -> RequestStateSecurity:
    """Return the SDK's sealing of request states with these keys.

    Args:
        keys: the first key seals, every key opens; if empty, a random key of this process is used.
    """
    return RequestStateSecurity(keys=list(keys) or [secrets.token_bytes(32)], bind_principal=_owner)


def _owner(ctx: ServerRequestContext[Any, Any]) -> str | None:
    """Return the principal that the state is bound to; None over STDIO, which has one unauthenticated client."""
    principal = principal_of(ctx.request)
    return None if principal is None else json.dumps(principal.key)
