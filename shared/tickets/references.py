"""Checks the ids of a call against master data before anything is sent; the existing API answers a wrong id with 500.

People use names, so a name is resolved to its id if exactly one item equals it (`shared.tickets.names`); for an
ambiguous name the error lists the candidates, and the first match is never assumed. Reads also take the only item that
has a given word in its name; a write proposes it. The result notes each resolved name. `me` is the acting user.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from shared.errors import InvalidInputError, Problem
from shared.localization import localized
from shared.markdown import one_line
from shared.tickets import master_lists
from shared.tickets.acting_user import ME, ToolCall, callers_user, unknown_user
from shared.tickets.changes import FIELDS
from shared.tickets.folding import fold
from shared.tickets.master_data import MasterData, MasterLists
from shared.tickets.master_lists import MasterList
from shared.tickets.models import CategoryDetail, MasterItem, Ticket
from shared.tickets.names import find, labels, nearest
from shared.tickets.parts import CUT_MARK

_ACTING: Final = ("updatedById", "userId")
_COMMA: Final = re.compile("[,、，;；\n]")
_OR: Final = (
    re.compile(r"[|｜/／&＆+＋・]| (?:or|and) |または|又は|および|及び|[とやか]", re.IGNORECASE),
    re.compile(r"\s+"),
)
"""What may stand between names, if each part is one."""
_CUT: Final = (
    "contains the mark [cut at … of … characters], which this server leaves where it shortens a text. Send the whole "
    "text without the mark, or leave the field out"
)

# fmt: off
REFERENCES: Final[Mapping[str, MasterList[Any]]] = MappingProxyType({  # in the order of resolution
    "updatedById":        master_lists.USERS,
    "userId":             master_lists.USERS,
    "requestorId":        master_lists.USERS,
    "personInChargeId":   master_lists.USERS,
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


@dataclass(frozen=True, slots=True)
class _Rules:
    """How the references of one call are resolved."""

    call: ToolCall
    is_write: bool
    me: MasterItem | None = None
    """The caller's own user, where it is known."""
    ticket: Ticket | None = None
    """The ticket before an update."""


async def check(
    master: MasterData,
    values: Mapping[str, Any],
    call: ToolCall,
    *,
    is_write: bool = False,
    ticket: Ticket | None = None,
) -> Checked:
    """Resolve every reference in `values`, several in a tuple; `ticket` is the ticket before an update.

    Raises:
        InvalidInputError: a reference does not exist, is ambiguous or does not fit another.
        UpstreamError: master data could not be fetched.
    """
    checked = await resolve(master, values, call, is_write=is_write, ticket=ticket)
    if checked.problems:
        raise InvalidInputError.of(checked.problems)
    return checked


async def resolve(
    master: MasterData,
    values: Mapping[str, Any],
    call: ToolCall,
    *,
    is_write: bool = True,
    ticket: Ticket | None = None,
) -> Checked:
    """Do as `check`, but return the problems with the rest, so that a caller can add to them.

    Raises:
        UpstreamError: master data could not be fetched.
    """
    named = REFERENCES.keys() & values.keys()
    if not named:
        return Checked(dict(values))
    me = await callers_user(master, call) if any(fold(str(values[name])) in ME for name in named) else None
    rules = _Rules(call, is_write, me, ticket)
    lists = await master.lists()
    checked = _check(lists, values, rules)
    return _check(await master.lists(newer_than=lists), values, rules) if checked.problems else checked


async def with_choices(master: MasterData, problems: Sequence[Problem]) -> Sequence[Problem]:
    """Return `problems`, each of a reference with the first items to choose from.

    Raises:
        UpstreamError: master data could not be fetched.
    """
    if not any(problem.field in REFERENCES for problem in problems):
        return problems
    lists = await master.lists()
    sources = [REFERENCES.get(problem.field) for problem in problems]
    return [
        problem if source is None else problem._replace(allowed=labels(lists[source], source.tool))
        for problem, source in zip(problems, sources, strict=True)
    ]


def cut_problems(values: Mapping[str, Any], ticket: Ticket | None = None) -> list[Problem]:
    """Return a problem for each text in `values` that was copied from a result in which it was cut.

    Writing it back would lose the rest of the text. A mark that the same field of `ticket` already holds is allowed.
    """
    return [
        Problem(name, localized(_CUT))
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


def _check(lists: MasterLists, values: Mapping[str, Any], rules: _Rules) -> Checked:
    checked = Checked(dict(values))
    for name, source in REFERENCES.items():
        if isinstance(values.get(name), tuple):
            _resolve_each(checked, name, lists[source], source, rules)
        elif name in values:
            _resolve(checked, name, _choices(lists, source, checked.values), source, rules)
    _check_pair(checked, lists, rules.ticket)
    return checked


def _choices(lists: MasterLists, source: MasterList[Any], values: Mapping[str, Any]) -> Sequence[MasterItem]:
    """Return the items a reference may name; details of the given category come first."""
    if source != master_lists.CATEGORY_DETAILS or "categoryId" not in values:
        return lists[source]
    return sorted(lists[master_lists.CATEGORY_DETAILS], key=lambda detail: detail.category_id != values["categoryId"])


def _resolve_each(
    checked: Checked, name: str, choices: Sequence[MasterItem], source: MasterList[Any], rules: _Rules
) -> None:
    """Resolve several references of one argument; a text that is no name may hold several, with commas between."""
    given: tuple[str, ...] = checked.values[name]
    parts = [part for one in given for part in _parts(one, choices)]
    found: list[MasterItem] = []
    for part in parts or given:
        checked.values[name], before = part, len(checked.problems)
        _resolve(checked, name, choices, source, rules)
        if len(parts) > 1 and len(checked.problems) > before:
            problem = checked.problems.pop()
            text = localized("“{value}”: {text}", value=one_line(part), text=problem.text)
            checked.problems.append(problem._replace(text=text))
        if name in checked.items:
            found.append(checked.items.pop(name))
    checked.values[name] = tuple(dict.fromkeys(one.id for one in found))


def _parts(text: str, choices: Sequence[MasterItem]) -> list[str]:
    """Return the names in a text: the text itself if it is one, else what is between commas or words such as `or`."""
    if find(text, choices).equal:
        return [text]
    return [one for part in map(str.strip, _COMMA.split(text)) if part for one in _names(part, choices)]


def _names(text: str, choices: Sequence[MasterItem]) -> list[str]:
    for between in _OR:
        parts = [part for part in map(str.strip, between.split(text)) if part]
        if all(find(part, choices).equal for part in parts):
            return parts
    return [text]


def _resolve(
    checked: Checked, name: str, choices: Sequence[MasterItem], source: MasterList[Any], rules: _Rules
) -> None:
    given = checked.values[name]
    found = find(given, choices)
    equal, partial = _of_category(found.equal, checked), found.partial
    if not equal and source == master_lists.USERS and fold(given) in ME:
        equal = _me(checked, rules)
        if not equal:
            checked.problems += unknown_user(name, rules.call).problems
            return
    if len(equal) == 1:
        _take(checked, name, equal[0], localized("“{name}” is {id}", name=equal[0].name, id=equal[0].id))
    elif equal:
        text = localized("several have this name; give the id")
        checked.problems.append(Problem(name, text, labels(equal, source.tool)))
    elif found.contradicts:
        text = localized("its id and its name do not fit")
        checked.problems.append(Problem(name, text, labels(partial, source.tool)))
    elif len(partial) == 1 and not rules.is_write:
        meant = f"{partial[0].name} ({partial[0].id})"
        note = localized("“{given}” was taken for {meant}", given=one_line(given), meant=meant)
        _take(checked, name, partial[0], note)
    elif partial:
        text = localized("no such id or whole name; give the id of the one that is meant")
        right = {name: partial[0].id} if len(partial) == 1 else None
        checked.problems.append(Problem(name, text, labels(nearest(given, partial), source.tool), right))
    else:
        text = localized("no such id or name")
        checked.problems.append(Problem(name, text, labels(nearest(given, choices), source.tool)))


def _take(checked: Checked, name: str, item: MasterItem, note: str) -> None:
    if checked.values[name] != item.id:
        checked.notes.append(localized("{text}.", text=f"{name}: {note}"))
    checked.values[name], checked.items[name] = item.id, item


def _me(checked: Checked, rules: _Rules) -> tuple[MasterItem, ...]:
    """Return the user that the call names as the acting user, or else the caller's own."""
    named = [checked.items[name] for name in _ACTING if name in checked.items]
    return tuple(named[:1]) or ((rules.me,) if rules.me is not None else ())


def _of_category(items: tuple[MasterItem, ...], checked: Checked) -> tuple[MasterItem, ...]:
    """Return those of several details with one name that belong to the given category, or all."""
    category = checked.values.get("categoryId")
    return tuple(one for one in items if isinstance(one, CategoryDetail) and one.category_id == category) or items


def _check_pair(checked: Checked, lists: MasterLists, ticket: Ticket | None) -> None:
    """Check that the detail belongs to the category; an update may give either one and keep the other."""
    proposed = {name: value for problem in checked.problems for name, value in (problem.right or {}).items()}
    values = checked.values | proposed
    wrong = {problem.field for problem in checked.problems} - proposed.keys()
    if wrong & {"categoryId", "categoryDetailId"} or not {"categoryId", "categoryDetailId"} & values.keys():
        return
    category = values.get("categoryId", ticket.category_id if ticket else None)
    detail = values.get("categoryDetailId", ticket.category_detail_id if ticket else None)
    fitting = [item for item in lists[master_lists.CATEGORY_DETAILS] if item.category_id == category]
    if category is None or detail is None or any(item.id == detail for item in fitting):
        return
    text = localized(
        "{detail} does not belong to category {category}; give a categoryId and a categoryDetailId that fit",
        detail=detail,
        category=category,
    )
    checked.problems.append(Problem("categoryDetailId", text, labels(fitting, master_lists.CATEGORY_DETAILS.tool)))
