"""Cuts folded words into the pieces that are indexed: above all pairs of neighbouring characters. Pure.

Pairs find words of two characters, which are most of written Japanese; indexes of three characters do not. No
piece contains whitespace. A text that contains a word has all pieces of the word; the reverse need not hold, so pieces
give candidates, and the text itself decides.
"""

from itertools import islice
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


def triples(word: str) -> list[str]:
    """Return the runs of three ASCII characters of a word, in order."""
    runs = map("".join, zip(word, word[1:], word[2:], strict=False))
    return [run for run in runs if run.isascii()]


def set_of_text(text: str) -> set[str]:
    """Return all pieces of a folded text for an index that knows no order of pieces.

    Besides pairs and characters it has triples of ASCII characters: there are few pairs of letters, so most long texts
    have all those of an English word without having the word.
    """
    words = text.split()
    return {piece for word in words for piece in (*pairs(word), *triples(word))}.union(characters(text))


def set_of_words(words: tuple[str, ...]) -> set[str]:
    """Return the pieces of a search in such an index, `MOST_PIECES` at most."""
    pieces = (piece for word in words for piece in (triples(word) if word.isascii() else ()) or pairs(word) or [word])
    return set(islice(pieces, MOST_PIECES))


def phrases_of(words: tuple[str, ...]) -> list[list[str]]:
    """Return the pairs of each word of a search, in order, or its one character, `MOST_PIECES` together at most."""
    pieces: list[list[str]] = []
    left = MOST_PIECES
    for word in words:
        of_word = (pairs(word) or [word])[:left]
        left -= len(of_word)
        if of_word:
            pieces.append(of_word)
    return pieces
