"""What lists must return, found by reading every ticket; and queries at random to compare. Shares no code with the API.

Source of the folding: Unicode Standard, chapter 3.13; katakana and hiragana are 0x60 apart, chapter 18.4.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from unicodedata import normalize

from tests.scale.client import Query
from tests.scale.rows import STATUSES, Tenant, Ticket

_HIRAGANA: Final = str.maketrans({chr(code): chr(code - 0x60) for code in range(0x30A1, 0x30F7)})
_KATAKANA: Final = {hiragana: katakana for katakana, hiragana in _HIRAGANA.items()}
_SORTED: Final[dict[str, Callable[[Ticket], Any]]] = {
    "receptionDateTime": lambda one: one.received,
    "scheduledCompletionDate": lambda one: one.due,
    "completionDate": lambda one: one.completed,
}
_RANGES: Final[dict[str, Callable[[Ticket], Any]]] = {
    "receptionDateTime": lambda one: one.received.date(),
    "scheduledCompletionDate": lambda one: one.due,
    "completionDate": lambda one: one.completed,
    "updatedAt": lambda one: one.updated,
}


def plain(text: str) -> str:
    """Return the form in which texts are compared."""
    return normalize("NFKC", normalize("NFKC", text).casefold()).translate(_HIRAGANA)


Value = Callable[[Ticket], Any]
Test = Callable[[Ticket], bool]
_IDS: Final[dict[str, Value]] = {
    "personInChargeId": lambda one: f"user{one.person}",
    "accountId": lambda one: f"acc{one.account}",
    "requestorId": lambda one: f"user{one.requestor}",
    "categoryId": lambda one: f"cat{one.category}",
    "statusId": lambda one: one.status,
}


class Scan:
    """One tenant, read from end to end for every query."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.texts: list[tuple[Ticket, str, str]] = []
        for one in tenant.tickets:
            account, requestor = tenant.accounts[one.account], tenant.people[one.requestor]
            title = f"{one.summary}\n{account}\n{requestor}"
            rest = (one.description, tenant.people[one.person], one.id, one.external_id or "")
            text = "\n".join((title, *rest, *(entry.comment for entry in one.entries)))
            self.texts.append((one, plain(title), plain(text)))

    def find(self, query: Query) -> list[str]:
        """Return the ids of all tickets that match, in order."""
        read = self.texts
        if "searchQuery" in query:
            piece = plain(query["searchQuery"])
            read = [ticket for ticket in read if piece in ticket[1]]
        for word in plain(query.get("searchWords", "")).split():
            read = [ticket for ticket in read if word in ticket[2]]
        found = [one for one, *_ in read]
        for test in _tests(query):
            found = [one for one in found if test(one)]
        of = _SORTED[query.get("sortBy", "receptionDateTime")]
        dated = [one for one in found if of(one) is not None]
        undated = [one for one in found if of(one) is None]
        descends = query.get("sortOrder", "desc") == "desc"
        dated.sort(key=lambda one: (of(one), one.number), reverse=descends)
        undated.sort(key=lambda one: one.number, reverse=descends)
        return [one.id for one in (*dated, *undated)]


def _tests(query: Query) -> Iterator[Test]:
    for name, of in _IDS.items():
        if name in query:
            wanted = query[name] if isinstance(query[name], list) else [query[name]]
            yield _is_one_of(of, wanted)
    if query.get("showCompleted") != "true":
        yield _is_one_of(lambda one: STATUSES[one.status], [False])
    for name, of in _RANGES.items():
        read = datetime.fromisoformat if name == "updatedAt" else date.fromisoformat
        if f"{name}From" in query:
            yield _is_between(of, read(query[f"{name}From"]), None)
        if f"{name}To" in query:
            yield _is_between(of, None, read(query[f"{name}To"]))


def _is_one_of(of: Value, wanted: Sequence[Any]) -> Test:
    return lambda one: of(one) in wanted


def _is_between(of: Value, least: Any, most: Any) -> Test:
    def test(one: Ticket) -> bool:
        value = of(one)
        return value is not None and (least is None or value >= least) and (most is None or value <= most)

    return test


class Dice:
    """Makes queries at random, with words from the tickets of a tenant; the same for the same seed."""

    def __init__(self, tenant: Tenant, seed: int) -> None:
        self._tenant = tenant
        self._dice = random.Random(seed)  # noqa: S311 - test data

    def query(self) -> dict[str, Any]:
        """Return a query: words in seven of ten, filters, an order."""
        dice = self._dice
        query: dict[str, Any] = {}
        if dice.random() < 0.7:
            query["searchWords"] = " ".join(self._word() for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5))))
        elif dice.random() < 0.3:
            query["searchQuery"] = self._piece(self._ticket().summary, 9).strip() or "a"
        for chance, filters in ((0.8, {"showCompleted": "true"}), (0.6, self._filters()), (0.2, self._filters())):
            if dice.random() < chance:
                query |= filters
        if dice.random() < 0.5:
            query |= {"sortBy": dice.choice(list(_SORTED)), "sortOrder": dice.choice(("asc", "desc"))}
        return query

    def _ticket(self) -> Ticket:
        return self._dice.choice(self._tenant.tickets)

    def _piece(self, text: str, most: int) -> str:
        length = self._dice.randint(1, most)
        begin = self._dice.randrange(max(1, len(text) - length))
        return text[begin : begin + length]

    def _word(self) -> str:
        """Return a piece of a word of any field, now and then in other forms, mistyped, or whole."""
        dice, one = self._dice, self._ticket()
        texts = [one.summary, one.description, one.id, one.external_id or "x", self._tenant.accounts[one.account]]
        texts += [self._tenant.people[one.person], self._tenant.people[one.requestor]]
        word = dice.choice(dice.choice([*texts, *(entry.comment for entry in one.entries)]).split())
        word = word if dice.random() < 0.2 else self._piece(word, 6)
        forms = (str.upper, lambda text: text.translate(_HIRAGANA), lambda text: text.translate(_KATAKANA))
        word = dice.choice(forms)(word) if dice.random() < 0.3 else word
        return word + "ぬ" if dice.random() < 0.05 else word

    def _filters(self) -> dict[str, Any]:
        """Return one kind of filter, with values of a ticket, so that something is found."""
        dice, one = self._dice, self._ticket()
        month = timedelta(days=dice.choice((0, 3, 30, 300)))
        day = one.received.date()
        return dice.choice(
            [
                {"personInChargeId": f"user{one.person}"},
                {"accountId": f"acc{one.account}"},
                {"requestorId": f"user{one.requestor}"},
                {"categoryId": f"cat{one.category}"},
                {"statusId": dice.sample(list(STATUSES), dice.randint(1, 3))},
                {"receptionDateTimeFrom": str(day), "receptionDateTimeTo": str(day + month)},
                {"completionDateFrom": str(day - month), "completionDateTo": str(day + month)},
                {"scheduledCompletionDateFrom": str(day)},
                {"scheduledCompletionDateTo": str(day)},
                {"updatedAtFrom": (one.updated - month).isoformat(), "updatedAtTo": one.updated.isoformat()},
            ]
        )
