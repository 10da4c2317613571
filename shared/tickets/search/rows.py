"""Which rows a search over an API without `searchWords` finds, and what a reader must know of it. Pure.

Such an API finds one contiguous text in summary, account and requestor. Everything else is looked for here, in the
window of rows that pages are cut from. Source: the observed behaviour of the existing API; cases T17 and U9.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.search.terms import SearchTerms, has_literally, has_wildcard, text_of
from shared.tickets.sorting import Page, Row

AS_ONE_PIECE: Final = (
    "This ticket API does not return all tickets at once, so it was searched as it can: for the whole text as one "
    "piece of summary, account or requestor. Pages come latest first."
)
_NOT_LITERAL: Final = (
    "This ticket API does not take \\% and \\_ for the characters % and _, so its own answer was compared with the "
    "text here; more tickets than these may have it."
)


class WindowRows(Protocol):
    """A window: its rows, the text of each, and whether there are more."""

    rows: list[Row]
    is_cut: bool

    @property
    def texts(self) -> list[str]:
        """The texts of the rows."""


def found_rows(
    window: WindowRows, own: WindowRows | None, terms: SearchTerms, piece: str
) -> tuple[list[Row], tuple[str, ...]]:
    """Return the rows with all terms, in the API's order, and notes.

    Args:
        window: the rows without a search.
        own: what the API found for `piece`; None if it took too long.
        terms: what is searched for.
        piece: the whole text or, if the window is cut, its longest word.
    """
    by_api = list(own.rows) if own is not None else []
    held = {row["ticketId"] for row in window.rows}
    is_checked = window.is_cut or has_wildcard(piece)  # else the API may search more than its rows show
    trusted = set() if is_checked else {row["ticketId"] for row in by_api}
    found = [
        row
        for row, text in zip(window.rows, window.texts, strict=True)
        if terms.found_in(text) or row["ticketId"] in trusted
    ]
    found += [
        row
        for row in by_api
        if row["ticketId"] not in held and (row["ticketId"] in trusted or terms.found_in(text_of(row)))
    ]
    notes = [_only_by_api(len(window.rows), piece, are_all=own is not None and not own.is_cut)] if window.is_cut else []
    if has_wildcard(piece) and own is not None and not _is_literal(window.rows, own, piece):
        notes.append(localized(_NOT_LITERAL))
    return found, tuple(notes)


def literal_rows(page: Page, phrase: str) -> Page:
    """Return a page of the API's own search without rows that fit only if `%` and `_` stand for other characters."""
    rows: Sequence[Row] = [row for row in page.rows if has_literally(row, phrase)]
    notes = (localized(_NOT_LITERAL),) if len(rows) < len(page.rows) or not page.rows else ()
    return Page(rows, page.has_more, (*page.notes, *notes))


def _is_literal(rows: Sequence[Row], own: WindowRows, piece: str) -> bool:
    """Return whether the API found exactly the rows that have `piece`, as far as can be seen."""
    ids = {row["ticketId"] for row in own.rows}
    missed = not own.is_cut and any(row["ticketId"] not in ids for row in rows if has_literally(row, piece))
    return not missed and all(has_literally(row, piece) for row in own.rows)


def _only_by_api(held: int, piece: str, *, are_all: bool) -> str:
    if are_all:
        others = localized("the others, only for “{piece}” in summary, account and requestor.", piece=one_line(piece))
    else:
        others = localized(
            "not all others, only for “{piece}” in summary, account and requestor.", piece=one_line(piece)
        )
    return localized(
        "Of more than {held:,} tickets, the first {held:,} were searched in summary, account, requestor, person in "
        "charge and ids; {others}",
        held=held,
        others=others,
    )
