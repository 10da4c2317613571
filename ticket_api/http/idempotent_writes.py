"""Runs a write in its transaction, and at most once if the client sent an `Idempotency-Key`."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Header, Request, Response
from pydantic import BaseModel, StringConstraints

from ticket_api.http.models.base import RequestModel
from ticket_api.store import idempotency
from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import TenantDatabase

Work = Callable[[TenantConnection, datetime], BaseModel]
Key = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[\x21-\x7e]{1,200}$")] | None,
    Header(
        alias="Idempotency-Key",
        description="Any text of 1 to 200 visible ASCII characters that is new for each write. Sending the same "
        "request with the same key again within 24 hours returns the first response and does nothing; a different "
        "request with it is a 409. A refused or failed request does not use up its key.",
    ),
]


async def write_once(request: Request, key: str | None, body: RequestModel, status: int, work: Work) -> Response:
    """Return the result of `work`, or the one stored under `key`, as JSON with `status`.

    Raises:
        ConflictError: `key` was used for a different request.
        ApiError: raised by `work`; nothing is stored then, the key included.
    """
    tenants: TenantDatabase = request.app.state.tenants
    now: datetime = request.app.state.clock()

    def once(db: TenantConnection) -> tuple[int, str]:
        if key is not None:
            known = idempotency.claim(db, key, _fingerprint(request, body), now)
            if known is not None:
                return known
        response = work(db, now).model_dump_json()
        if key is not None:
            idempotency.settle(db, key, status, response)
        return status, response

    responded, response = await tenants.write(request.state.tenant, once)
    return Response(response, responded, media_type="application/json")


def _fingerprint(request: Request, body: RequestModel) -> str:
    """Return what identifies a request; order, white space, and null versus absent make no difference."""
    whole = f"{request.method} {request.scope['path']}\n{body.model_dump_json()}"
    return hashlib.sha256(whole.encode()).hexdigest()
