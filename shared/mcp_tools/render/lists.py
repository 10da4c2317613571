"""Renders lists as tables."""

from typing import Final

from shared.markdown import inline, table
from shared.mcp_tools.render.blocks import document
from shared.tickets import results
from shared.tickets.columns import HEADINGS

_NONE: Final = "No tickets match."
_NONE_FOUND: Final = "No tickets were found."
"""What is said where not every ticket could be looked at."""


def ticket_page(page: results.TicketPage) -> str:
    """Render a page of tickets as one table."""
    if not page.rows:
        place = "after this cursor" if page.offset is None else "at this offset"
        none = f"No tickets {place}." if page.offset != 0 else _NONE if page.total == 0 else _NONE_FOUND
        return document(none, notes=page.notes)
    repeats = "Pages by offset may repeat or miss tickets while others come in." if page.may_repeat else None
    said = (_counted(page), _where_next(page), repeats, page.left_in)
    return document(" ".join(filter(None, said)), table_of(page), notes=page.notes)


def _counted(page: results.TicketPage) -> str:
    of = "" if page.total is None else f" of {'more than ' if page.more_than_total else ''}{page.total}"
    if page.offset is None:
        return f"The {'next' if page.has_more else 'last'} {page.returned}{of} tickets."
    return f"Tickets {page.offset + 1} to {page.offset + page.returned}{of}."


def _where_next(page: results.TicketPage) -> str:
    if not page.has_more:
        return "There are no more." if page.total is not None else "No more were found."
    if page.next_cursor is None:
        return "There are more." if page.next_offset is None else f"There are more: next offset {page.next_offset}."
    return f"There are more: next cursor {inline(page.next_cursor)}."


def master_page(page: results.MasterPage) -> str:
    """Render a page of a list of master data."""
    first = page.offset or 0
    if not page.rows:
        none = f"No entries at this offset; there are {page.total}." if first else "No entries."
        return document(none, notes=page.notes)
    more = "" if page.next_offset is None else f" Next offset {page.next_offset}."
    is_part = page.total > len(page.rows)
    cut = f"Entries {first + 1} to {first + len(page.rows)} of {page.total}.{more}" if is_part else ""
    return document(cut, table_of(page), notes=page.notes)


def table_of(page: results.Table) -> str:
    """Return the rows of a list as a table with headings."""
    return table([HEADINGS[name] for name in page.columns], ([_cell(cell) for cell in row] for row in page.rows))


def _cell(cell: results.Cell) -> str | None:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return None if cell is None else str(cell)
