"""The sample tickets without their texts: one line each, oldest first.

`age` is days before the first start. `due` counts from the day of reception for completed tickets and from today for
the others (negative: overdue). `done` is days from reception to completion, `effort` is in tenths of an hour.
"""

from typing import Final, NamedTuple


class Planned(NamedTuple):
    """One sample ticket without its texts."""

    age: int
    time: str
    requestor: str
    account: str
    detail: str
    channel: str
    person: str
    status: str
    due: int | None
    done: int | None
    effort: int | None
    response: str | None
    defect: bool
    external: str | None


CATEGORY_OF: Final = {
    "catd1": "cat1", "catd2": "cat1", "catd3": "cat1", "catd4": "cat2", "catd5": "cat2", "catd6": "cat3",
    "catd7": "cat3", "catd8": "cat3", "catd9": "cat4", "catd10": "cat4", "catd11": "cat5", "catd12": "cat5",
}  # fmt: skip
ROLES: Final = ("support", "support", "support", "support", "engineering", "sales", "sales", "manager")
COMPLETED: Final = "stat4"
NEW: Final = "stat1"
WORKING: Final = "stat2"

# fmt: off
PLAN: Final = tuple(Planned(*row) for row in (
    # age  time     requestor account detail    channel person   status   due  done  effort resp     defect external
    (88, "09:12", "user6", "acc1", "catd1",  "ch2", "user1", "stat4",    1,    0,    5, "resp2", False, None),
    (86, "10:40", "user7", "acc2", "catd4",  "ch1", "user2", "stat4",    5,    3,   12, "resp5", False, None),
    (84, "14:05", "user6", "acc3", "catd10", "ch3", "user3", "stat4",    7,    9,   85, "resp3", True,  "DEV-1107"),
    (81, "11:30", "user8", "acc4", "catd12", "ch1", "user4", "stat4",   14,   12,   60, "resp1", False, None),
    (79, "16:48", "user7", "acc5", "catd6",  "ch2", "user1", "stat4",    1,    1,   45, "resp3", True,  "DEV-1112"),
    (76, "09:55", "user6", "acc6", "catd2",  "ch4", "user2", "stat4",    3,    1,   10, "resp2", False, None),
    (74, "13:20", "user7", "acc1", "catd9",  "ch1", "user5", "stat4",   10,    8,   70, "resp3", True,  "DEV-1120"),
    (71, "10:02", "user6", "acc7", "catd11", "ch3", "user4", "stat4",    5,    2,   10, "resp1", False, None),
    (69, "15:37", "user8", "acc2", "catd5",  "ch1", "user2", "stat4",   10,    6,   25, "resp2", False, "CON-0348"),
    (66, "08:50", "user6", "acc8", "catd7",  "ch2", "user3", "stat4",    4,    5,   65, "resp4", False, None),
    (63, "11:11", "user7", "acc3", "catd3",  "ch3", "user1", "stat4",    7,    4,   40, "resp2", False, None),
    (61, "14:26", "user6", "acc4", "catd8",  "ch1", "user5", "stat4",    7,   10,   90, "resp5", True,  "DEV-1134"),
    (58, "09:33", "user7", "acc5", "catd1",  "ch4", "user4", "stat4",    1,    0,    5, "resp1", False, None),
    (56, "16:10", "user6", "acc6", "catd10", "ch3", "user3", "stat4",    7,    6,   35, "resp4", False, None),
    (53, "10:25", "user8", "acc1", "catd4",  "ch1", "user2", "stat4",    5,    5,   15, "resp5", False, None),
    (51, "13:48", "user7", "acc7", "catd6",  "ch2", "user5", "stat4",    2,    2,   55, "resp3", True,  "DEV-1141"),
    (48, "09:05", "user6", "acc2", "catd11", "ch1", "user1", "stat4",    5,    1,   10, "resp1", False, None),
    (46, "11:52", "user7", "acc8", "catd9",  "ch3", "user5", "stat4",   10,   11,  120, "resp3", True,  "DEV-1149"),
    (44, "15:15", "user6", "acc3", "catd2",  "ch4", "user4", "stat4",    3,    2,   20, "resp6", False, None),
    (41, "10:47", "user8", "acc4", "catd12", "ch1", "user2", "stat4",   21,   18,   75, "resp1", False, None),
    (39, "14:30", "user7", "acc5", "catd7",  "ch3", "user3", "stat3",   -4, None,   80, None,    False, "DEV-1156"),
    (37, "09:20", "user6", "acc6", "catd8",  "ch1", "user1", "stat4",    7,    3,   30, "resp5", False, None),
    (35, "16:02", "user7", "acc1", "catd6",  "ch2", "user5", "stat2",   -6, None,  145, None,    True,  "DEV-1160"),
    (33, "10:18", "user6", "acc7", "catd3",  "ch1", "user1", "stat4",   14,    9,   50, "resp2", False, None),
    (31, "13:05", "user8", "acc2", "catd10", "ch3", "user3", "stat3",   -2, None,   25, None,    False, None),
    (29, "09:44", "user7", "acc8", "catd5",  "ch1", "user2", "stat4",   10,    7,   20, "resp2", False, "CON-0361"),
    (27, "11:36", "user6", "acc3", "catd1",  "ch4", "user4", "stat4",    1,    1,   10, "resp2", False, None),
    (26, "15:50", "user7", "acc4", "catd9",  "ch1", "user5", "stat2",    3, None,   60, None,    True,  "DEV-1168"),
    (24, "10:09", "user6", "acc5", "catd11", "ch3", "user4", "stat4",    5,    3,   10, "resp1", False, None),
    (23, "14:44", "user8", "acc6", "catd4",  "ch2", "user2", "stat3",    1, None,   10, None,    False, None),
    (21, "09:27", "user7", "acc1", "catd7",  "ch3", "user3", "stat2",   -1, None,   45, None,    False, "DEV-1173"),
    (20, "13:31", "user6", "acc7", "catd2",  "ch1", "user1", "stat4",    3,    1,   10, "resp6", False, None),
    (18, "10:56", "user7", "acc2", "catd6",  "ch4", "user5", "stat2",    2, None,   70, None,    True,  "DEV-1177"),
    (17, "16:24", "user6", "acc8", "catd12", "ch1", "user4", "stat2",    9, None,   20, None,    False, None),
    (15, "09:16", "user8", "acc3", "catd8",  "ch3", "user3", "stat2",    4, None,   35, None,    True,  None),
    (14, "11:03", "user7", "acc4", "catd3",  "ch1", "user1", "stat3",    5, None,   30, None,    False, None),
    (13, "14:12", "user6", "acc5", "catd10", "ch3", "user3", "stat4",    5,    4,   15, "resp4", False, None),
    (12, "10:35", "user7", "acc6", "catd9",  "ch1", "user5", "stat2",    7, None,   40, None,    False, None),
    (11, "15:28", "user6", "acc1", "catd5",  "ch2", "user2", "stat3",    8, None,   10, None,    False, "CON-0370"),
    (10, "09:08", "user8", "acc7", "catd11", "ch4", "user4", "stat4",    3,    0,    5, "resp1", False, None),
    (8,  "13:57", "user7", "acc2", "catd1",  "ch2", "user1", "stat2",    0, None,   15, None,    False, None),
    (7,  "10:21", "user6", "acc8", "catd6",  "ch3", "user5", "stat2",    1, None,   30, None,    True,  "DEV-1184"),
    (6,  "16:39", "user7", "acc3", "catd4",  "ch1", "user2", "stat3",    4, None, None, None,    False, None),
    (5,  "09:50", "user6", "acc4", "catd7",  "ch3", "user3", "stat2",    3, None,   10, None,    False, None),
    (4,  "11:42", "user8", "acc5", "catd2",  "ch1", "user4", "stat2",    2, None, None, None,    False, None),
    (4,  "15:06", "user7", "acc6", "catd8",  "ch2", "user3", "stat1",    6, None, None, None,    False, None),
    (3,  "10:14", "user6", "acc1", "catd10", "ch3", "user3", "stat2",    5, None, None, None,    False, None),
    (2,  "14:19", "user7", "acc7", "catd12", "ch1", "user4", "stat1",   20, None, None, None,    False, None),
    (1,  "09:31", "user6", "acc2", "catd9",  "ch4", "user5", "stat1",    9, None, None, None,    False, None),
    (1,  "16:55", "user8", "acc8", "catd6",  "ch2", "user1", "stat1", None, None, None, None,    True,  None),
))
# fmt: on
