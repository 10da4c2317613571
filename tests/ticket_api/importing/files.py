"""CSV files of tickets for tests, in terms of the English sample data."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Final

ROW: Final = {
    "externalTicketId": "OLD-1",
    "receptionDateTime": "2026-11-02 09:30",
    "requestorId": "user6",
    "accountId": "acc1",
    "categoryId": "cat1",
    "categoryDetailId": "catd1",
    "requestChannelId": "ch1",
    "summary": "Cannot sign in",
    "description": "The page says that the account is locked.",
    "personInChargeId": "user2",
    "statusId": "stat1",
}


def row(number: int, **cells: str) -> dict[str, str]:
    """Return a row of a file; each number gives another external id."""
    return {**ROW, "externalTicketId": f"OLD-{number}", **cells}


def file_of(rows: Iterable[Mapping[str, str]], *, separator: str = ",", encoding: str = "utf-8") -> bytes:
    """Return the file with these rows, and with the columns of all of them."""
    every = list(rows)
    fields = dict.fromkeys(field for one in every for field in one)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(fields), delimiter=separator, restval="")
    writer.writeheader()
    writer.writerows(every)
    return text.getvalue().encode(encoding)
