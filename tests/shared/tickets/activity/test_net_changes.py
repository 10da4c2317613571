"""What some history entries changed, in few words."""

from typing import Any

from shared.tickets.activity.net_changes import Names, authors_of, changes_of, most_active
from shared.tickets.master_data import MasterLists
from shared.tickets.master_lists import MASTER_LISTS, STATUSES, USERS
from shared.tickets.models import HistoryEntry, Status, User

USERS_OF_TWO_NAMES = tuple(User(id=f"u{n}", name=name) for n, name in enumerate(("Ann", "Ann", "Bo", "Cy", "Di")))
NAMES = Names(
    MasterLists(
        dict.fromkeys(MASTER_LISTS, ())
        | {USERS: USERS_OF_TWO_NAMES, STATUSES: (Status(id="s1", name="New"), Status(id="s2", name="Done"))}
    )
)


def entry(number: int, user: int = 0, **changed: Any) -> HistoryEntry:
    fields = [{"fieldName": name, "oldValue": old, "newValue": new} for name, (old, new) in changed.items()]
    author = USERS_OF_TWO_NAMES[user]
    return HistoryEntry.model_validate(
        {"id": number, "userId": author.id, "userName": author.name, "changedFields": fields}
    )


def test_ids_are_shown_as_names_and_names_as_they_are() -> None:
    assert changes_of([entry(1, statusId=("s1", "s2"))], NAMES) == "status: New → Done"
    assert changes_of([entry(1, statusId=("New", "Gone"))], NAMES) == "status: New → Gone"
    assert changes_of([entry(1, priority=(None, "high\n1"))], NAMES) == "priority: (empty) → high 1"


def test_a_long_value_is_shown_as_its_length() -> None:
    changed = changes_of([entry(1, description=("a" * 1_200, "b" * 41))], NAMES)

    assert changed == "description: 1,200 → 41 characters"


def test_more_fields_than_fit_are_counted() -> None:
    changed: dict[str, Any] = {f"field{number}": (None, "1") for number in range(8)}
    entries = [entry(1, **changed)]

    assert changes_of(entries, NAMES).endswith("field5: (empty) → 1; and 2 more fields")


def test_people_of_one_name_come_with_their_ids() -> None:
    by = [entry(number, user) for number, user in enumerate((0, 1, 2, 2, 3, 4))]

    assert authors_of(by, NAMES) == "Ann (u0), Ann (u1), Bo +2"
    assert most_active(by, NAMES) == "Bo 2, Ann (u0) 1, Ann (u1) 1, 2 others with 2"
    assert authors_of([HistoryEntry(id="1")], NAMES) == "an unnamed user"
