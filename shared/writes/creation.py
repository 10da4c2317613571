"""Sends a new ticket once, and finds out which ticket that made: from the response, or from the list of tickets."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio

from shared.api_client import APIClient
from shared.errors import OutcomeUnknownError, UpstreamError
from shared.localization import localized
from shared.upstream.meaning import id_in
from shared.writes.earlier_writes import EarlierTicket
from shared.writes.outcome import LOOK_S, perhaps_created


async def create(
    api: APIClient, body: Mapping[str, Any], trace: EarlierTicket, *, idempotency_key: str
) -> tuple[str, tuple[str, ...]]:
    """Send a new ticket; return its id, which is still to be read back, and notes on how it is known.

    `trace` finds it if the response does not name it.

    Raises:
        OutcomeUnknownError: it may have been created.
        NotFoundError, InvalidInputError, ConflictError, UpstreamError: nothing was changed.
    """
    try:
        named = id_in(await api.post("/tickets", body, idempotency_key=idempotency_key))
    except OutcomeUnknownError as doubt:
        if doubt.named is None:
            raise await perhaps_created(api, body, doubt) from doubt
        note = localized(
            "{doubt} It names ticket {ticket_id}, which is shown as it reads back.", doubt=doubt, ticket_id=doubt.named
        )
        return doubt.named, (note,)
    if named is not None:
        return named, ()
    with suppress(UpstreamError, TimeoutError), anyio.fail_after(LOOK_S):
        if found := await trace.newest(LOOK_S):
            note = localized(
                "The ticket API did not say which ticket it created; {ticket_id} holds the given values.",
                ticket_id=found,
            )
            return found, (note,)
    silent = OutcomeUnknownError(
        localized("The ticket API acknowledged this, but did not say what it created."), settled=True
    )
    raise await perhaps_created(api, body, silent)
