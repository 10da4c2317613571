"""What a response other than 2xx means: one table from its status to an error. The body only adds to it. Pure.

- A page of a proxy, a login form or a stack trace says as much as JSON, by its status; no text of it is passed on.
- A redirect is not followed, since it would take our key elsewhere: it means that the address is wrong.
- A write that was answered with 4xx, except 408, or with 501 or 505 was not done. Anything else leaves it unknown.

Source: RFC 9110, section 15; case U2.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from shared.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    TicketChangedError,
    TicketServerError,
    UpstreamDiskFullError,
    UpstreamError,
    UpstreamFaultError,
    UpstreamNotWritableError,
    UpstreamPathError,
    UpstreamRefusedError,
    UpstreamUnavailableError,
)
from shared.localization import localized
from shared.telemetry import get_logger
from shared.upstream.body_text import UnreadableBodyError
from shared.upstream.response import CHECK_ADDRESS, ApiResponse
from shared.upstream.retry_after import in_a_while

log = get_logger(__name__)

Says = Mapping[str, Any]
"""The JSON object of an error; empty if its body is anything else."""

PASSING: Final = frozenset({502, 503, 504})
_UNFINISHED: Final = 408
_NOT_IMPLEMENTED: Final = frozenset({501, 505})
_UNUSABLE_STATUS: Final = frozenset({503, 507})
_LONGEST_ADDRESS: Final = 200
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,50}")
"""Matches field names and ids, but no prose."""
_OF_A_TICKET: Final = re.compile(r"/tickets/(?!master/)[^/]+(/history)?")
_NOT_WRITABLE: Final = "The ticket database cannot be written. Nothing was changed; the operator must check it."
_UNUSABLE: Final[Mapping[str, Callable[[], UpstreamError]]] = MappingProxyType({
    "disk_full": lambda: UpstreamDiskFullError(
        localized("The disk of the ticket database is full. Nothing was changed; the operator must make room there.")
    ),
    "read_only": lambda: UpstreamNotWritableError(localized(_NOT_WRITABLE)),
    "disk_failed": lambda: UpstreamNotWritableError(localized(_NOT_WRITABLE)),
})  # fmt: skip
"""The reference API returns these `kind`s for a request it rolled back, which proves that nothing was changed."""


def error_of(response: ApiResponse) -> TicketServerError:
    """Return the error that a response other than 2xx means."""
    says: Says = {}
    try:
        value = response.json()
        says = value if isinstance(value, dict) else {}
    except UnreadableBodyError:
        pass  # the status says enough
    if response.status in _UNUSABLE_STATUS and (unusable := _UNUSABLE.get(str(says.get("kind")))) is not None:
        log.error("api_database_unusable", kind=says["kind"], **response.facts)
        return unusable()
    return _ERRORS.get(response.status, _fault)(response, says)


def _refused_key(response: ApiResponse, _: Says) -> TicketServerError:
    log.error("api_refused_our_key", **response.facts)
    return UpstreamRefusedError(
        localized(
            "The ticket API does not accept this server's own key. Nothing was changed; "
            "the operator must set a valid key: MCP_API_KEY, or that of your organisation."
        )
    )


def _refused_by_proxy(response: ApiResponse, _: Says) -> TicketServerError:
    log.error("api_refused_our_key", **response.facts)
    return UpstreamUnavailableError(
        localized(
            "The proxy on the way to the ticket API asks for a user and a password (HTTP 407). Nothing was changed; "
            "the operator must set them in HTTPS_PROXY or HTTP_PROXY."
        )
    )


def _not_there(response: ApiResponse, says: Says) -> TicketServerError:
    """Return the error for a 404, which may also come from what stands before the ticket API, or beside it."""
    is_own = "error" in says
    may_be_a_ticket = _OF_A_TICKET.fullmatch(response.resource) or (is_own and not response.is_read)
    if response.is_page or not may_be_a_ticket:
        log.error("api_path_missing", **response.facts)
        return UpstreamPathError(
            localized(
                "The ticket API does not know this path ({asked}). Nothing was changed; {check}.",
                asked=response.asked,
                check=localized(CHECK_ADDRESS),
            )
        )
    said = localized("The ticket API has nothing with that id. Nothing was changed.")
    if is_own:
        return NotFoundError(said)
    log.warning("api_path_missing", **response.facts)
    hint = localized(
        "If no ticket can be read, {check} ({asked}).", check=localized(CHECK_ADDRESS), asked=response.asked
    )
    return NotFoundError(said, hint=hint)


def _conflict(_response: ApiResponse, says: Says) -> TicketServerError:
    if says.get("kind") == TicketChangedError.kind:
        return TicketChangedError("The ticket was changed or commented on meanwhile. Nothing was changed.")
    return ConflictError(
        localized("This idempotency key was already used for a different request. Nothing was changed; use a new key.")
    )


def _overloaded(response: ApiResponse, says: Says) -> TicketServerError:
    if says.get("kind") == "too_many_wrong_keys":
        return _refused_key(response, says)
    log.warning("api_overloaded", wait_s=response.wait_s, **response.facts)
    return UpstreamUnavailableError(
        localized(
            "The ticket API is overloaded. Nothing was changed; try again {when}.", when=in_a_while(response.wait_s)
        )
    )


def _passing(response: ApiResponse, says: Says) -> TicketServerError:
    return _overloaded(response, says) if response.is_read else _fault(response, says)


def _moved(response: ApiResponse, _: Says) -> TicketServerError:
    log.error("api_moved", moved_to=_without_secrets(response.headers.get("location", "")), **response.facts)
    return UpstreamPathError(
        localized(
            "The ticket API has moved: it answered with a redirect ({asked}), which is not followed. Nothing was "
            "changed; {check}.",
            asked=response.asked,
            check=localized(CHECK_ADDRESS),
        )
    )


def _without_secrets(location: str) -> str:
    """Return scheme, host and path of an address."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()[:_LONGEST_ADDRESS]


def _see_other(response: ApiResponse, says: Says) -> TicketServerError:
    """Return the error for a 303, which answers a write that was done; but a login form is reached in this way too."""
    return _moved(response, says) if response.is_read else _fault(response, says)


def _refused_input(_: ApiResponse, says: Says) -> TicketServerError:
    """Return the error for a refusal by the API, with its field names and ids but never its prose."""
    field = says.get("field")
    allowed = says.get("allowed")
    named = _is_name(field)
    values = [value for value in allowed if _is_name(value)][:50] if isinstance(allowed, list) else []
    text = localized("The ticket API refused the request as invalid.")
    if named:
        text = localized("The ticket API refused the value of {field}.", field=field)
    if values:
        text += localized(" Allowed: {values}.", values=", ".join(values))
    text += localized(" Nothing was changed.")
    return InvalidInputError(text, field=str(field) if named else None, allowed=values)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _fault(response: ApiResponse, _: Says) -> TicketServerError:
    log.error("api_fault", **response.facts)
    status = response.status
    how = localized("The ticket API answered with an error of its own ({asked}).", asked=response.asked)
    fault = localized("{how} This is a fault of the ticket API, not of the request.", how=how)
    if response.is_read:
        return UpstreamFaultError(fault)
    if (400 <= status < 500 and status != _UNFINISHED) or status in _NOT_IMPLEMENTED:
        check = localized(CHECK_ADDRESS)
        return UpstreamFaultError(localized("{fault} Nothing was changed; {check}.", fault=fault, check=check))
    said = localized("{how} This is a fault of the ticket API.", how=how)
    if response.wait_s:
        said += localized(" It asks to come again {when}.", when=in_a_while(response.wait_s))
    return OutcomeUnknownError(
        said,
        settled=status not in PASSING,  # a proxy sends those, while the API may still be executing the request
    )


_ERRORS: Final[Mapping[int, Callable[[ApiResponse, Says], TicketServerError]]] = MappingProxyType({
    **dict.fromkeys((300, 301, 302, 307, 308), _moved),
    303: _see_other,
    **dict.fromkeys((400, 413, 422), _refused_input),
    **dict.fromkeys((401, 403), _refused_key),
    404: _not_there,
    407: _refused_by_proxy,
    409: _conflict,
    429: _overloaded,
    **dict.fromkeys(PASSING, _passing),
})  # fmt: skip
"""Any other status is a fault."""
