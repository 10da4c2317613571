"""Bounds on the contents of one request, checked before anything else is done with it. Pure.

`has_more_values` checks JSON text before parsing: a parser allocates 25 bytes for each byte of `[[],[]]`.
`holds_more_values` and `excess` check parsed values: a validator creates an error for each value that does not fit.
All of them take time proportional to the size of the text or to the bound, whichever is less.

The bounds of arguments are five times what the largest tool can use: create_ticket with 20 attachments has 81 values,
20 items in a list and a depth of 3.
"""

import re
from collections.abc import Collection
from functools import cache
from typing import Final

from shared.localization import localized

MAX_NAMES: Final = 100
"""Names in one object: arguments of a call, fields of an attachment."""
MAX_ITEMS: Final = 100
"""Items in one list."""
MAX_VALUES: Final = 1_000
"""Values in all arguments of a call, at any depth."""
MAX_DEPTH: Final = 5
"""Nesting of objects and lists, including the arguments object itself."""
MAX_NAME: Final = 100
"""Characters of a name."""
MAX_DIGITS: Final = 50
"""Digits of a whole number; no id is longer."""

_TOO_LONG_NUMBER: Final = 10**MAX_DIGITS


@cache
def _more_than(most: int) -> re.Pattern[bytes]:
    """Return a pattern for JSON text with more values: each follows `[`, `{` or `,`, and strings are skipped."""
    return re.compile(rb'(?:(?:[^"\[{,]++|"(?:[^"\\]++|\\.)*+")*+[\[{,]){%d}' % (most + 1), re.DOTALL)


def has_more_values(text: bytes, most: int) -> bool:
    """Whether JSON text holds more than `most` values. Takes at most 25 ns per byte, and 70 bytes times `most`."""
    if len(text) <= most:  # each value has a byte of its own
        return False
    at_most = text.count(b",") + text.count(b"[") + text.count(b"{")
    return at_most > most and _more_than(most).match(text) is not None


def holds_more_values(value: object, most: int) -> bool:
    """Whether parsed JSON holds more than `most` values. Stops at the first value beyond the bound."""
    waiting, seen = [value], 0
    while waiting:
        inside = _inside(waiting.pop())
        seen += len(inside)
        if seen > most:
            return True
        waiting.extend(inside)
    return False


def excess(arguments: object) -> str | None:
    """Return the bound that parsed arguments exceed, as part of a sentence; None if they exceed none."""
    waiting, seen = [(arguments, 1)], 0
    while waiting:
        value, depth = waiting.pop()
        if (found := _excess_of(value, depth)) is not None:
            return found
        if inside := _inside(value):
            seen += len(inside)
            if seen > MAX_VALUES:
                return localized("more than {most:,} values", most=MAX_VALUES)
            waiting.extend([(one, depth + 1) for one in inside if isinstance(one, (dict, list, int))])
    return None


def _inside(value: object) -> Collection[object]:
    """Return the values that `value` holds directly."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _excess_of(value: object, depth: int) -> str | None:
    """Return the bound that one value exceeds, without checking the values inside it."""
    match value:
        case dict() | list() if depth > MAX_DEPTH:
            return localized("values nested more than {most} deep", most=MAX_DEPTH)
        case dict() if len(value) > MAX_NAMES:
            return localized(
                "{count:,} names in one object, where at most {most} are allowed", count=len(value), most=MAX_NAMES
            )
        case dict() if max(map(len, value), default=0) > MAX_NAME:
            return localized("a name of more than {most} characters", most=MAX_NAME)
        case list() if len(value) > MAX_ITEMS:
            return localized(
                "{count:,} items in one list, where at most {most} are allowed", count=len(value), most=MAX_ITEMS
            )
        case int() if abs(value) >= _TOO_LONG_NUMBER:
            return localized("a number of more than {most} digits", most=MAX_DIGITS)
    return None
