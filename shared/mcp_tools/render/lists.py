"""Renders lists as tables."""

from typing import Final

from shared.localization import localized
from shared.markdown import inline, table
from shared.mcp_tools.render.blocks import document
from shared.tickets import results
from shared.tickets.labels import column_label

_NONE: Final = "No tickets match."
_NONE_FOUND: Final = "No tickets were found."
"""What is said where not every ticket could be looked at."""


def ticket_page(page: results.TicketPage) -> str:
    """Render a page of tickets as one table."""
    if not page.rows:
        return document(_no_rows(page), notes=page.notes)
    repeats = localized("Pages by offset may repeat or miss tickets while others come in.") if page.may_repeat else None
    said = (_counted(page), _where_next(page), repeats, page.left_in)
    return document(_sentences(*said), table_of(page), notes=page.notes)


def _sentences(*said: str | None) -> str:
    return localized(" ").join(filter(None, said))


def _no_rows(page: results.TicketPage) -> str:
    if page.offset is None:
        return localized("No tickets after this cursor.")
    if page.offset:
        return localized("No tickets at this offset.")
    return localized(_NONE if page.total == 0 else _NONE_FOUND)


def _counted(page: results.TicketPage) -> str:
    total = localized("more than {total}" if page.more_than_total else "{total}", total=page.total)
    if page.offset is not None:
        first, last = page.offset + 1, page.offset + page.returned
        if page.total is None:
            return localized("Tickets {first} to {last}.", first=first, last=last)
        return localized("Tickets {first} to {last} of {total}.", first=first, last=last, total=total)
    if page.total is None:
        return localized(
            "The next {count} tickets." if page.has_more else "The last {count} tickets.", count=page.returned
        )
    return localized(
        "The next {count} of {total} tickets." if page.has_more else "The last {count} of {total} tickets.",
        count=page.returned,
        total=total,
    )


def _where_next(page: results.TicketPage) -> str:
    if not page.has_more:
        return localized("There are no more." if page.total is not None else "No more were found.")
    if page.next_cursor is not None:
        return localized("There are more: next cursor {cursor}.", cursor=inline(page.next_cursor))
    if page.next_offset is not None:
        return localized("There are more: next offset {offset}.", offset=page.next_offset)
    return localized("There are more.")


def master_page(page: results.MasterPage) -> str:
    """Render a page of a list of master data."""
    first = page.offset or 0
    if not page.rows:
        none = localized("No entries at this offset; there are {total}.", total=page.total)
        return document(none if first else localized("No entries."), notes=page.notes)
    more = localized("Next offset {offset}.", offset=page.next_offset) if page.next_offset is not None else None
    last = first + len(page.rows)
    which = localized("Entries {first} to {last} of {total}.", first=first + 1, last=last, total=page.total)
    cut = _sentences(which, more) if page.total > len(page.rows) else ""
    return document(cut, table_of(page), notes=page.notes)


def table_of(page: results.Table) -> str:
    """Return the rows as a table with headings, or nothing without rows."""
    if not page.rows:
        return ""
    rows = ([one if isinstance(one, str) or one is None else _cell(one) for one in row] for row in page.rows)
    return table([column_label(name) for name in page.columns], rows)


def _cell(cell: float | bool) -> str:
    if isinstance(cell, bool):
        return localized("yes" if cell else "no")
    if isinstance(cell, float):
        return f"{cell:g}"
    return str(cell)
