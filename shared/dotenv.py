"""Reads `.env`, for run.py and for every program that has settings: one reader, so that all see the same values.

Standard library only, because run.py has nothing else. A line is `NAME=value`, `export NAME=value`, a comment or empty;
values may be quoted. In single quotes a value is literal; elsewhere `${NAME}` and `${NAME:-default}` are replaced. The
file may be in UTF-8 or UTF-16; bytes of another encoding are tolerated in comments. No message shows a value.
"""

import codecs
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

BYTE_ORDER_MARKS: Final = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MIXED: Final = "it mixes encodings, as when PowerShell adds a line to a file. Save it as UTF-8"
LINE_END: Final = re.compile(r"\r\n|\r|\n")  # `splitlines` would also split at characters that a comment may contain
ASSIGNMENT: Final = re.compile(r"(?:export\s+)?([^\s=#'\"]+)\s*=(.*)")
SINGLE_QUOTED: Final = re.compile(r"'([^']*)'\s*(?:#.*)?")
DOUBLE_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
COMMENT: Final = re.compile(r"\s#.*")
ESCAPE_OR_REFERENCE: Final = re.compile(r'\\(["\\$`])|\$\{(\w+)(?::-([^}]*))?\}')
REFERENCE: Final = re.compile(r"()\$\{(\w+)(?::-([^}]*))?\}")


class DotenvError(ValueError):
    """The file cannot be read; the message has one sentence for each problem, and no values."""


class Entry(NamedTuple):
    """A value of the file."""

    value: str
    line: int


def settings_of(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the file and `environment`, which wins, set: by name in upper case, without empty values.

    Raises:
        DotenvError: see `read`.
    """
    written = {name: entry.value for name, entry in read(path, environment).items()}
    given = {name.upper(): value for name, value in environment.items()}
    return {**{name: value for name, value in written.items() if value}, **{n: v for n, v in given.items() if v}}


def read(path: Path, environment: Mapping[str, str] = os.environ) -> dict[str, Entry]:
    """Return the entries of the file by name in upper case; none if there is no file, or a folder in its place.

    Args:
        path: of the file.
        environment: values for references that the file itself does not define.

    Raises:
        DotenvError: the file, or a line of it, cannot be read.
    """
    if not path.exists() or path.is_dir():  # a virtual environment may have this name
        return {}
    try:
        text = _decoded(path.read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DotenvError(f"{path} cannot be read: {why}.") from None
    entries: dict[str, Entry] = {}
    problems = []
    for number, line in enumerate(LINE_END.split(text), 1):
        try:
            name, value = _parsed(line.strip("\ufeff \t"), entries, environment)
            if not name:
                continue
            if name in entries and entries[name].value not in {"", value}:
                raise ValueError(f"sets {name} to another value than line {entries[name].line}; keep one of them")
            entries[name] = Entry(value, number)
        except ValueError as error:
            problems.append(f"Line {number} of {path} {error}.")
    if problems:
        raise DotenvError("\n".join(problems))
    return entries


def _decoded(raw: bytes) -> str:
    """Return the text; bytes that are not UTF-8 as lone surrogates. Raises: ValueError."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            try:
                return raw.decode(encoding)
            except UnicodeDecodeError:
                raise ValueError(MIXED) from None
    if b"\0" in raw:
        for encoding, zeros in (("utf-16-le", raw[1::2]), ("utf-16-be", raw[::2])):
            if len(raw) % 2 == 0 and not any(zeros):  # only ASCII, without a mark
                return raw.decode(encoding)
        raise ValueError(MIXED)
    return raw.decode("utf-8", errors="surrogateescape")


def _parsed(line: str, before: Mapping[str, Entry], environment: Mapping[str, str]) -> tuple[str, str]:
    """Return name and value; an empty name for a line without any. Raises: ValueError."""
    if not line or line.startswith("#"):
        return "", ""
    assignment = ASSIGNMENT.fullmatch(line)
    if assignment is None:
        raise ValueError("is not NAME=value")
    name, given = assignment[1].upper(), assignment[2]

    def replaced(found: re.Match[str]) -> str:
        escaped, reference, default = found.groups()
        if escaped:
            return escaped
        value = before[reference.upper()].value if reference.upper() in before else environment.get(reference)
        value = value or default
        if value is None:
            raise ValueError(f"refers to {reference}, which is not set; put the value in single quotes to keep it")
        return value

    if given.lstrip().startswith("'"):
        value = _quoted(SINGLE_QUOTED, given)
    else:
        is_quoted = given.lstrip().startswith('"')
        value = _quoted(DOUBLE_QUOTED, given) if is_quoted else COMMENT.sub("", given).strip()
        if "$(" in value or value.startswith("`"):
            raise ValueError("contains a command, and no command runs here; write what it prints")
        value = (ESCAPE_OR_REFERENCE if is_quoted else REFERENCE).sub(replaced, value)
    if not (name + value).isprintable():
        raise ValueError("has characters that cannot be read, in the name or the value; save the file as UTF-8")
    return name, value


def _quoted(form: re.Pattern[str], given: str) -> str:
    found = form.fullmatch(given.strip())
    if found is None:
        raise ValueError("has a quote that does not end, or text after it")
    return found[1]
