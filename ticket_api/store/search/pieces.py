"""Cuts folded words into the pieces that are indexed: pairs of neighbouring characters, and single characters. Pure.

Pairs find words of two characters, which are most of written Japanese; indexes of three-character pieces do not. No
piece contains whitespace. A text that contains a word has all pieces of the word; the reverse need not hold, so pieces
give candidates, and the text itself decides.
"""

from operator import add
from typing import Final

MOST_PIECES: Final = 40
"""How many pieces of one search are looked up; more would cost time and hardly leave out any more tickets."""


def pairs(word: str) -> list[str]:
    """Return the pairs of neighbouring characters of a word, in order; none for a single character."""
    return list(map(add, word, word[1:]))


def pairs_of_text(text: str) -> list[str]:
    """Return the pairs of all words of a folded text, in order."""
    return [pair for word in text.split() for pair in pairs(word)]


def characters(text: str) -> list[str]:
    """Return each character of a folded text once, without whitespace, in the order of code points."""
    return sorted(character for character in set(text) if not character.isspace())


def wanted(words: tuple[str, ...]) -> list[list[str]]:
    """Return the pieces of each word of a search, in order, `MOST_PIECES` together at most."""
    pieces: list[list[str]] = []
    left = MOST_PIECES
    for word in words:
        of_word = (pairs(word) or [word])[:left]
        left -= len(of_word)
        if of_word:
            pieces.append(of_word)
    return pieces
