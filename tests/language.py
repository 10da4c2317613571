"""Count the words of tests/language.toml in the prose of code and documents.

`python -m tests.language [PATH…]` prints each occurrence, in the files below the paths or in the whole checkout.
In Python it reads docstrings, comments and string literals, in Lua comments, in documents everything.
"""

import io
import os
import re
import sys
import tokenize
import tomllib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MOST: Final = 5
"""Words of the list per 10,000 lines."""

WORDS: Final[list[dict[str, str]]] = tomllib.loads((ROOT / "tests" / "language.toml").read_text("utf-8"))["word"]
SPACED: Final = [word["pattern"].replace(" ", r"\s+") for word in WORDS]
PATTERN: Final = re.compile("|".join(rf"(?P<w{n}>\b(?:{one})\b)" for n, one in enumerate(SPACED)), re.IGNORECASE)
CODE: Final = frozenset({".py", ".lua"})
DOCUMENTS: Final = frozenset({".md"})
ELSEWHERE: Final = frozenset({"data", "build", "node_modules", "__pycache__"})
TEXT_TOKENS: Final = frozenset(
    getattr(tokenize, name)
    for name in ("COMMENT", "STRING", "FSTRING_MIDDLE", "TSTRING_MIDDLE")
    if hasattr(tokenize, name)
)
MARKS: Final = str.maketrans("\"'#*", "    ")
"""Characters that may stand between the words of a phrase that continues on the next line."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A word of the list and where it occurs."""

    file: Path
    line: int
    text: str
    plain: str

    def __str__(self) -> str:
        """Return it in the format of a compiler message."""
        return f"{self.file}:{self.line}: {self.text} → {self.plain}"


def files(suffixes: Collection[str], root: Path = ROOT) -> Iterator[Path]:
    """Yield the files below `root`, or `root` itself, with one of the suffixes; skip environments and data."""
    if root.is_file() and root.suffix in suffixes:
        yield root
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in ELSEWHERE)
        yield from (Path(folder, name) for name in sorted(names) if Path(name).suffix in suffixes)


def python_text(source: str) -> str:
    """Return docstrings, comments and string literals in place, with blanks for everything else."""
    lines = source.splitlines(keepends=True)
    kept = [[" "] * len(line.rstrip("\n")) for line in lines]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in TEXT_TOKENS:
            (first, start), (last, end) = token.start, token.end
            for number in range(first, last + 1):
                line = lines[number - 1].rstrip("\n")
                here = slice(start if number == first else 0, end if number == last else len(line))
                kept[number - 1][here] = line[here]
    return "\n".join("".join(line) for line in kept)


def lua_text(source: str) -> str:
    """Return the comments in place, with blanks for everything else."""
    lines = (line.partition("--") for line in source.split("\n"))
    return "\n".join(" " * len(code + mark) + comment for code, mark, comment in lines)


def running_text(file: Path) -> str:
    """Return the prose of a file, each word on its line."""
    source = file.read_text("utf-8")
    return {".py": python_text, ".lua": lua_text}.get(file.suffix, str)(source)


def words_in(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, text and plain replacement of each word of the list, including phrases that span lines."""
    for found in PATTERN.finditer(text.translate(MARKS)):
        word = WORDS[int((found.lastgroup or "")[1:])]
        yield text.count("\n", 0, found.start()) + 1, " ".join(found[0].split()), word["plain"]


def findings(some: Iterable[Path]) -> list[Finding]:
    """Return every word of the list in the files."""
    return [Finding(file, *found) for file in some for found in words_in(running_text(file))]


def rate(some: Iterable[Path], found: Collection[Finding]) -> float:
    """Return the words of the list per 10,000 lines."""
    return len(found) * 10_000 / sum(len(file.read_text("utf-8").splitlines()) for file in some)


def main(paths: Iterable[str]) -> None:
    """Print the words and their number in code and in documents."""
    roots = [Path(path) for path in paths] or [ROOT]
    for name, suffixes in (("code", CODE), ("documents", DOCUMENTS)):
        some = [file for root in roots for file in files(suffixes, root)]
        found = findings(some)
        for one in found:
            print(one)
        if some:
            count = f"{len(found)} words in {len(some)} files, {rate(some, found):.1f} per 10,000 lines"
            print(f"{name}: {count} (at most {MOST})")


if __name__ == "__main__":
    main(sys.argv[1:])
