"""Ticket ids as people write them: `tck-0003`, `TCK-3`, `#3`, full-width, in quotes, in a URL or a sentence.

The id as it came is looked up first and always wins, for a ticket API may have ids of any shape. Other spellings are
looked up only if it does not exist, and count only if exactly one of them names a ticket. A number alone names a ticket
to read; a write must say which kind of number it is.
"""

import re
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

from shared.api_client import APIClient
from shared.combining_marks import with_few_marks
from shared.concurrency import gather_all
from shared.errors import InvalidInputError, NotFoundError, Problem
from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.models import Ticket
from shared.visible_text import visible

MAX_ID: Final = 50
MAX_AROUND: Final = 2_000
"""Characters of a text, such as a URL, in which an id is looked for."""

MAX_SEVERAL: Final = 5
SEVERAL: Final = "must be one id; call once for each"

HistoryT = TypeVar("HistoryT")
"""What is read of a ticket's history."""
Read: TypeAlias = Callable[[APIClient, str], Awaitable[tuple[Ticket, HistoryT]]]

_DASHES: Final = re.compile("[\u2010-\u2015\u2212\u30fc\ufe58\ufe63\uff0d]")
_OUTER: Final = " \t\n\"'`“”‘’「」『』()[]<>{}.,;:!?。、"
_LINK: Final = re.compile(r"\[([^\[\]]+)\]\([^()\s]*\)")
"""A link in Markdown."""
_ID: Final = re.compile(r"(?<![A-Za-z0-9])TCK[\s_#:=-]*(\d{1,12})(?!\d)", re.IGNORECASE)
_NUMBER: Final = re.compile(
    r"(?:(?:tickets?|チケット|t[ck]{1,2}|tkt|tick|t|issue|case|id|number|no|nr|番号|第)[\s#.:=_-]*)*#?\s*(\d{1,12})\s*(?:番|号)?",
    re.IGNORECASE,
)
_URL: Final = re.compile(r"\S*[/=](TCK-\d{1,12})/?(?:[?#&]\S*)?", re.ASCII | re.IGNORECASE)
"""A URL whose path or first query ends with an id."""


def within_limit(given: object) -> object:
    """Return the id in a text that is longer than any id, such as a URL; else `given`."""
    if not isinstance(given, str) or not MAX_ID < len(given) <= MAX_AROUND:
        return given
    numbers = _numbers(_simple(given))
    return _canonical(numbers.pop()) if len(numbers) == 1 else given


async def read_named(
    read: Read[HistoryT], api: APIClient, given: str, *, writes: bool = False
) -> tuple[Ticket, HistoryT]:
    """Return the ticket that `given` names, with its history.

    Args:
        read: reads a ticket by its exact id.
        api: the client.
        given: as it came.
        writes: whether the ticket is read to be changed.

    Raises:
        InvalidInputError: several tickets may be meant, or a number alone names a ticket to be changed.
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed.
    """
    try:
        return await read(api, given)
    except NotFoundError as error:
        others = await gather_all(*(_or_none(read, api, one) for one in spellings(given)))
        found: list[tuple[Ticket, HistoryT]] = [one for one in others if one is not None]
        if not found:
            raise _several(given) or error from None
    if len(found) > 1 or (writes and is_number_alone(given)):
        raise InvalidInputError.of([_which([ticket for ticket, _ in found])])
    return found[0]


def _several(given: str) -> InvalidInputError | None:
    """Return the error for a text that names several tickets; None if it does not."""
    ids = tuple(_canonical(number) for number in sorted(_numbers(_simple(given))))
    return InvalidInputError.of([Problem("ticketId", localized(SEVERAL), ids[:MAX_SEVERAL])]) if len(ids) > 1 else None


def _which(found: list[Ticket]) -> Problem:
    allowed = tuple(one_line(f"{ticket.id} ({(ticket.summary or '')[:60]})") for ticket in found)
    if len(found) > 1:
        return Problem("ticketId", localized("may mean several tickets; give the exact id"), allowed)
    text = localized("is a number alone, which is not enough to change a ticket; give the whole id")
    return Problem("ticketId", text, allowed, right={"ticketId": found[0].id})


async def _or_none(read: Read[HistoryT], api: APIClient, ticket_id: str) -> tuple[Ticket, HistoryT] | None:
    try:
        return await read(api, ticket_id)
    except NotFoundError:
        return None


def spellings(given: str) -> tuple[str, ...]:
    """Return the other ids that `given` may stand for, without `given` itself."""
    simple = _simple(given)
    plain = simple.strip(_OUTER)
    found = [plain, plain.upper(), plain.lower()] if "/" not in plain else []
    numbers = _numbers(simple) or {int(one[1]) for one in [_NUMBER.fullmatch(plain)] if one}
    if len(numbers) == 1:
        found.append(_canonical(numbers.pop()))
    return tuple(one for one in dict.fromkeys(found) if one and one != given and len(one) <= MAX_ID)


def is_number_alone(given: str) -> bool:
    """Whether `given` is a number without `TCK`, or with a word that is only like it."""
    return not _numbers(_simple(given)) and _NUMBER.fullmatch(_simple(given).strip(_OUTER)) is not None


def _numbers(simple: str) -> set[int]:
    """Return the numbers of the ids in a text; of a text with a slash, only of the id that a URL ends with."""
    simple = simple.strip(_OUTER).rstrip("/")
    if "/" in simple:
        url = _URL.fullmatch(simple)
        return _numbers(url[1]) if url else set()
    return {int(number) for number in _ID.findall(simple)}


def _canonical(number: int) -> str:
    return f"TCK-{number:04d}"


def _simple(text: str) -> str:
    plain = _DASHES.sub("-", unicodedata.normalize("NFKC", with_few_marks(visible(text)))).strip()
    return _LINK.sub(r"\1", plain)
