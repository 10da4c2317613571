"""Single values as people and models write them: wrapped, in other types, widths and words. Pure.

Each reader runs before an argument's own validation: it returns what the value means, or the value as it came if it
means nothing here, which validation then refuses. What has only one sensible correction is refused with it (`right`).
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from pydantic import ValidationInfo

from shared.combining_marks import with_few_marks
from shared.localization import localized
from shared.markdown import encodable
from shared.mcp_tools.arguments.habits import Reading
from shared.mcp_tools.arguments.names import name_folded
from shared.visible_text import is_whole, visible

Reader = Callable[[Any, ValidationInfo], Any]

MAX_HOURS: Final = 9999.9
MAX_KEY: Final = 200
_MAX_WRAPPED: Final = 2_000
"""Characters of JSON text that is read as a wrapped value; an id, a date or a number is shorter."""
_MOST_COMPARED: Final = 200
"""Characters of a number, or of a word of a choice: to read longer ones takes seconds."""
_VALUE: Final = ("value", "date", "dateTime")
_OF_ID: Final = ("id", "value", "name")
_OF_TEXT: Final = ("value", "text", "content")
_OF_CURSOR: Final = ("nextCursor", "value")
_BESIDE: Final = frozenset({"type"})
"""Names beside a wrapped value that do not change its meaning; beside an id, any other name is a description of it."""
_QUOTES: Final = MappingProxyType({'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "「": "」", "『": "』", "<": ">"})
_MOST_QUOTES: Final = 3
_DASHES: Final = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_YES: Final = frozenset(("true", "t", "yes", "y", "on", "1", "1.0", "ok", "はい", "真", "有", "有り", "あり", "する"))
_NO: Final = frozenset(("false", "f", "no", "n", "off", "0", "0.0", "いいえ", "偽", "無", "無し", "なし", "しない"))
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d{1,2}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_ROWS: Final = re.compile(r"\s*(?:rows?|tickets?|items?|results?|件|行)", re.IGNORECASE)
_DAYS: Final = re.compile(r"(.+?)\s*(?:(days?|d|日間?)|(weeks?|w|週間?))(?:以内)?", re.IGNORECASE)
_CLOCK: Final = re.compile(r"(\d{1,4}):([0-5]\d)", re.ASCII)
_DURATION: Final = re.compile(
    r"(?=.)(?:([\d.,]+)\s*(?:hours?|hrs?|h|時間))?\s*(?:([\d.,]+)\s*(?:minutes?|mins?|m|分))?", re.ASCII | re.IGNORECASE
)
_BEFORE_CURSOR: Final = re.compile(r"(?:next\s*)?cursor\s*[:=]?\s*", re.IGNORECASE)
_BLANK_IN_CURSOR: Final = re.compile(r"(?<=\d) (?=\d\d:\d\d)")
_KEY: Final = re.compile(rf"[!-~]{{1,{MAX_KEY}}}")


class WrongValueError(ValueError):
    """A value that means nothing here, in words for the caller.

    Args:
        text: what it must be.
        allowed: the values to choose from, nearest first.
        right: the only sensible correction, if one exists.
    """

    def __init__(self, text: str, *, allowed: Sequence[str] = (), right: object = None) -> None:
        super().__init__(text)
        self.allowed = tuple(allowed)
        self.right = right


def bare(text: str) -> str:
    """Return `text` without invisible characters, outer blanks and quotes; one that cannot be stored stays as it is."""
    if not is_whole(text):
        return text
    text = visible(text).strip()
    for _ in range(_MOST_QUOTES):
        if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
            text = text[1:-1].strip()
    return text


def plain(text: str) -> str:
    """Return `text` as `bare` does, in its simplest width."""
    return bare(_DASHES.sub("-", unicodedata.normalize("NFKC", with_few_marks(text))))


def folded(text: str) -> str:
    """Return `text` as it is compared: without case, width, blanks, hyphens and underscores."""
    return "".join(sign for sign in plain(text).casefold() if sign.isalnum())


def single(value: object, info: ValidationInfo) -> object:
    """Return the value inside `{"value": …}`, a list of one, or JSON text of them; else `value`."""
    return _unwrapped(value, info, _VALUE, _BESIDE)


def _unwrapped(value: object, info: ValidationInfo, names: Sequence[str], beside: frozenset[str] | None) -> object:
    if isinstance(value, str) and isinstance(info.context, Reading):
        value = _parsed(value, info.context)
    match value:
        case [one]:
            return _unwrapped(one, info, names, beside)
        case dict():
            own_name = name_folded(info.field_name or "")
            own = [name for name in value if isinstance(name, str) and name_folded(name) == own_name]
            name = next((name for name in (*names, *own) if name in value), None)
            if name is not None and (beside is None or value.keys() - {name} <= beside):
                return _unwrapped(value[name], info, names, beside)
    return value


def _parsed(text: str, reading: Reading) -> object:
    """Return the list or object in JSON text; else the text."""
    if len(text) > _MAX_WRAPPED or text.strip()[:1] + text.strip()[-1:] not in {"{}", "[]"}:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if reading.admits("stringified") else text


def words(value: object, info: ValidationInfo) -> str:
    """Return a value as text: a word, or a number such as 20261201; empty if it is neither."""
    value = single(value, info)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def text(value: object, info: ValidationInfo) -> object:
    """Return a text; numbers stay, for validation converts them."""
    if isinstance(value, str):
        return value if not is_whole(value) or visible(value).strip() or value.isspace() else ""
    value = _unwrapped(value, info, _OF_TEXT, _BESIDE)
    match value:
        case bool():
            raise WrongValueError(localized("must be text"), right=str(value).lower())
        case [_, *_]:
            lines = [str(one) for one in value if isinstance(one, str | int | float)]
            joined = "\n".join(lines) if len(lines) == len(value) else None
            raise WrongValueError(localized("must be one text, not a list"), right=joined)
    return value


def identifier(value: object, info: ValidationInfo) -> object:
    """Return an id or a name without what stands around it."""
    value = _unwrapped(value, info, _OF_ID, None)
    match value:
        case str():
            return bare(value)
        case bool() | dict():
            raise ValueError(localized("must be an id as text"))
        case float() if value.is_integer():
            return str(int(value))
        case list():
            text = localized("must be one id; call once for each")
            raise WrongValueError(text, allowed=[str(one)[:50] for one in value[:5]])
    return value


def cursor(value: object, info: ValidationInfo) -> object:
    """Return a cursor without what stands around it in the text of a result: `next cursor rd:2026-… .`."""
    value = _unwrapped(value, info, _OF_CURSOR, _BESIDE)
    if not isinstance(value, str):
        raise ValueError(localized("must be nextCursor of the page before, as text"))
    place = bare(_BEFORE_CURSOR.sub("", bare(value), count=1)).rstrip(".")
    return _BLANK_IN_CURSOR.sub("T", place, count=1)


def several(value: object, info: ValidationInfo) -> object:
    """Return the list that a value is, as such or as JSON text, or a list of the value alone."""
    if isinstance(value, str) and isinstance(info.context, Reading):
        value = _parsed(value, info.context)
    return value if isinstance(value, list) else [value]


def flag(value: object, info: ValidationInfo) -> object:
    """Return the truth value that a word or number means."""
    value = single(value, info)
    if isinstance(value, str | int | float):
        word = plain(str(value)).casefold()
        if word in _YES or word in _NO:
            return word in _YES
    raise WrongValueError(localized("must be true or false"), allowed=("true", "false"))


def choice(
    options: Sequence[str],
    words: Mapping[str, str],
    *,
    instead: Mapping[str, str] = MappingProxyType({}),
    note: Callable[[str], str] = str,
    suggest: Callable[[str], str | None] = lambda _: None,
) -> Reader:
    """Return a reader of one of `options`, in any case and width.

    Args:
        options: the values.
        words: other words for them, folded.
        instead: folded words that are taken for the first option, each as it is written.
        note: returns the note for a word that was taken so.
        suggest: returns the option that a word means, but for which it is not taken.
    """
    meant = {**{folded(one): one for one in options}, **words}

    def read(value: object, info: ValidationInfo) -> object:
        value = single(value, info)
        said = value if isinstance(value, str) else ""
        word = folded(said[:_MOST_COMPARED])
        if word in meant and len(said) <= _MOST_COMPARED:
            return meant[word]
        if word in instead and isinstance(info.context, Reading):
            info.context.say(note(instead[word]))
            return options[0]
        nearest = sorted(options, key=lambda one: -SequenceMatcher(None, word, folded(one)).ratio())
        text = localized("must be one of the allowed values")
        raise WrongValueError(text, allowed=nearest, right=suggest(word))

    return read


def number(value: object) -> float | None:
    """Return the number that a value means; None if it means no number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        digits = plain(value)
        if _THOUSANDS.fullmatch(digits):
            digits = digits.replace(",", "")
        elif _DECIMAL_COMMA.fullmatch(digits):
            digits = digits.replace(",", ".")
        value = float(digits) if _NUMBER.fullmatch(digits) else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def whole(lowest: int, highest: int, *, cut: Callable[[], str] | None = None) -> Reader:
    """Return a reader of a whole number; one above `highest` is taken for it with a note, if `cut` returns one."""

    def read(value: object, info: ValidationInfo) -> object:
        value = single(value, info)
        if isinstance(value, str):
            value = _ROWS.sub("", value) if len(value) <= _MOST_COMPARED else None
        found = number(value)
        if found is None or found != int(found):
            text = localized("must be a whole number, {lowest} to {highest:,}", lowest=lowest, highest=highest)
            raise WrongValueError(text)
        if found > highest and cut is not None and isinstance(info.context, Reading):
            info.context.say(cut())
            return highest
        if not lowest <= found <= highest:
            raise WrongValueError(localized("must be {lowest} to {highest:,}", lowest=lowest, highest=highest))
        return int(found)

    return read


def days(most: int) -> Reader:
    """Return a reader of a whole number of days, 0 to `most`, also from text such as `7 days`, `1w` or `3日以内`."""
    read = whole(0, most)

    def of_days(value: object, info: ValidationInfo) -> object:
        value = single(value, info)
        is_short = isinstance(value, str) and len(value) <= _MOST_COMPARED
        said = _DAYS.fullmatch(plain(str(value))) if is_short else None
        if said is None:
            return read(value, info)
        counted = number(said[1])
        return read(said[1] if counted is None else counted * (7 if said[3] else 1), info)

    return of_days


def hours(value: object, info: ValidationInfo) -> float:
    """Return hours with one decimal from a number, or from text such as `1.5 h`, `1h30m`, `90 min` or `1:30`."""
    value = single(value, info)
    found = _duration(value) if isinstance(value, str) else None
    found = number(value) if found is None else found
    if found is None or not 0 <= found <= MAX_HOURS:
        raise WrongValueError(localized("must be a number of hours, 0 to {most}, for example 1.5", most=MAX_HOURS))
    if abs(round(found, 1) - found) > 1e-6:  # accepts 0.1 + 0.2 as 0.3
        nearest = float(Decimal(str(found)).quantize(Decimal("0.1"), ROUND_HALF_UP))
        text = localized("must be hours with at most one decimal, for example 1.5")
        raise WrongValueError(text, right=nearest)
    return round(found, 1)


def more_hours(value: object, info: ValidationInfo) -> float:
    """Return hours to add: as `hours`, and not zero."""
    found = hours(value, info)
    if not found:
        text = localized("must be more than 0 and at most {most} hours, for example 0.5", most=MAX_HOURS)
        raise WrongValueError(text)
    return found


def _duration(text: str) -> float | None:
    said = plain(text).rstrip(".")
    if clock := _CLOCK.fullmatch(said):
        return int(clock[1]) + int(clock[2]) / 60
    parts = _DURATION.fullmatch(said)
    if parts is None or parts.lastindex is None:
        return None
    own, minutes = (0.0 if part is None else number(part) for part in parts.groups())
    return None if own is None or minutes is None else own + minutes / 60


def key(value: object, info: ValidationInfo) -> object:
    """Return an idempotency key."""
    value = single(value, info)
    given = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if _KEY.fullmatch(given):
        return given
    ascii_only = quote(encodable(given), safe="")
    raise WrongValueError(
        localized("must be 1 to {most} visible ASCII characters without blanks, for example order-4711", most=MAX_KEY),
        right=ascii_only if _KEY.fullmatch(ascii_only) else None,
    )
