"""How like two tickets are: by the words that they share, rare ones first, then by account and category. Pure.

Words make the likeness: tickets of one account that share no word are not alike. A word counts by how few tickets have
it. A ticket is like a text if it has much of the text's words, or if much of its summary stands in the text: so a long
mail and a short ticket about one matter are alike too.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from shared.localization import localized
from shared.tickets.folding import search_form
from shared.tickets.models import MasterItem, Ticket
from shared.tickets.similar.words import MAX_READ, Word, WordFinder, words_of
from shared.tickets.sorting import Row, id_key

MAX_SHOWN: Final = 3
"""Words that are named as reasons."""
_WORD_WIDTH: Final = 16
_LEAST: Final = MappingProxyType({False: (0.3, 0.45), True: (0.2, 0.28)})
"""The least share of words, of one account or not: if several words are shared, and if only one is."""
_SAME: Final = MappingProxyType({"account": 0.3, "category": 0.1})
"""What the same account or category adds to the share of words, for the order."""
_OPEN: Final = 0.05
_UNSEEN: Final = 0.7
"""What a word counts that no ticket has: the text may be about something else, or say it in another way."""

References = Mapping[str, tuple[str | None, str | None]]
"""Id and name of the account and the category, as far as they are known."""


class Likeness(NamedTuple):
    """Why a ticket is like a subject, and how much."""

    row: Row
    words: tuple[Word, ...]
    """The words that both have, the rarest first."""
    same: tuple[str, ...]
    """What else both have: account, category."""
    share: float
    """The share of the words, 0 to 1."""

    @property
    def is_near(self) -> bool:
        """Whether the ticket is similar at all."""
        several, single = _LEAST["account" in self.same]
        return self.share >= (several if len(self.words) > 1 else single)

    @property
    def score(self) -> float:
        """The order of similar tickets: the highest first."""
        return self.share + sum(_SAME[name] for name in self.same) + _OPEN * (self.row.get("completed") is False)

    def reasons(self) -> str:
        """Return why they are alike, for example `same account, 3 words: vpn, login, error`."""
        return reasons(self.words, self.same)


def reasons(words: Sequence[Word], same: Collection[str]) -> str:
    """Return in words what two tickets share: the first of `words`, and which of account and category."""
    between = localized(", ")
    shown = between.join(word.shown[:_WORD_WIDTH] for word in words[:MAX_SHOWN])
    if len(words) == 1:
        shared = localized("1 word: {words}", words=shown)
    else:
        shared = localized("{count} words: {words}", count=len(words), words=shown)
    match sorted(same):
        case ["account", "category"]:
            return between.join((localized("same account and category"), shared))
        case ["account"]:
            return between.join((localized("same account"), shared))
        case ["category"]:
            return between.join((localized("same category"), shared))
    return shared


@dataclass(frozen=True)
class Subject:
    """What tickets are compared with: a text and its words, and what it refers to."""

    text: str
    words: tuple[Word, ...]
    refers_to: References = field(default_factory=dict)

    @classmethod
    def of_text(cls, text: str, account: MasterItem | None) -> Self:
        """Return the subject of a text, which may concern an account."""
        refers_to = {} if account is None else {"account": (account.id, account.name)}
        return cls(text, _matter(text, None if account is None else account.name), refers_to)

    @classmethod
    def of_ticket(cls, ticket: Ticket, account: MasterItem | None = None) -> Self:
        """Return the subject of a ticket, as if it was one of `account`, if that is given."""
        names = (ticket.account_name, ticket.requestor_name)
        text = f"{ticket.summary or ''}\n{ticket.description or ''}"
        refers_to = {name: (getattr(ticket, f"{name}_id"), getattr(ticket, f"{name}_name")) for name in _SAME}
        if account is not None:
            refers_to["account"] = (account.id, account.name)
        return cls(text, _matter(text, *names), refers_to)

    @property
    def account_id(self) -> str | None:
        """The account that it concerns."""
        return self.refers_to.get("account", (None, None))[0]

    @cached_property
    def finder(self) -> WordFinder:
        """Finds its words in other texts."""
        return WordFinder(self.words)

    def likeness(self, row: Row, found: Collection[Word], weights: Mapping[Word, float]) -> Likeness:
        """Return how like the ticket of a row is, which has the words `found`."""
        summary = str(row.get("summary") or "")
        found = {*found, *self.finder.found_in(search_form(summary))}
        whole = sum(weights.values())
        share = sum(weights.get(word, 0.0) for word in found) / whole if whole else 0.0
        if len(found) > 1:
            share = max(share, self._share_of(summary))
        words = sorted(found, key=lambda word: (-weights.get(word, 0.0), self.words.index(word)))
        return Likeness(row, tuple(words), tuple(name for name in _SAME if self._has_same(row, name)), share)

    def _share_of(self, summary: str) -> float:
        """Return how much of the words of a summary this text has; a single word is no share."""
        own = words_of(summary)
        has = WordFinder(own).found_in(self._folded)
        return len(has) / len(own) if len(has) > 1 else 0.0

    @cached_property
    def _folded(self) -> str:
        return search_form(self.text[:MAX_READ])

    def _has_same(self, row: Row, name: str) -> bool:
        own_id, own_name = self.refers_to.get(name, (None, None))
        if own_id is not None and row.get(f"{name}Id") is not None:
            return bool(row[f"{name}Id"] == own_id)
        return own_name is not None and row.get(f"{name}Name") == own_name


def _matter(text: str, *names: str | None) -> tuple[Word, ...]:
    """Return the words of a text without `names`, those of its account and requestor: they are not what it is about."""
    keys = {word.key for name in names for word in words_of(name or "")}
    return tuple(word for word in words_of(text) if word.key not in keys)


def weights_of(times: Mapping[Word, int], total: int) -> dict[Word, float]:
    """Return what each word counts, 0 to 1, when so many of `total` tickets have it."""
    most = math.log(2 + total)
    return {word: math.log(2 + total / count) / most if count else _UNSEEN for word, count in times.items()}


def most_alike(some: Iterable[Likeness], limit: int) -> Sequence[Likeness]:
    """Return the similar tickets among `some`, at most `limit`: the most similar first, of equal ones the newest."""
    near = sorted((one for one in some if one.is_near), key=lambda one: (one.score, id_key(one.row)), reverse=True)
    return near[:limit]
