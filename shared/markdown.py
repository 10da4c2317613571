"""Embeds ticket text in Markdown so that no text can break out of its place, become a link or hide in it. Pure.

Markup is escaped. Longer text becomes a block quote, which wraps where a fenced block scrolls sideways; its line ends
are hard breaks. Addresses stand in code spans, the one form that no renderer turns into links and that can be copied:
renderers decode escapes and entities before they look for addresses.
Source: CommonMark 0.31 (backslash escapes, code spans, block quotes); GFM 0.29 (tables, autolinks).
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from shared.visible_text import is_visible, visible

_LINE_ENDS: Final = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_MARKUP: Final = re.compile(r"[\\`*~|\[\]]|(?<![^\W_])_|_(?![^\W_])")  # an underscore inside a word is not markup
_ENTITY: Final = re.compile(r"&(?=#?\w+;)")
_IN_URL: Final = r"[!#-;=?-\[\]^_a-{}~]*"
"""Printable ASCII without what ends a URL, a table cell or a code span."""
_ADDRESS: Final = re.compile(
    rf"(?<![A-Za-z0-9+.\-])[A-Za-z0-9+.\-]+://{_IN_URL}|(?<![A-Za-z0-9])[Ww][Ww][Ww]\.{_IN_URL}"
    r"|(?<![\w.+\-])[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+"
)
_AFTER_ADDRESS: Final = re.compile(r"[.,;:!?'*_~)]*$")
_SPECIAL: Final = re.compile(
    r"[\\`*~|\[\]&<>@_:Ww]"  # a search for one of several characters is the fastest that there is
    r"(?:(?<=[\\`*~|\[\]&<>@])|(?<=_)(?:(?<![^\W_]_)|(?![^\W_]))|(?<=:)//|(?<=[Ww])[Ww][Ww]\.)"
)
"""Without one of these, nothing is escaped and there is no address: most cells of a table are so."""
_BLOCK_START: Final = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[-+](?:\s|$)|:?-+:?\s*$|=+\s*$|#{1,6}(?:\s|$)))")
"""Where a backslash keeps a line from being a list item, a heading or a rule."""
_NO_BREAK_SPACE: Final = "\u00a0"


def encodable(text: str) -> str:
    """Return `text` with a question mark for each lone surrogate, which JSON can encode but UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def clean(text: str) -> str:
    """Return `text` with every kind of line end as a line feed, and without invisible characters."""
    shown = visible(text)
    return shown if shown.isprintable() else _LINE_ENDS.sub("\n", shown)


def one_line(text: str) -> str:
    """Return `text` on one line."""
    return " ".join(text.split())


def inline(text: str) -> str:
    """Return `text` on one line, escaped so that every Markdown renderer shows it literally, even in a table cell."""
    return _escaped(one_line(visible(text)))


def table(head: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    """Return a table; cells are escaped, `None` is an empty cell."""
    texts = [[cell or "" for cell in row] for row in rows]
    is_plain = _is_plain([cell for row in texts for cell in row])  # as most tables are
    shown = texts if is_plain else [row if _is_plain(row) else list(map(inline, row)) for row in texts]
    lines = [" | ".join(head), " | ".join(["---"] * len(head)), *map(" | ".join, shown)]
    return "\n".join([f"| {line} |" for line in lines])


def _is_plain(cells: Sequence[str]) -> bool:
    """Whether all cells are shown as they are; they are looked at together, as no address reaches over a `^`."""
    together = "^".join(cells)
    is_plain = is_visible(together) and not _SPECIAL.search(together) and one_line(together) == together
    return is_plain and " ^" not in together and "^ " not in together


def quote(text: str) -> str:
    """Return `text` as a block quote that shows each line literally."""
    lines = [_quoted_line(line) for line in clean(text).strip("\n").split("\n")]
    breaks = ["  " if line and following else "" for line, following in pairwise([*lines, ""])]
    return "\n".join(f"> {line}{end}" if line else ">" for line, end in zip(lines, breaks, strict=True))


def _quoted_line(line: str) -> str:
    """Return a line escaped; blanks before it are no-break spaces, because four spaces would begin a code block."""
    text = line.strip(" \t")
    indent = line[: line.index(text)].expandtabs(4)
    return _NO_BREAK_SPACE * len(indent) + _BLOCK_START.sub(r"\1\\", _escaped(text))


def _escaped(text: str) -> str:
    """Return a line with markup escaped and each address in a code span."""
    if not _SPECIAL.search(text):
        return text
    parts: list[str] = []
    end = 0
    for found in _ADDRESS.finditer(text):
        address = _address(found[0])
        parts += [_without_markup(text[end : found.start()]), f"`{address}`"]
        end = found.start() + len(address)
    return "".join([*parts, _without_markup(text[end:])])


def _address(found: str) -> str:
    """Return an address without the punctuation after it; a closing bracket belongs to it if one was opened in it."""
    trimmed = _AFTER_ADDRESS.sub("", found)
    if "(" in trimmed and found.startswith(f"{trimmed})"):
        return f"{trimmed})"
    return trimmed or found


def _without_markup(text: str) -> str:
    escaped = _MARKUP.sub(lambda found: "\\" + found.group(), _ENTITY.sub("&amp;", text))
    return escaped.replace("<", "&lt;").replace(">", "&gt;")
