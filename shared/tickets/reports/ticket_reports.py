"""Answers `get_ticket_report`: from checked arguments to a table of numbers that is short at any size."""

from collections.abc import Iterator, Sequence
from datetime import date

from shared.localization import localized
from shared.mcp_tools.inputs import TicketListInput, TicketReportInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.features import STATS, TOTAL_ORDER
from shared.tickets.listing.filters import selection_of
from shared.tickets.listing.ticket_list import list_request
from shared.tickets.paging.list_query import needed
from shared.tickets.references import check
from shared.tickets.reports.measures import Counted, Measures, ReportRequest, TicketCounter
from shared.tickets.reports.result import ReportTotals, TicketReport
from shared.tickets.reports.size import row_tokens, short_name, tokens_left
from shared.tickets.reports.statistics_counter import StatisticsCounter
from shared.tickets.reports.window_counter import WindowCounter
from shared.tickets.results import Cell
from shared.tickets.selection import TicketFilters, TicketSelection
from shared.tickets.ticket_system import TicketSystem


class TicketReports:
    """The reports of one ticket API."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system
        self._statistics = StatisticsCounter(system.api, system.master)
        self._window = WindowCounter(system)

    async def report(self, query: TicketReportInput, call: ToolCall) -> TicketReport:
        """Return the numbers of tickets, of all and of the groups that have the most.

        Raises:
            InvalidInputError: a reference does not exist, arguments exclude each other, or it cannot be counted.
            UpstreamError: the API failed.
        """
        checked = await check(self._system.master, query.given(), call)
        values = TicketListInput().given() | checked.values
        filters = selection_of(await list_request(self._system, values, query.named, call)).filters
        request = ReportRequest(
            filters=filters,
            group_by=query.group_by,
            at=await self._system.calendar.time(),
            first=query.from_,
            last=query.to,
        )
        counted = await (await self._counter(filters)).counted(request)
        notes = (*checked.notes, *counted.notes)
        columns = tuple(_columns(request, counted.total))
        left = tokens_left(len(request.group_by) + len(columns), has_period=request.has_period, notes=notes)
        return _report(request, counted, notes, columns, _rows(request, counted, columns, left))

    async def _counter(self, filters: TicketFilters) -> TicketCounter:
        features = needed(TicketSelection(filters=filters)) - {TOTAL_ORDER} | {STATS}
        if all([await self._system.features.has(one) for one in features]):
            return self._statistics
        return self._window


def _report(
    request: ReportRequest,
    counted: Counted,
    notes: tuple[str, ...],
    columns: tuple[str, ...],
    rows: Sequence[tuple[Cell, ...]],
) -> TicketReport:
    total = counted.total
    return TicketReport(
        columns=(*request.group_by, *columns),
        rows=tuple(rows),
        period=request.period,
        totals=ReportTotals(
            count=total.count,
            open=total.open,
            overdue=total.overdue,
            oldest_open=total.oldest,
            average_open_days=total.average,
            received=total.received,
            completed=total.completed if request.filters.completed else None,
        ),
        notes=notes,
    )


def _columns(request: ReportRequest, total: Measures) -> Iterator[str]:
    """Yield the columns that say more than the totals do, in which a zero is that of each group too."""
    yield "count"
    if request.filters.completed and total.open:
        yield "open"
    if total.overdue:
        yield "overdue"
    if total.open:
        yield "oldestDays"
    if total.open and not request.has_period:  # beside five other numbers it would cost a row in five
        yield "averageDays"
    if total.received:
        yield "received"
    if total.completed and request.filters.completed:
        yield "completed"


def _rows(request: ReportRequest, counted: Counted, columns: Sequence[str], left: int) -> list[tuple[Cell, ...]]:
    """Return the first groups whose rows take at most `left` tokens, at least one, and all others as one row."""
    rows, shown = list[tuple[Cell, ...]](), list[Measures]()
    names: list[Cell] = [localized("(others)"), *(None for _ in request.group_by[1:])]
    for group in counted.groups:
        row = _row([short_name(name) for name in group.names], group.measures, columns, request.at)
        left -= row_tokens(row)
        others = _row(names, counted.total.without(shown), columns, request.at)
        if rows and left < (row_tokens(others) if _has_any(counted.total.without([*shown, group.measures])) else 0):
            break
        rows.append(row)
        shown.append(group.measures)
    rest = counted.total.without(shown)
    if _has_any(rest):
        rows.append(_row(names, rest, columns, request.at))
    return rows


def _has_any(measures: Measures) -> bool:
    return bool(measures.count or measures.received or measures.completed)


def _row(names: Sequence[Cell], measures: Measures, columns: Sequence[str], at: TicketTime) -> tuple[Cell, ...]:
    numbers: dict[str, Cell] = {
        "count": measures.count,
        "open": measures.open,
        "overdue": measures.overdue,
        "oldestDays": None if measures.oldest is None else _days(measures.oldest, at.today),
        "averageDays": measures.average,
        "received": measures.received,
        "completed": measures.completed,
    }
    return (*names, *(numbers[name] for name in columns))


def _days(received: str, today: date) -> int:
    """Return the days from a minute until today, negative in the future."""
    return (today - date.fromisoformat(received[:10])).days
