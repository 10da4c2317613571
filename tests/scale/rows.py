"""The large data set: 52 tenants with 200,000 tickets, half English and half Japanese; the same rows in every process.

Tickets of a tenant are numbered in the order of their creation, which is nearly that of their reception, over three
years. Most are completed, open ones are mostly recent, people and accounts have very different numbers of tickets.
"""

import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

SIZES: Final = MappingProxyType({"default": 100_000, "half": 50_000} | {f"small-{n:02}": 1_000 for n in range(50)})
"""Tickets by tenant. Each has a fortieth as many people and a tenth as many accounts."""
BEGIN: Final = datetime(2023, 11, 20, 8, 0)  # noqa: DTZ001 - as on a wall clock
SPAN: Final = timedelta(days=1095)
COMMENTS: Final = (2, 0, 3, 1, 5, 2, 1, 2)
"""History entries of a ticket, by its number: two on average."""
CATEGORIES: Final = 6
STATUSES: Final = MappingProxyType({"stat1": False, "stat2": False, "stat3": False, "stat4": True, "stat5": False})
"""Whether a status is completed. `stat5` has 50 of 100,000 tickets, all among the oldest."""
_TEXT: Final[dict[str, dict[str, Any]]] = tomllib.loads(
    Path(__file__).with_name("words.toml").read_text(encoding="utf-8")
)


class Entry(NamedTuple):
    """A comment."""

    at: datetime
    user: int
    comment: str


@dataclass(slots=True)
class Ticket:
    """A ticket; people and accounts are indexes of `Tenant.people` and `Tenant.accounts`."""

    number: int
    received: datetime
    requestor: int
    account: int
    person: int
    category: int
    status: str
    summary: str
    description: str
    due: date | None
    completed: date | None
    external_id: str | None
    entries: list[Entry]

    @property
    def id(self) -> str:
        return f"TCK-{self.number:04}"

    @property
    def updated(self) -> datetime:
        return self.entries[-1].at if self.entries else self.received.replace(tzinfo=UTC)


@dataclass(slots=True)
class Tenant:
    """All of one tenant."""

    id: str
    people: list[str]
    accounts: list[str]
    tickets: list[Ticket] = field(default_factory=list)


def tenants() -> Iterator[Tenant]:
    """Yield every tenant, the largest first."""
    return (tenant_named(name) for name in SIZES)


def tenant_named(name: str) -> Tenant:
    """Make one tenant."""
    size = SIZES[name]
    dice = random.Random(name)  # noqa: S311 - test data
    tenant = Tenant(name, _people(dice, size // 40), _accounts(dice, size // 10))
    rare = _rare(dice, size)
    tenant.tickets = [_ticket(dice, tenant, number, rare.get(number)) for number in range(1, size + 1)]
    return tenant


def _ticket(dice: random.Random, tenant: Tenant, number: int, rare: str | None) -> Ticket:
    text = _TEXT["ja" if number % 2 else "en"]
    age = 1 - number / SIZES[tenant.id]
    received = BEGIN + SPAN * (1 - age) + timedelta(minutes=int(dice.random() * 2880))
    received = received.replace(second=0, microsecond=0)
    status = _status(dice, number, age)
    staff = max(8, len(tenant.people) // 40)
    entries = []
    at = received.replace(tzinfo=UTC)
    for _ in range(COMMENTS[number % len(COMMENTS)]):
        at += timedelta(seconds=int(dice.random() ** 2 * 500_000))
        entries.append(Entry(at, int(dice.random() * staff), _filled(dice, text, "comments", None)))
    ends = received.date() + timedelta(days=int(dice.random() ** 2 * 40))
    return Ticket(
        number=number,
        received=received,
        requestor=int(dice.random() * len(tenant.people)),
        account=int(dice.random() ** 2 * len(tenant.accounts)),
        person=int(dice.random() ** 2 * staff),
        category=1 + int(dice.random() ** 2 * CATEGORIES),
        status=status,
        summary=_filled(dice, text, "summaries", rare),
        description=" ".join(_filled(dice, text, "descriptions", None) for _ in range(3)),
        due=received.date() + timedelta(days=int(dice.random() * 30)) if dice.random() < 0.8 else None,
        completed=ends if STATUSES[status] else None,
        external_id=f"{'DEV' if number % 3 else 'CON'}-{int(dice.random() * 90_000)}" if dice.random() < 0.3 else None,
        entries=entries,
    )


def _status(dice: random.Random, number: int, age: float) -> str:
    if age > 0.9 and number % 200 == 0:
        return "stat5"
    is_open = dice.random() < (0.6 if age < 0.05 else 0.05)
    return f"stat{1 + int(dice.random() * 3)}" if is_open else "stat4"


def _filled(dice: random.Random, text: dict[str, Any], kind: str, word: str | None) -> str:
    template: str = _one(dice, text[kind])
    return template.format(
        thing=word or _one(dice, text["things"]),
        place=_one(dice, text["places"]),
        product=_one(dice, text["products"]),
        n=int(dice.random() * 10_000),
    )


def _one(dice: random.Random, of: Sequence[Any]) -> Any:
    return of[int(dice.random() * len(of))]


def _rare(dice: random.Random, size: int) -> dict[int, str]:
    """Return which tickets have a rare word instead of a thing: so many, or ("old") a fifth of the oldest tenth."""
    found: dict[int, str] = {}
    for text in _TEXT.values():
        for word, count in text["rare"]:
            last, most = (size // 10, size // 50) if count == "old" else (size, count)
            free = [number for number in range(1, last) if number not in found]
            found |= dict.fromkeys(dice.sample(free, min(most, size // 50)), word)
    return found


def _people(dice: random.Random, count: int) -> list[str]:
    """Return names, which several people may share, alternately English and Japanese."""
    return [" ".join((_one(dice, text["family"]), _one(dice, text["given"]))) if n % 2 else
            " ".join((_one(dice, text["given"]), _one(dice, text["family"])))
            for n in range(count) for text in (_TEXT["ja" if n % 2 else "en"],)]  # fmt: skip


def _accounts(dice: random.Random, count: int) -> list[str]:
    names = []
    for n in range(count):
        text, space = (_TEXT["ja"], "") if n % 2 else (_TEXT["en"], " ")
        parts = [_one(dice, text[kind]) for kind in ("firms", "trades", "forms")]
        names.append(f"{space.join(parts)} {n}" if n % 7 == 0 else space.join(parts))
    return names
