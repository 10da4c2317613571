"""Renders the preview and the report of a change of several tickets."""

from shared.localization import localized
from shared.markdown import inline, quote
from shared.mcp_tools.render.blocks import document, facts, named
from shared.mcp_tools.render.writes import field_changed
from shared.tickets.results import Cell
from shared.writes.bulk.result import TicketState, TicketsUpdated, state_labels


def tickets_updated(result: TicketsUpdated) -> str:
    """Render it: what is the same for all, then a line for each ticket."""
    comment = f"{localized('Comment to each:')}\n\n{quote(result.comment)}" if result.comment else ""
    lines = "\n".join(_line(dict(zip(result.columns, row, strict=True)), result) for row in result.rows)
    return document(inline(result.refused or ""), _head(result), comment, lines, notes=result.notes)


def _head(result: TicketsUpdated) -> str:
    total, who = sum(result.counts.values()), named(result.recorded_as.name, result.recorded_as.id)
    if result.preview:
        said = localized(
            "Preview, nothing was written: {count} of {total} tickets would change, recorded as {who}.",
            count=result.counts.get(TicketState.WOULD_CHANGE, 0),
            total=total,
            who=who,
        )
    else:
        said = localized(
            "Changed {count} of {total} tickets, recorded as {who}.",
            count=result.counts.get(TicketState.DONE, 0),
            total=total,
            who=who,
        )
    if result.commented:
        said = localized(" ").join([said, localized("The comment was added.")])
    alike = facts(*map(field_changed, result.changed or ()))
    again = localized("To do exactly this, repeat the call with confirm: {token}", token=result.confirm)
    return "\n".join(filter(None, [said, inline(result.stopped or ""), again if result.confirm else "", alike]))


def _line(cells: dict[str, Cell], result: TicketsUpdated) -> str:
    state = str(cells.get("state") or next(iter(result.counts)))
    label = "" if state == TicketState.WOULD_CHANGE else state_labels()[TicketState(state)]
    ticket = " ".join(inline(str(cells[name])) for name in ("ticketId", "summary") if cells.get(name))
    change, why = (inline(str(cells.get(name) or "")) for name in ("change", "why"))
    return f"- {': '.join(filter(None, [ticket, ', '.join(filter(None, [label, change])), why]))}"
