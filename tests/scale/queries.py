"""The requests that are measured, for the tenant of 100,000 tickets. Words and filters fit `rows` and `words.toml`.

Every kind has several requests, so that a connection does not only repeat one statement with the same values.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from types import MappingProxyType
from typing import Any, Final

from tests.scale.client import Query

ALL: Final = {"showCompleted": "true"}
ORDERS: Final = tuple(
    {"sortBy": by, "sortOrder": direct}
    for by in ("receptionDateTime", "scheduledCompletionDate", "completionDate")
    for direct in ("asc", "desc")
)
FILTERS: Final[Mapping[str, Sequence[Query]]] = MappingProxyType({
    "open": [{}],
    "all": [ALL],
    "status": [{"statusId": [id_], **ALL} for id_ in ("stat1", "stat4")],
    "rare status": [{"statusId": ["stat5"]}],
    "two statuses": [{"statusId": ["stat2", "stat5"]}, {"statusId": ["stat1", "stat4"], **ALL}],
    "person": [{"personInChargeId": f"user{n}", **ALL} for n in (0, 7, 61)],
    "account": [{"accountId": f"acc{n}", **ALL} for n in (0, 5_000, 9_999)],
    "requestor": [{"requestorId": f"user{n}", **ALL} for n in (3, 2_400)],
    "category": [{"categoryId": f"cat{n}", **ALL} for n in (1, 6)],
    "received": [
        {"receptionDateTimeFrom": "2024-02-01", "receptionDateTimeTo": "2024-02-02", **ALL},
        {"receptionDateTimeFrom": "2025-01-01", **ALL},
        {"receptionDateTimeTo": "2023-12-01", **ALL},
    ],
    "due": [
        {"scheduledCompletionDateFrom": "2026-01-01", "scheduledCompletionDateTo": "2026-01-07"},
        {"scheduledCompletionDateTo": "2023-12-01", **ALL},
    ],
    "completed": [
        {"completionDateFrom": "2024-05-01", "completionDateTo": "2024-05-31", **ALL},
        {"completionDateFrom": "2026-11-18", **ALL},
    ],
    "updated": [
        {"updatedAtFrom": "2026-11-18T00:00:00Z", **ALL},
        {"updatedAtTo": "2023-12-05T09:00:00+09:00", **ALL},
    ],
    "person and account": [{"personInChargeId": "user1", "accountId": "acc1", **ALL}],
    "status and category": [
        {"statusId": ["stat5"], "categoryId": "cat6"},
        {"statusId": ["stat3"], "categoryId": "cat2"},
    ],
    "five together": [
        {"personInChargeId": "user2", "categoryId": "cat1", "receptionDateTimeFrom": "2024-01-01",
         "completionDateTo": "2024-12-31", "statusId": ["stat4"], **ALL},
    ],
    "none fit": [{"accountId": "acc1", "statusId": ["stat5"], "receptionDateTimeFrom": "2026-01-01"}],
})  # fmt: skip
"""Lists without words, each in every order."""
WORDS: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "common": ("customer", "お客様", "error", "不具合"),
        "several, common": ("error invoice", "customer the", "お客様 エラー"),
        "some": ("ポケット帳 棚卸 薬局", "gyroscope", "券売機", "bergström"),
        "rare": ("zeppelin", "蒸留器", "ZEPPELIN"),
        "rare and common": ("zeppelin customer", "お客様 蒸留器"),
        "absent": ("xyzzyq", "麒麟", "麟", "ヴ"),
        "one character": ("券", "e", "a", "揚", "印"),
        "two characters": ("印刷", "er", "経理", "qu"),
        "never together": ("customer お客様", "printer 印刷", "zeppelin 蒸留器"),
        "oldest only": ("gantry", "揚重機", "揚"),
        "other forms": ("ｱﾄﾗｽ4", "ぽけっと", "ＡＰＩ", "strauss"),
        "ids": ("tck-5012", "dev-4", "DEV-63"),
        "ten words": ("a e i o r s t n l d", "の が で す 印 刷 に を た い"),
    }
)
PIECES: Final = ("for customer 1", "用の印刷", "bergström", "zeppelin d", "xyzzyq")
BESIDE: Final[Mapping[str, Query]] = MappingProxyType(
    {
        "": ALL,
        "open": {},
        "rare status": {"statusId": ["stat5"]},
        "person": {"personInChargeId": "user0", **ALL},
        "account": {"accountId": "acc0", **ALL},
        "received": {"receptionDateTimeFrom": "2024-02-01", "receptionDateTimeTo": "2024-02-07", **ALL},
        "completed": {"completionDateFrom": "2026-11-18", **ALL},
        "first received": {"sortOrder": "asc", **ALL},
        "first due": {"sortBy": "scheduledCompletionDate", "sortOrder": "asc", **ALL},
        "last completed": {"sortBy": "completionDate", **ALL},
        "five together": FILTERS["five together"][0],
    }
)
"""Filters and orders beside words."""


def without_words() -> dict[str, list[dict[str, Any]]]:
    """Return the lists without words, by kind."""
    return {kind: [{**one, **order} for one in some for order in ORDERS] for kind, some in FILTERS.items()}


def with_words() -> dict[str, list[dict[str, Any]]]:
    """Return the searches, by kind of words: the first two words of each beside every filter."""
    return {
        kind: [{**beside, "searchWords": words} for words in some[:2] for beside in BESIDE.values()]
        + [{**ALL, "searchWords": words} for words in some[2:]]
        for kind, some in WORDS.items()
    } | {"one piece": [{**ALL, "searchQuery": text} for text in PIECES]}


HALF_WAY: Final = {"receptionDateTimeTo": "2025-02-01", "limit": "1", **ALL}
"""Its `nextCursor` is far from both ends."""


GROUPS: Final = ("status", "category", "personInCharge", "account", "requestChannel", "week")
PERIODS: Final[Sequence[Query]] = ({}, {"from": "2026-11-09", "to": "2026-11-15"}, {"from": "2025-11-20"})
SELECTED: Final = tuple(
    FILTERS[kind][0]
    for kind in ("open", "status", "person", "account", "category", "received", "due", "completed", "updated")
)
SINCE: Final = ("2026-11-16T00:00:00+09:00", "2026-10-19T00:00:00Z", "2025-02-01T00:00:00Z", "2023-01-01T00:00:00Z")
CHANGED_BY: Final[Mapping[str, Sequence[Query]]] = MappingProxyType({
    "all": [{}],
    "by author": [{"userId": f"user{n}"} for n in (0, 61, 2_400)],
    "person": [{"personInChargeId": f"user{n}"} for n in (0, 7, 61)],
    "account": [{"accountId": f"acc{n}"} for n in (0, 5_000, 9_999)],
    "ticket": [{"ticketId": "TCK-5012"}, {"ticketId": "TCK-99900"}],
    "person and author": [{"personInChargeId": "user0", "userId": "user3"}],
})  # fmt: skip


def statistics() -> dict[str, list[dict[str, Any]]]:
    """Return the statistics by each group and each two in both orders, in each period; and those of filters."""
    kinds = ["", *GROUPS, *(",".join(two) for two in permutations(GROUPS, 2))]
    made = {by or "total": [{**({"groupBy": by} if by else {}), **period} for period in PERIODS] for by in kinds}
    made["filters"] = [
        {"showCompleted": "false", "groupBy": by, **PERIODS[1], **some}
        for by in ("status", "account,personInCharge")
        for some in SELECTED
    ]
    return made


def changes() -> dict[str, list[dict[str, Any]]]:
    """Return the changes since moments, and from the beginning, by each filter."""
    begins = [{}, *({"since": moment} for moment in SINCE), {"since": SINCE[2], "until": SINCE[1]}]
    return {kind: [{**begin, **one} for one in some for begin in begins] for kind, some in CHANGED_BY.items()}
