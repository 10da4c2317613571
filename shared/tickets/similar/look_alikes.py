"""Tickets of the same account that a new ticket looks like, so that a duplicate is noticed when it is created."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import anyio

from shared.api_client import APIClient
from shared.errors import TicketServerError
from shared.localization import localized
from shared.markdown import one_line
from shared.telemetry import get_logger
from shared.tickets.folding import search_form
from shared.tickets.similar.likeness import reasons
from shared.tickets.similar.words import Word, WordFinder, words_of
from shared.tickets.sorting import Row, id_key

log = get_logger(__name__)

LOOK_S: Final = 1.0
"""How long a new ticket waits for them, in seconds, from when it is sent."""
MAX_ALIKE: Final = 3
_OF_ACCOUNT: Final = 100
"""The newest tickets of an account are compared."""
_LEAST: Final = 0.5
"""The share of the words of one summary that the other ticket must have; at least two words."""
_KEPT: Final = 1_000
"""Summaries whose words are kept: those of an account are compared with each of its new tickets."""
_SHORT: Final = 200
"""Characters of a summary whose words may be kept."""


async def look_alikes(api: APIClient, new: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Return the id of each ticket that a new one looks like, and a sentence on it, newest first.

    There may be one more than `MAX_ALIKE`, as the new ticket itself may be among them. It takes one request, at most
    `LOOK_S` seconds, and never raises: where it fails, no ticket is known.
    """
    try:
        with anyio.fail_after(LOOK_S):
            response = await api.get(
                "/tickets",
                params={
                    "accountId": new["accountId"],
                    "showCompleted": True,
                    "limit": _OF_ACCOUNT,
                    "sortBy": "receptionDateTime",
                },
            )
    except (TicketServerError, TimeoutError) as error:
        log.info("look_alikes_not_read", error=type(error).__name__)
        return ()
    rows = (
        [row for row in response if isinstance(row, dict) and row.get("ticketId")] if isinstance(response, list) else []
    )
    return _alike(str(new["summary"]), f"{new['summary']}\n{new['description']}", rows)


def _alike(summary: str, text: str, rows: Sequence[Row]) -> Sequence[tuple[str, str]]:
    own, folded = words_of(summary), search_form(text)
    finder = WordFinder(own)
    newest_first = sorted(rows, key=id_key, reverse=True)
    compared = ((row, _shared(own, finder, folded, str(row.get("summary") or ""))) for row in newest_first)
    alike = ((str(row["ticketId"]), _sentence(row, words)) for row, words in compared if words)
    return list(islice(alike, MAX_ALIKE + 1))


def _shared(own: Sequence[Word], finder: WordFinder, text: str, other: str) -> Sequence[Word]:
    """Return the words that a new ticket shares with the summary `other`, none if they are not alike.

    Args:
        own: the words of its summary.
        finder: finds them.
        text: its summary and description, in search form.
        other: the summary of another ticket.
    """
    words, its_finder = _kept_words(other) if len(other) <= _SHORT else _words(other)
    has = its_finder.found_in(text)
    if len(has) > 1 and len(has) >= _LEAST * len(words):
        return [word for word in words if word in has]
    has = finder.found_in(search_form(other))
    return [word for word in own if word in has] if len(has) > 1 and len(has) >= _LEAST * len(own) else ()


def _words(summary: str) -> tuple[Sequence[Word], WordFinder]:
    words = words_of(summary)
    return words, WordFinder(words)


_kept_words: Final = lru_cache(maxsize=_KEPT)(_words)


def _sentence(row: Row, words: Sequence[Word]) -> str:
    named = one_line(str(row["ticketId"])[:50])
    if isinstance(status := row.get("statusName"), str) and status:
        named = f"{named} ({one_line(status[:50])})"
    return localized("Looks like {ticket}: {reasons}.", ticket=named, reasons=reasons(words, ("account",)))
