"""Turns the arguments of a list into what is selected: `mine`, `overdue` and the like become filters. Pure.

Arguments that exclude each other are refused by name, all at once, because an empty list would be taken for a fact.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from shared.errors import InvalidInputError, Problem
from shared.tickets.models import MasterItem, Status
from shared.tickets.names import labels
from shared.tickets.paging.cursor import NOT_A_CURSOR, order_of
from shared.tickets.selection import TicketFilters, TicketSelection

MAX_STATUSES: Final = 20
_ONLY_OPEN: Final = ("open", "overdue", "dueWithin")
"""Arguments that leave completed tickets out."""
_DUE_FROM: Final = "scheduledCompletionDateFrom"
_DUE_TO: Final = "scheduledCompletionDateTo"
_ONE_OF_THEM: Final = "give one of them"
_OF_COMPLETED: Final = ("completedFrom", "completedTo")
"""Arguments that only completed tickets fit."""


@dataclass(frozen=True, slots=True)
class ListRequest:
    """The checked arguments of a list, and what decides their meaning.

    `values` are all arguments with their defaults, `named` are those that the caller gave; `me` is the caller's user,
    needed for `mine`; `today` is the day in the zone shown.
    """

    values: Mapping[str, Any]
    named: Collection[str]
    statuses: Sequence[Status]
    completed: frozenset[str]
    """Ids of the statuses that mean completed."""
    today: date
    me: MasterItem | None = None

    @property
    def status_ids(self) -> tuple[str, ...]:
        """The wanted statuses."""
        return tuple(self.values.get("statusId", ()))

    @property
    def only_open(self) -> tuple[str, ...]:
        """The arguments given that leave completed tickets out."""
        return tuple(name for name in _ONLY_OPEN if name in self.values and self.values[name] is not False)

    @property
    def wants_completed(self) -> bool:
        """Whether the caller asked for completed tickets, by a status or by when they were completed."""
        return any(name in self.values for name in _OF_COMPLETED) or bool(self.completed & {*self.status_ids})

    def shown(self, name: str) -> str:
        """Return an argument as a call has it, for example `open: true`."""
        value = self.values[name]
        return f"{name}: {str(value).lower() if isinstance(value, bool) else value}"


def selection_of(request: ListRequest, fields: tuple[str, ...] = ()) -> TicketSelection:
    """Return what a list selects; `fields` are the columns that it shows.

    Raises:
        InvalidInputError: arguments exclude each other; it names all that do.
    """
    values = request.values
    if problems := [*_contradictions(request), *_not_due(request)]:
        raise InvalidInputError.of(problems)
    due_from, due_to = _due(request)
    cursor = values.get("cursor")
    order = (values["sortBy"], values["sortOrder"] == "desc")
    sort_by, descends = order if cursor is None else order_of(cursor) or order
    return TicketSelection(
        filters=TicketFilters(
            person_in_charge_id=request.me.id if values["mine"] and request.me else values.get("personInChargeId"),
            account_id=values.get("accountId"),
            category_id=values.get("categoryId"),
            status_ids=request.status_ids,
            completed=values["showCompleted"] and not request.only_open,
            due_from=due_from,
            due_to=due_to,
            received_from=values.get("receivedFrom"),
            received_to=values.get("receivedTo"),
            completed_from=values.get("completedFrom"),
            completed_to=values.get("completedTo"),
            updated_since=values.get("updatedSince"),
            search=values.get("searchQuery"),
        ),
        sort_by=sort_by,
        descends=descends,
        limit=values["limit"],
        offset=values["offset"],
        cursor=cursor,
        fields=fields,
    )


def _due(request: ListRequest) -> tuple[str | None, str | None]:
    """Return the first and the last day on which the wanted tickets are due."""
    first, last = request.values.get(_DUE_FROM), request.values.get(_DUE_TO)
    earliest, latest = _due_by_words(request)
    return max(filter(None, (first, earliest)), default=None), min(filter(None, (last, latest)), default=None)


def _due_by_words(request: ListRequest) -> tuple[str | None, str | None]:
    """Return the days that `overdue` or `dueWithin` means, if one of them is given."""
    if "dueWithin" in request.values:
        return str(request.today), _in_days(request.today, request.values["dueWithin"])
    return None, str(request.today - timedelta(1)) if request.values["overdue"] else None


def _in_days(today: date, days: int) -> str:
    try:
        return str(today + timedelta(days))
    except OverflowError:
        return str(date.max)


def _contradictions(request: ListRequest) -> Iterator[Problem]:
    values = request.values
    if values["overdue"] and "dueWithin" in values:
        both = {"scheduledCompletionDateTo": _in_days(request.today, values["dueWithin"])}
        yield Problem(
            "overdue",
            "means due before today, and dueWithin due from today on; open: true with "
            f"scheduledCompletionDateTo: {both['scheduledCompletionDateTo']} has both",
            right={"open": True},
        )
        yield Problem("dueWithin", "is given together with overdue", right=both)
    yield from _of_completed(request)
    person = values.get("personInChargeId")
    if values["mine"] and request.me is not None and person not in {None, request.me.id}:
        yield Problem("personInChargeId", f"is {person}, and mine: true means {request.me.id}; {_ONE_OF_THEM}")
    if len(request.status_ids) > MAX_STATUSES:
        yield Problem("statusId", f"must be at most {MAX_STATUSES} statuses")
    yield from _of_cursor(request)


def _of_completed(request: ListRequest) -> Iterator[Problem]:
    """Yield a problem where completed tickets are both asked for and left out."""
    values, only_open = request.values, request.only_open
    completed = [one for one in request.statuses if one.id in request.completed and one.id in request.status_ids]
    named = ", ".join(labels(completed, "get_statuses"))
    if only_open:
        by = f"{' and '.join(map(request.shown, only_open))} {_verb('leave', only_open)}"
        if values["showCompleted"] and "showCompleted" in request.named:
            yield Problem("showCompleted", f"true includes completed tickets, and {by} them out", right={})
        if completed:
            others = [one for one in request.status_ids if one not in request.completed]
            right, advice = ({"statusId": ",".join(others)}, "") if others else (None, f"; {_ONE_OF_THEM}")
            text = f"{named} {_verb('mean', completed)} completed, and {by} completed tickets out{advice}"
            yield Problem("statusId", text, right=right)
        for name in _OF_COMPLETED:
            if name in values:
                yield Problem(name, f"asks for completed tickets, and {by} them out; {_ONE_OF_THEM}")
        return
    asked = [*([f"statusId: {named}"] if completed else []), *map(request.shown, values.keys() & {*_OF_COMPLETED})]
    if not values["showCompleted"] and asked:
        yield Problem(
            "showCompleted",
            f"false leaves completed tickets out, and {' and '.join(sorted(asked))} {_verb('ask', asked)} for them: "
            "these exclude each other",
            right={"showCompleted": True},
        )


def _verb(word: str, subjects: Collection[Any]) -> str:
    return word if len(subjects) > 1 else f"{word}s"


def _of_cursor(request: ListRequest) -> Iterator[Problem]:
    """Yield a problem where the cursor contradicts the order, or the offset."""
    values = request.values
    if "cursor" not in values:
        return
    if values["offset"]:
        yield Problem("offset", "is given together with cursor, which says where the page begins", right={})
    order = order_of(values["cursor"])
    if order is None:
        yield NOT_A_CURSOR
        return
    own = {"sortBy": order[0], "sortOrder": "desc" if order[1] else "asc"}
    for name in ("sortBy", "sortOrder"):
        if name in request.named and values[name] != own[name]:
            yield Problem(name, f"the cursor is of a list with {name}: {own[name]}", right={name: own[name]})


def _not_due(request: ListRequest) -> Iterator[Problem]:
    """Yield a problem for each end of the due dates that no day of `overdue` or `dueWithin` fits."""
    if request.values["overdue"] and "dueWithin" in request.values:
        return
    earliest, latest = _due_by_words(request)
    name = "dueWithin" if "dueWithin" in request.values else "overdue"
    means = f"due from {earliest} to {latest}" if earliest else f"due by {latest}"
    first, last = request.values.get(_DUE_FROM), request.values.get(_DUE_TO)
    text = f"and {request.shown(name)} means {means}; {_ONE_OF_THEM}"
    if first is not None and latest is not None and first > latest:
        yield Problem(_DUE_FROM, f"is {first}, {text}")
    if last is not None and earliest is not None and last < earliest:
        yield Problem(_DUE_TO, f"is {last}, {text}")
