"""The words by which tickets are compared: what a text says, without grammar, greetings and addresses. Pure.

Words of scripts with blanks lose their endings, so that `invoices` finds `invoice`. Japanese has no blanks: words are
runs of kanji, in pieces of two or three, and runs of katakana. Hiragana, mostly grammar, counts only if nothing else
is left. Being wrong about a word makes a likeness weaker; it hides no ticket that shares other words.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

from shared.tickets.folding import fold, search_form
from shared.tickets.similar.common_words import COMMON_WORDS

MAX_READ: Final = 2_000
"""Characters of a text that are compared: later ones are signatures and quoted mails."""
MAX_WORDS: Final = 60
MAX_WORD: Final = 30
_KANJI: Final = "\u3400-\u9fff\uf900-\ufaff々"
_KANA: Final = "\u3041-\u30ff"
_OF_ADDRESSES: Final = ("@", "://", "www.")
_RUN: Final = re.compile(
    rf"(?P<compound>[{_KANJI}][いきしちにみりぎびけせめれえ][{_KANJI}](?![{_KANJI}]))|(?P<kanji>[{_KANJI}]+)"
    rf"|(?P<katakana>[\u30a1-\u30fa\u30fc-\u30ff]+)|(?P<hiragana>[\u3041-\u309f][\u3041-\u309fー]*)|(?P<word>[^\W_{_KANJI}{_KANA}]+)"
)
_ENDS_A_WORD: Final = frozenset("書者員化性的名率費階票権器")
_BEGINS_A_WORD: Final = frozenset("再未不非無新各全毎最")
_BEGINNING: Final = re.compile(r"(?<![a-z0-9])(?=[a-z0-9])")
_MARK, _TAKEN = "\0", "\1"
_ENDING: Final = re.compile(r"(?:ings?|ed|es|s|e)$")


class Word(NamedTuple):
    """One word of a text."""

    shown: str
    """As it is written, folded."""
    sought: str
    """What a ticket API is asked for: part of every form of the word."""

    @property
    def key(self) -> str:
        """What texts in search form have if they have the word."""
        return search_form(self.sought)


def words_of(text: str) -> tuple[Word, ...]:
    """Return the words of a text, each once, in their order: at most `MAX_WORDS`, of its first `MAX_READ` characters.

    Common words are left out, unless there are no others.
    """
    read = " ".join(one for one in fold(text[:MAX_READ]).split() if not any(sign in one for sign in _OF_ADDRESSES))
    runs = [one for one in _runs(read) if len(one[1]) > (2 if one[1].isdigit() else 1)]
    written = [word for kind, word in runs if kind != "hiragana" and word not in COMMON_WORDS]
    some = written or [word for _, word in runs]
    found = {word: Word(word[:MAX_WORD], _stem(word[:MAX_WORD])) for word in some}
    by_key = {word.key: word for word in reversed(found.values())}
    return tuple(word for word in found.values() if by_key[word.key] is word)[:MAX_WORDS]


class WordFinder:
    """Finds which of some words a text has: Latin ones at the beginning of a word, Japanese ones anywhere."""

    def __init__(self, words: Iterable[Word]) -> None:
        marked = ((_BEGINNING.sub(_MARK, word.key), word) for word in words)
        self._longest_first = sorted(marked, key=lambda one: len(one[0]), reverse=True)

    def found_in(self, text: str) -> Collection[Word]:
        """Return the words in a text, which is in search form; where two overlap, the longer one."""
        left, found = _BEGINNING.sub(_MARK, text), []
        for key, word in self._longest_first:
            if key in left:
                left = left.replace(key, _TAKEN)
                found.append(word)
        return found


def _runs(text: str) -> Iterator[tuple[str, str]]:
    """Yield each word of a folded text with its kind."""
    for run in _RUN.finditer(text):
        kind = str(run.lastgroup)
        yield from ((kind, word) for word in (_pieces(run[0]) if kind == "kanji" else (run[0],)))


def _pieces(run: str) -> Iterator[str]:
    """Yield the words that a run of kanji seems to be made of: two characters, or three at an odd length."""
    while len(run) > 3:
        is_odd = len(run) % 2 == 1
        is_long = (run[2] in _ENDS_A_WORD and len(run) != 4) or (is_odd and run[0] in _BEGINS_A_WORD)
        size = 3 if is_long else 2
        yield run[:size]
        run = run[size:]
    yield run


def _stem(word: str) -> str:
    """Return the beginning of an English word that its other forms have too; other words as they are."""
    if not (word.isascii() and word.isalpha()) or len(word) < 5 or word.endswith("ss"):
        return word
    stem = _ENDING.sub("", word)
    if len(stem) > 3 and stem[-1] == stem[-2] and stem != word and stem[-1] not in "sl":
        stem = stem[:-1]
    return stem if len(stem) > 2 else word
