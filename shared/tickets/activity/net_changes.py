"""Says in few words what some history entries changed: per field, the first old value and the last new one. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.folding import name_key
from shared.tickets.master_data import MasterLists
from shared.tickets.master_lists import USERS
from shared.tickets.models import ChangedField, HistoryEntry
from shared.tickets.references import REFERENCES

MAX_VALUE: Final = 40
"""Characters of a value; of longer ones only the lengths are said."""
MAX_FIELDS: Final = 6
MAX_PEOPLE: Final = 3

# fmt: off
_LABELS: Final[Mapping[str, str]] = MappingProxyType({
    "statusId":                "status",
    "personInChargeId":        "in charge",
    "requestorId":             "requestor",
    "accountId":               "account",
    "categoryId":              "category",
    "categoryDetailId":        "category detail",
    "requestChannelId":        "channel",
    "responseCategoryId":      "response category",
    "scheduledCompletionDate": "due",
    "completionDate":          "completed",
    "actualEffortHours":       "hours",
    "hasDefect":               "defect",
    "summary":                 "summary",
    "description":             "description",
    "responseDetails":         "response",
    "externalTicketId":        "external id",
    "remarks":                 "remarks",
})
# fmt: on


class Names:
    """The names behind ids in histories, and which of the people share one."""

    def __init__(self, lists: MasterLists) -> None:
        self._lists = lists
        times = Counter(name_key(user.name) for user in lists[USERS])
        self._shared = frozenset(key for key, number in times.items() if number > 1)
        self._by_field: dict[str, Mapping[str, str]] = {}

    def of_value(self, field: str, value: str) -> str:
        """Return the name behind an id, which the existing API records; else the value."""
        source = REFERENCES.get(field)
        if source is None:
            return value
        if field not in self._by_field:
            items: Sequence[Any] = self._lists[source]
            self._by_field[field] = {item.id: item.name for item in items}
        return self._by_field[field].get(value, value)

    def of_author(self, entry: HistoryEntry) -> str:
        """Return who made an entry; a name that several users have comes with the id."""
        name = one_line(entry.user_name or entry.user_id or "") or localized("an unnamed user")
        if entry.user_name and entry.user_id and name_key(entry.user_name) in self._shared:
            return f"{name} ({entry.user_id})"
        return name


def changes_of(entries: Iterable[HistoryEntry], names: Names) -> str:
    """Return what the entries changed together, each field once; empty if they are comments alone."""
    fields: dict[str, tuple[ChangedField, ChangedField]] = {}
    for entry in entries:
        for change in entry.changed_fields or ():
            first, _ = fields.get(change.field_name, (change, change))
            fields[change.field_name] = first, change
    said = [_change(name, first.old_value, last.new_value, names) for name, (first, last) in fields.items()]
    rest = len(said) - MAX_FIELDS
    if rest > 0:
        said = [*said[:MAX_FIELDS], localized("and {number} more fields", number=rest)]
    return localized("; ").join(said)


def _change(field: str, old: str | None, new: str | None, names: Names) -> str:
    label = localized(_LABELS[field]) if field in _LABELS else one_line(field)
    before, after = (one_line(names.of_value(field, value)) if value else "" for value in (old, new))
    if before == after:
        return localized("{field}: changed and changed back", field=label)
    if max(len(before), len(after)) > MAX_VALUE:
        return localized(
            "{field}: {before} → {after} characters",
            field=label,
            before=f"{len(old or ''):,}",
            after=f"{len(new or ''):,}",
        )
    empty = localized("(empty)")
    return localized("{field}: {before} → {after}", field=label, before=before or empty, after=after or empty)


def authors_of(entries: Iterable[HistoryEntry], names: Names) -> str:
    """Return who made the entries, in order, at most `MAX_PEOPLE`."""
    people = list(dict.fromkeys(map(names.of_author, entries)))
    more = f" +{len(people) - MAX_PEOPLE}" if len(people) > MAX_PEOPLE else ""
    return localized(", ").join(people[:MAX_PEOPLE]) + more


def most_active(entries: Iterable[HistoryEntry], names: Names) -> str:
    """Return who made the entries with their numbers, those with the most first, at most `MAX_PEOPLE`."""
    counted = Counter(map(names.of_author, entries)).most_common()
    shown = [f"{name} {number}" for name, number in counted[:MAX_PEOPLE]]
    rest = counted[MAX_PEOPLE:]
    if rest:
        number = sum(count for _, count in rest)
        shown.append(localized("{people} others with {number}", people=len(rest), number=number))
    return localized(", ").join(shown)
