"""Embeds ticket text in Markdown so that no text can break out of its place or hide in it.

Pure functions. Characters without a glyph (control, bidi, zero-width and tag characters, lone surrogates) are dropped:
they can only disguise text, though joined emoji lose their joiners. Markup in a table cell is escaped; longer text goes
into a fenced block with a longer fence than any inside it, so that a reader sees where data begins and ends.
Source: CommonMark 0.31 (backslash escapes, code spans, fenced blocks); GFM 0.29 (tables).
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_LINE_BREAKS: Final = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs"})
_MARKUP: Final = re.compile(r"[\\`*~|\[\]]|(?<!\w)_|_(?!\w)")  # an underscore inside a word is not markup
_ENTITY: Final = re.compile(r"&(?=#?\w+;)")
_BACKTICKS: Final = re.compile("`+")


def encodable(text: str) -> str:
    """Return `text` with a question mark for each lone surrogate, which JSON can encode but UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def clean(text: str) -> str:
    """Return `text` with every kind of newline as a line feed, and without invisible characters."""
    if text.isprintable():
        return text
    unified = _LINE_BREAKS.sub("\n", text)
    return "".join(c for c in unified if c in "\n\t" or unicodedata.category(c) not in _INVISIBLE)


def one_line(text: str) -> str:
    """Return `text` cleaned and on one line."""
    return " ".join(clean(text).split())


def inline(text: str) -> str:
    """Return `text` on one line, escaped so that every Markdown renderer shows it literally, even in a table cell."""
    escaped = _MARKUP.sub(lambda found: "\\" + found.group(), _ENTITY.sub("&amp;", one_line(text)))
    return escaped.replace("<", "&lt;").replace(">", "&gt;")


def table(head: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    """Return a table; cells are escaped, `None` is an empty cell."""
    lines = [head, ["---"] * len(head), *([inline(cell or "") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def block(text: str) -> str:
    """Return `text` as a fenced block that no fence inside it can close."""
    cleaned = clean(text)
    longest = max((len(run) for run in _BACKTICKS.findall(cleaned)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{cleaned}\n{fence}"
