"""What a response of the ticket API means: its JSON, or an error. The status is judged before the body. Pure.

A write that was answered with 2xx was done, with or without a body; `Location` may name what it made. Only a body that
is neither empty nor JSON leaves a 200 in doubt, since a login form or the page of a proxy comes with 200 too.
Source: RFC 9110, sections 9.3.3 and 15.3; case U3.
"""

from itertools import pairwise
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from shared.errors import OutcomeUnknownError, UpstreamError, UpstreamFaultError
from shared.localization import localized
from shared.telemetry import get_logger
from shared.upstream.body_text import UnreadableBodyError
from shared.upstream.refusals import error_of
from shared.upstream.response import CHECK_ADDRESS, ApiResponse

log = get_logger(__name__)

_ACCEPTED: Final = 202
_SAY_IT_ALONE: Final = frozenset({201, 204, 205})
"""What these say of a write does not depend on a body."""
_LONGEST_ID: Final = 100


def value_of(response: ApiResponse) -> Any:
    """Return the JSON of a success, or raise what another response means.

    For a write it has the `id` that `Location` names, if the body has none; without either, it may be None.

    Raises:
        OutcomeUnknownError: a write may have been done.
        NotFoundError, InvalidInputError, ConflictError, UpstreamError: nothing was changed.
    """
    if not 200 <= response.status < 300:
        raise error_of(response)
    value: Any = None
    try:
        value = response.json()
    except UnreadableBodyError as error:
        if response.is_read or (response.has_body and response.status not in _SAY_IT_ALONE):
            raise _senseless(response, error) from None
    if response.is_read:
        return value
    named = id_in(value) or named_by_location(response)
    if response.status == _ACCEPTED:
        said = localized("The ticket API accepted this without saying that it is done ({asked}).", asked=response.asked)
        raise OutcomeUnknownError(said, named=named)
    return value if named is None else {**(value if isinstance(value, dict) else {}), "id": named}


def id_in(value: object) -> str | None:
    """Return the id in the body of a response to a write: of `{"id"}`, of a ticket, or of either in a wrapper."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    for name in ("id", "ticketId"):
        found = value.get(name)
        if isinstance(found, str | int) and not isinstance(found, bool) and str(found).strip():
            return str(found)
    return next(filter(None, (id_in(value.get(name)) for name in ("ticket", "data", "result"))), None)


def named_by_location(response: ApiResponse) -> str | None:
    """Return the id that `Location` names: after the name of the collection, alone, or in the query."""
    try:
        parts = urlsplit(response.headers.get("location", "").strip())
    except ValueError:
        return None
    collection = response.resource.rstrip("/").rpartition("/")[2]
    names = {collection, collection.removesuffix("s")}
    steps = [unquote(step) for step in parts.path.split("/") if step not in {"", "."}]
    found = [step for before, step in pairwise(steps) if before in names]
    if len(steps) == 1 and not parts.path.startswith("/") and steps[0] not in names:
        found = steps
    query = parse_qs(parts.query)
    found = found or [query[name][0] for name in ("ticketId", "id") if name in query]
    named = found[-1] if found else ""
    return named if 0 < len(named) <= _LONGEST_ID and named.isprintable() else None


def _senseless(response: ApiResponse, what: UnreadableBodyError) -> UpstreamError:
    """Return the error for a success whose body cannot be read; `what` says why."""
    log.error("api_answer_not_json", reason=str(what), **response.facts)
    how = localized(
        "The ticket API answered with something that is not JSON ({what}; {asked}).",
        what=what.shown,
        asked=response.asked,
    )
    if response.is_page:
        how += localized(" Something else may answer at this address: {check}.", check=localized(CHECK_ADDRESS))
    if response.is_read:
        return UpstreamFaultError(localized("{how} This is a fault of the ticket API, not of the request.", how=how))
    return OutcomeUnknownError(
        localized("{how} This is a fault of the ticket API.", how=how),
        settled=True,
        named=named_by_location(response),
    )
