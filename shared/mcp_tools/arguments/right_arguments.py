"""The arguments that would have been right, where each problem of a call has one correction: for a call again. Pure."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.errors import Problem
from shared.localization import localized
from shared.visible_text import is_visible, visible

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)
MOST_BYTES: Final = 600
"""Of the line's JSON in UTF-8: at most 200 tokens."""


def right_arguments(arguments: Mapping[str, Any], problems: Sequence[Problem]) -> dict[str, Any] | None:
    """Return `arguments` with every problem corrected; None if a correction is not known."""
    corrections = [problem.right for problem in problems]
    if not corrections or None in corrections:
        return None
    right = copy.deepcopy(dict(arguments))
    for problem in problems:
        if not _correct(right, problem.field, problem.right or {}):
            return None
    return right


def _correct(arguments: dict[str, Any], field: str, right: Mapping[str, Any]) -> bool:
    """Put `right` in the place of `field`; return whether that place exists."""
    *outer, last = _path(arguments, field)
    place: Any = arguments
    for step in outer:
        if step == "0" and isinstance(place, dict) and step not in place:  # the only item came without its list
            continue
        try:
            place = place[int(step) if isinstance(place, list) else step]
        except (LookupError, TypeError, ValueError):
            return False
    if isinstance(place, list) and last.isdigit() and int(last) < len(place) and last in right:
        place[int(last)] = right[last]
        return True
    if not isinstance(place, dict) or (field and last not in place and last not in right):
        return False
    place.pop(last, None)
    place.update(right)
    return True


def _path(arguments: Mapping[str, Any], field: str) -> list[str]:
    """Return the steps to `field`; a name of the caller's own may contain dots, and the empty one is shown quoted."""
    return [""] if field == '""' else [field] if field in arguments else field.split(".")


def call_again(arguments: Mapping[str, Any], problems: Sequence[Problem]) -> str:
    """Return the line that ends with the right arguments as JSON; if these are long, with the corrected ones alone.

    It is empty if they are not known or the corrected ones are too long to repeat.
    """
    right = right_arguments(arguments, problems)
    if right is None:
        return ""
    if len((whole := _json(right)).encode()) <= MOST_BYTES:
        return localized("Call again with: {arguments}", arguments=whole)
    gone = [name for name in arguments if name not in right and name.isidentifier()]
    changed = {name: value for name, value in right.items() if name not in arguments or arguments[name] != value}
    part = _json(changed)
    if len(part.encode()) > MOST_BYTES:
        return ""
    without = "".join(localized(" without {name},", name=name) for name in gone)
    return localized("Call again{without} changing only: {arguments}", without=without, arguments=part)


def in_code(line: str) -> str:
    """Return a line of `call_again` with its JSON in a code span, which no Markdown renderer changes."""
    said, brace, rest = line.partition("{")
    return f"{said}`{brace}{rest}`"


def _json(value: object) -> str:
    """Return JSON on one line in which every character can be seen, and none ends a code span."""
    text = _ENCODER.encode(value)
    if text.isprintable() and is_visible(text) and "`" not in text:
        return text
    return "".join(sign if sign.isprintable() and visible(sign) and sign != "`" else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
