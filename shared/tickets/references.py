"""Checks the ids of a call against master data before anything is sent; the existing API answers a wrong id with 500.

People use names, so an exact name is resolved to its id if it is unique; for an ambiguous name the error lists the
candidates, and the first match is never assumed. The result notes each resolved name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from shared.errors import InvalidInputError, Problem
from shared.markdown import one_line
from shared.tickets import master_lists
from shared.tickets.changes import FIELDS
from shared.tickets.master_data import MasterData, MasterLists
from shared.tickets.master_lists import MasterList
from shared.tickets.models import CategoryDetail, MasterItem, Ticket
from shared.tickets.results import CUT_MARK

MAX_ALLOWED: Final = 20
_CUT: Final = (
    "contains the mark [cut at … of … characters], which this server leaves where it shortens a text. Send the whole "
    "text without the mark, or leave the field out"
)

# fmt: off
REFERENCES: Final[Mapping[str, MasterList[Any]]] = MappingProxyType({  # resolved in this order: a category, its detail
    "requestorId":        master_lists.USERS,
    "personInChargeId":   master_lists.USERS,
    "updatedById":        master_lists.USERS,
    "userId":             master_lists.USERS,
    "accountId":          master_lists.ACCOUNTS,
    "categoryId":         master_lists.CATEGORIES,
    "categoryDetailId":   master_lists.CATEGORY_DETAILS,
    "statusId":           master_lists.STATUSES,
    "requestChannelId":   master_lists.REQUEST_CHANNELS,
    "responseCategoryId": master_lists.RESPONSE_CATEGORIES,
})
# fmt: on


@dataclass(slots=True)
class Checked:
    """The values with every reference resolved to an id, the items referred to, notes, and problems."""

    values: dict[str, Any]
    items: dict[str, MasterItem] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


async def check(master: MasterData, values: Mapping[str, Any], *, ticket: Ticket | None = None) -> Checked:
    """Resolve every reference in `values`; `ticket` is the ticket before an update.

    Raises:
        InvalidInputError: a reference does not exist, is ambiguous or does not fit another.
        UpstreamError: master data could not be fetched.
    """
    checked = await resolve(master, values, ticket=ticket)
    if checked.problems:
        raise InvalidInputError.of(checked.problems)
    return checked


async def resolve(master: MasterData, values: Mapping[str, Any], *, ticket: Ticket | None = None) -> Checked:
    """Do as `check`, but return the problems with the rest, so that a caller can add to them.

    Raises:
        UpstreamError: master data could not be fetched.
    """
    if not REFERENCES.keys() & values.keys():
        return Checked(dict(values))
    lists = await master.lists()
    checked = _check(lists, values, ticket)
    return _check(await master.lists(newer_than=lists), values, ticket) if checked.problems else checked


def cut_problems(values: Mapping[str, Any], ticket: Ticket | None = None) -> list[Problem]:
    """Return a problem for each text in `values` that was copied from a result in which it was cut.

    Writing it back would lose the rest of the text. A mark that the same field of `ticket` already holds is allowed.
    """
    return [
        Problem(name, _CUT)
        for name, value in values.items()
        if (mark := CUT_MARK.search(_all_text(value))) and mark.group() not in _stored(ticket, name)
    ]


def _all_text(value: object) -> str:
    """Return every text in a value, including texts inside lists and objects."""
    if isinstance(value, Mapping):
        return "\n".join(map(_all_text, value.values()))
    if isinstance(value, list | tuple):
        return "\n".join(map(_all_text, value))
    return value if isinstance(value, str) else ""


def _stored(ticket: Ticket | None, name: str) -> str:
    value = getattr(ticket, FIELDS[name], None) if ticket is not None and name in FIELDS else None
    return value if isinstance(value, str) else ""


def _check(lists: MasterLists, values: Mapping[str, Any], ticket: Ticket | None) -> Checked:
    checked = Checked(dict(values))
    for name, source in REFERENCES.items():
        if name in values:
            _resolve(checked, name, _choices(lists, source, checked.values), source.tool)
    _check_pair(checked, lists, ticket)
    return checked


def _choices(lists: MasterLists, source: MasterList[Any], values: Mapping[str, Any]) -> Sequence[MasterItem]:
    """Return the items a reference may name; details of the given category come first."""
    if source != master_lists.CATEGORY_DETAILS or "categoryId" not in values:
        return lists[source]
    return sorted(lists[master_lists.CATEGORY_DETAILS], key=lambda detail: detail.category_id != values["categoryId"])


def _resolve(checked: Checked, name: str, choices: Sequence[MasterItem], tool: str) -> None:
    given = checked.values[name]
    if item := next((item for item in choices if item.id == given), None):
        checked.items[name] = item
        return
    named = [item for item in choices if item.name.casefold() == given.strip().casefold()]
    category = checked.values.get("categoryId")
    if len(named) > 1:  # details of different categories may share a name
        named = [item for item in named if isinstance(item, CategoryDetail) and item.category_id == category] or named
    if len(named) == 1:
        checked.values[name], checked.items[name] = named[0].id, named[0]
        checked.notes.append(f"{name}: “{named[0].name}” is {named[0].id}.")
    elif named:
        checked.problems.append(Problem(name, "several have this name; give the id", labels(named, tool)))
    else:
        checked.problems.append(Problem(name, "no such id or name", labels(choices, tool)))


def _check_pair(checked: Checked, lists: MasterLists, ticket: Ticket | None) -> None:
    """Check that the detail belongs to the category; an update may give either one and keep the other."""
    values = checked.values
    wrong = {problem.field for problem in checked.problems}
    if wrong & {"categoryId", "categoryDetailId"} or not {"categoryId", "categoryDetailId"} & values.keys():
        return
    category = values.get("categoryId", ticket.category_id if ticket else None)
    detail = values.get("categoryDetailId", ticket.category_detail_id if ticket else None)
    fitting = [item for item in lists[master_lists.CATEGORY_DETAILS] if item.category_id == category]
    if category is None or detail is None or any(item.id == detail for item in fitting):
        return
    text = f"{detail} does not belong to category {category}; give a categoryId and a categoryDetailId that fit"
    checked.problems.append(Problem("categoryDetailId", text, labels(fitting, master_lists.CATEGORY_DETAILS.tool)))


def labels(items: Sequence[MasterItem], tool: str) -> tuple[str, ...]:
    """Return `id (name)` of the first items, and the tool that lists the rest."""
    shown = tuple(one_line(f"{item.id} ({item.name[:60]})") for item in items[:MAX_ALLOWED])
    rest = len(items) - len(shown)
    return (*shown, f"and {rest} more, see {tool}") if rest > 0 else shown
