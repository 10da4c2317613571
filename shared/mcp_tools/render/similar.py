"""Renders similar tickets: one line each, because a table of five would cost a third more."""

from shared.localization import localized
from shared.markdown import inline
from shared.mcp_tools.render.blocks import document
from shared.tickets.similar.result import SimilarTickets


def similar_tickets(found: SimilarTickets) -> str:
    """Render similar tickets, a line each."""
    if not found.rows:
        return document(localized("No similar tickets."), notes=found.notes)
    return document(localized("Most similar first."), "\n".join(map(_line, found.rows)), notes=found.notes)


def _line(row: tuple[object, ...]) -> str:
    ticket, summary, status, received, why = (inline(str(cell)) for cell in row)
    state = ", ".join(filter(None, (status, received)))
    return f"- {ticket} {summary} ({state}): {why}"
