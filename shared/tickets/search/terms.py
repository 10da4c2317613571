"""The words of a search, and which rows of a list have them: all words, in any order, as people write them. Pure."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from shared.combining_marks import with_few_marks
from shared.markdown import one_line
from shared.tickets.folding import fold, search_form
from shared.tickets.sorting import Row, id_key
from shared.tickets.ticket_ids import spellings

MAX_WORDS: Final = 10
SEARCHED: Final = ("ticketId", "summary", "accountName", "requestorName", "personInChargeName", "externalTicketId")
"""The fields of a row of a list in which words are looked for here."""
API_SEARCHES: Final = ("summary", "accountName", "requestorName")
"""The fields that a ticket API searches by `searchQuery`."""
MAX_NEAR: Final = 3
MAX_ALONE: Final = 3
"""Words of a search that are searched alone, the longest first."""
_ALIKE: Final = 0.9
"""What all of a word's pairs of letters count, compared with the word itself."""
_NEAR: Final = 0.45
"""What a word must count at least."""
MAX_TEXT: Final = 200
"""Characters that `searchWords` may have."""
_ID: Final = re.compile(r"(?:#?TCK[ _#:-]*|#)\d{1,12}", re.IGNORECASE)
_FULL_ID: Final = re.compile(r"TCK-\d{4,}")
_QUOTES: Final = "\"'`“”‘’«»„「」『』"
_OUTER: Final = f"{_QUOTES}.,;:!?()[]、。！？（）"
_WILDCARD: Final = re.compile(r"[\\%_]")


@dataclass(frozen=True)
class SearchTerms:
    """What is searched for."""

    phrase: str
    """The text as it was given, without quotes and blanks around it."""
    words: tuple[str, ...]
    """The words, folded, ticket ids as this system writes them; at most `MAX_WORDS`."""
    ignored: int = 0
    """How many further words there were."""

    @classmethod
    def of(cls, query: str) -> Self:
        """Return the terms of a search; quotes and punctuation around words count only if nothing else is left."""
        simple = unicodedata.normalize("NFKC", with_few_marks(query))
        phrase = " ".join(simple.split()).strip(_QUOTES).strip() or query.strip()
        if (ticket_id := _ticket_id(phrase)) is not None:
            return cls(phrase, (ticket_id,))
        folded = fold(phrase).split()
        words = [*dict.fromkeys(_ticket_id(word) or word.strip(_OUTER) or word for word in folded)]
        kept = words[:MAX_WORDS]
        while len(" ".join(kept)) > MAX_TEXT and len(kept) > 1:  # compatibility forms may be longer when folded
            del kept[-1]
        return cls(phrase, tuple(kept), len(words) - len(kept))

    @property
    def longest(self) -> Sequence[str]:
        """The longest words as they were given, at most `MAX_ALONE`: by them a ticket API finds the fewest tickets."""
        return sorted((word.strip(_OUTER) or word for word in self.phrase.split()), key=len, reverse=True)[:MAX_ALONE]

    def found_in(self, text: str) -> bool:
        """Return whether a text, as `text_of` returns it, has all words."""
        return all(word in text for word, _ in self._compared)

    def nearest(self, rows: Iterable[Row], found: Mapping[str, Collection[str]]) -> list[Row]:
        """Return the rows that have most of the words, or words like them: the best `MAX_NEAR`, newest ticket first.

        `found` are words that the API found in tickets, by ticket id, also where rows do not show it.
        """
        scored = [(self._likeness(text_of(row), found.get(row["ticketId"], ())), row) for row in rows]
        near = sorted((one for one in scored if one[0] > 0), key=lambda one: (one[0], id_key(one[1])), reverse=True)
        return [row for _, row in near[:MAX_NEAR]]

    def _likeness(self, text: str, found: Collection[str]) -> float:
        pairs = _pairs(text)
        has = {search_form(word) for word in found}
        shares = (
            (1.0 if word in text or word in has else _ALIKE * len(own & pairs) / max(len(own), 1))
            for word, own in self._compared
        )
        return sum(share for share in shares if share >= _NEAR)

    @cached_property
    def _compared(self) -> tuple[tuple[str, frozenset[str]], ...]:
        """The words as in `text_of`, each with its pairs of letters; ids have none, as no id is like another."""
        words = map(search_form, self.words)
        return tuple((word, frozenset() if _ID.fullmatch(word) else _pairs(word)) for word in words)


def text_of(row: Row) -> str:
    """Return the text of a row that is searched, with hiragana for katakana."""
    return "\n".join(search_form(str(row[field])) for field in SEARCHED if row.get(field))


def escaped(text: str) -> str:
    """Return `text` for the `searchQuery` of the existing API, in which `%`, `_` and the backslash have a meaning."""
    return _WILDCARD.sub(r"\\\g<0>", text)


def has_wildcard(text: str) -> bool:
    """Whether `escaped` changes the text."""
    return _WILDCARD.search(text) is not None


def has_literally(row: Row, text: str) -> bool:
    """Return whether a field that a ticket API searches contains `text`, whatever its case."""
    return any(text.casefold() in str(row.get(field) or "").casefold() for field in API_SEARCHES)


def shown(rows: Sequence[Any]) -> str:
    """Return `id (summary)` of each row."""
    return ", ".join(one_line(f"{row['ticketId']} ({str(row.get('summary') or '')[:60]})") for row in rows)


def _ticket_id(text: str) -> str | None:
    """Return the id of the ticket that a whole text names, folded; a number without a sign may be any number."""
    if _ID.fullmatch(text.strip(_OUTER)) is None:
        return None
    named = [one for one in (text, *spellings(text)) if _FULL_ID.fullmatch(one)]
    return fold(named[-1]) if named else None


def _pairs(text: str) -> frozenset[str]:
    return frozenset(text[at : at + 2] for at in range(len(text) - 1))
