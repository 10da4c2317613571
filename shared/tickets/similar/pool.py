"""The tickets among which similar ones are looked for: those that have words of a text, as a ticket API finds them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, Final

from shared.api_client import APIClient
from shared.concurrency import gather_all
from shared.tickets.paging.windows import Window
from shared.tickets.search.terms import escaped
from shared.tickets.similar.words import Word, WordFinder
from shared.tickets.sorting import Row

OF_EACH: Final = 50
"""Tickets that are read for one word, the newest."""
MAX_ASKED: Final = 8
"""Words that a ticket API is asked for."""
_OF_ACCOUNT: Final = 100
_COMMON: Final = 10
"""A word that is too common for the API to count it counts as if one ticket in so many had it."""
_MANY: Final = 4
"""Words with more than `OF_EACH` tickets that are searched in pairs and in one account too, the rarest of them."""


class Pool:
    """Tickets by id, the words found in each, and how many of how many tickets have a word."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.found: defaultdict[str, set[Word]] = defaultdict(set)
        self.times: Counter[Word] = Counter()
        self.total = 0

    def add(self, rows: Iterable[Row], *words: Word) -> None:
        """Add tickets that have `words`."""
        for row in rows:
            self.rows.setdefault(row["ticketId"], row)
            self.found[row["ticketId"]].update(words)


def asked(words: Sequence[Word]) -> list[Word]:
    """Return the words by which tickets are found best: those of a text's beginning, long ones, and codes."""
    best = sorted(enumerate(words), key=lambda one: _use(*one), reverse=True)[:MAX_ASKED]
    return [word for _, word in sorted(best)]


def _use(place: int, word: Word) -> float:
    size = len(word.sought) * (1 if word.sought.isascii() else 2.5)
    return min(size, 10) / 4 + any(map(str.isdigit, word.sought)) - place / 8


async def searched(api: APIClient, words: Sequence[Word], account_id: str | None) -> Pool:
    """Return what an API with `search-words` and `total-count` finds for words, anywhere in tickets.

    Of common words it shows the newest tickets; then pairs of these words, and those in the account, are searched too.
    At most 20 requests.

    Raises:
        UpstreamError: the API failed.
    """
    pool, wanted = Pool(), asked(words)
    of_account = [_rows(api, limit=_OF_ACCOUNT, accountId=account_id)] if account_id else []
    (_, total), *found = await gather_all(
        _rows(api, limit=1), *(_rows(api, searchWords=word.sought) for word in wanted), *of_account
    )
    pool.total = total or 0
    for word, (rows, times) in zip(wanted, found, strict=False):
        pool.add(rows, word)
        pool.times[word] = pool.total // _COMMON if times is None else times
    for rows, _ in found[len(wanted) :]:
        pool.add(rows)
    common = sorted((word for word in wanted if pool.times[word] > OF_EACH), key=lambda word: pool.times[word])[:_MANY]
    pairs = list(combinations(common, 2))
    alone = common if account_id else []
    again = await gather_all(
        *(_rows(api, searchWords=f"{first.sought} {second.sought}") for first, second in pairs),
        *(_rows(api, searchWords=word.sought, accountId=account_id) for word in alone),
    )
    for some, (rows, _) in zip([*pairs, *((word,) for word in alone)], again, strict=True):
        pool.add(rows, *some)
    return pool


async def compared(api: APIClient, words: Sequence[Word], window: Window | None) -> Pool:
    """Return the tickets of a window that have words in their rows; and where it is cut, those that the API finds.

    Raises:
        UpstreamError: the API failed.
    """
    pool = Pool()
    if window is not None:
        pool.total, finder = len(window.rows), WordFinder(words)
        for row, text in zip(window.rows, window.texts, strict=True):
            if has := finder.found_in(text):
                pool.add([row], *has)
    if window is None or window.is_cut:
        wanted = asked(words)
        found = await gather_all(*(_rows(api, searchQuery=escaped(word.sought)) for word in wanted))
        for word, (rows, _) in zip(wanted, found, strict=True):
            pool.add(rows, word)
    pool.total = max(pool.total, len(pool.rows))
    pool.times.update(dict.fromkeys(words, 0))
    for has in pool.found.values():
        pool.times.update(has)
    return pool


async def _rows(api: APIClient, *, limit: int = OF_EACH, **query: Any) -> tuple[list[Row], int | None]:
    """Return the newest tickets that match, completed ones too, and how many match; None: many, not counted."""
    response = await api.get("/tickets", params={**query, "limit": limit, "showCompleted": True, "envelope": True})
    listed, total = (response.get("tickets"), response.get("total")) if isinstance(response, dict) else (response, None)
    rows = rows_in(listed)
    if type(total) is not int:
        return rows, len(rows)
    return rows, None if response.get("totalIsExact") is False else total


def rows_in(listed: object) -> list[Row]:
    """Return the rows of a list that have an id."""
    return [row for row in listed if isinstance(row, dict) and row.get("ticketId")] if isinstance(listed, list) else []
