"""Seals what a client of 2026-07-28 carries from one round of a request to the next.

The state travels through the client, so it is sealed by the SDK (AES-256-GCM, with an expiry, the request and this
server's name inside). Ours are the keys, which instances share and an operator can change, and whose state it is: the
SDK would look at its own authentication, and find nobody.
"""

import json
import secrets
from collections.abc import Sequence
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.request_state import RequestStateSecurity

from shared.identity import principal_of


def security(keys: Sequence[str]) -> RequestStateSecurity:
    """Return how request states are sealed.

    Args:
        keys: the first one seals, each of them opens; without any, one that only this process knows.
    """
    return RequestStateSecurity(keys=list(keys) or [secrets.token_bytes(32)], bind_principal=_owner)


def _owner(ctx: ServerRequestContext[Any, Any]) -> str | None:
    """Return whose state it is; over STDIO there is only one client, and nobody had to prove anything."""
    principal = principal_of(ctx.request)
    return None if principal is None else json.dumps(principal.key)
