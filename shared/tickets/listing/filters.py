"""Turns the arguments of a list into what is selected: `mine`, `overdue` and the like become filters. Pure.

Arguments that exclude each other are refused by name, all at once, because an empty list would be taken for a fact.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from shared.errors import InvalidInputError, Problem
from shared.localization import localized
from shared.tickets.models import MasterItem, Status
from shared.tickets.names import labels
from shared.tickets.paging.cursor import not_a_cursor, order_of
from shared.tickets.selection import TicketFilters, TicketSelection

MAX_STATUSES: Final = 20
_ONLY_OPEN: Final = ("open", "overdue", "dueWithin")
"""Arguments that leave completed tickets out."""
_DUE_FROM: Final = "scheduledCompletionDateFrom"
_DUE_TO: Final = "scheduledCompletionDateTo"
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
        text = localized(
            "means due before today, and dueWithin due from today on; open: true with scheduledCompletionDateTo: {day} "
            "has both",
            day=both["scheduledCompletionDateTo"],
        )
        yield Problem("overdue", text, right={"open": True})
        yield Problem("dueWithin", localized("is given together with overdue"), right=both)
    yield from _of_completed(request)
    person = values.get("personInChargeId")
    if values["mine"] and request.me is not None and person not in {None, request.me.id}:
        text = localized("is {person}, and mine: true means {me}; give one of them", person=person, me=request.me.id)
        yield Problem("personInChargeId", text)
    if len(request.status_ids) > MAX_STATUSES:
        yield Problem("statusId", localized("must be at most {most} statuses", most=MAX_STATUSES))
    yield from _of_cursor(request)


def _of_completed(request: ListRequest) -> Iterator[Problem]:
    """Yield a problem where completed tickets are both asked for and left out."""
    values, only_open = request.values, request.only_open
    completed = [one for one in request.statuses if one.id in request.completed and one.id in request.status_ids]
    named = localized(", ").join(labels(completed, "get_statuses"))
    if only_open:
        names = localized(" and ").join(map(request.shown, only_open))
        by = localized("{names} leave" if len(only_open) > 1 else "{names} leaves", names=names)
        if values["showCompleted"] and "showCompleted" in request.named:
            text = localized("true includes completed tickets, and {by} them out", by=by)
            yield Problem("showCompleted", text, right={})
        if completed:
            others = [one for one in request.status_ids if one not in request.completed]
            these = localized("{named} mean" if len(completed) > 1 else "{named} means", named=named)
            text = localized("{these} completed, and {by} completed tickets out", these=these, by=by)
            if others:
                yield Problem("statusId", text, right={"statusId": ",".join(others)})
            else:
                yield Problem("statusId", localized("{text}; give one of them", text=text))
        for name in _OF_COMPLETED:
            if name in values:
                yield Problem(name, localized("asks for completed tickets, and {by} them out; give one of them", by=by))
        return
    asked = [*([f"statusId: {named}"] if completed else []), *map(request.shown, values.keys() & {*_OF_COMPLETED})]
    if not values["showCompleted"] and asked:
        names = localized(" and ").join(sorted(asked))
        these = localized("{names} ask" if len(asked) > 1 else "{names} asks", names=names)
        text = localized(
            "false leaves completed tickets out, and {these} for them: these exclude each other", these=these
        )
        yield Problem("showCompleted", text, right={"showCompleted": True})


def _of_cursor(request: ListRequest) -> Iterator[Problem]:
    """Yield a problem where the cursor contradicts the order, or the offset."""
    values = request.values
    if "cursor" not in values:
        return
    if values["offset"]:
        text = localized("is given together with cursor, which says where the page begins")
        yield Problem("offset", text, right={})
    order = order_of(values["cursor"])
    if order is None:
        yield not_a_cursor()
        return
    own = {"sortBy": order[0], "sortOrder": "desc" if order[1] else "asc"}
    for name in ("sortBy", "sortOrder"):
        if name in request.named and values[name] != own[name]:
            text = localized("the cursor is of a list with {name}: {value}", name=name, value=own[name])
            yield Problem(name, text, right={name: own[name]})


def _not_due(request: ListRequest) -> Iterator[Problem]:
    """Yield a problem for each end of the due dates that no day of `overdue` or `dueWithin` fits."""
    if request.values["overdue"] and "dueWithin" in request.values:
        return
    earliest, latest = _due_by_words(request)
    name = "dueWithin" if "dueWithin" in request.values else "overdue"
    means = localized("due by {latest}", latest=latest)
    if earliest:
        means = localized("due from {earliest} to {latest}", earliest=earliest, latest=latest)
    first, last = request.values.get(_DUE_FROM), request.values.get(_DUE_TO)
    wrong = []
    if first is not None and latest is not None and first > latest:
        wrong.append((_DUE_FROM, first))
    if last is not None and earliest is not None and last < earliest:
        wrong.append((_DUE_TO, last))
    for end, day in wrong:
        text = localized(
            "is {day}, and {argument} means {means}; give one of them",
            day=day,
            argument=request.shown(name),
            means=means,
        )
        yield Problem(end, text)
