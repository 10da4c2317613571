"""Corrects the arguments of a refused call from its error alone; it knows nothing of the tools. Pure.

It does what a reader can do without thinking: it takes the arguments of the line "Call again", else, for each problem,
the first allowed value, the nearest bound, the example, or it leaves the argument out.
"""

import json
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

_WITH: Final = re.compile(r"^Call again with: `(.*)`$", re.MULTILINE)
_CHANGING: Final = re.compile(r"^Call again((?: without [^,]+,)*) changing only: `(.*)`$", re.MULTILINE)
_LABEL: Final = re.compile(r"(\S+) \(.*\)")


def repaired(arguments: Mapping[str, Any], text: str, error: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the arguments for one more call; None if the error does not say what is right.

    Args:
        arguments: of the refused call.
        text: the text of its result.
        error: `structuredContent.error` of its result.
    """
    if whole := _WITH.search(text):
        return dict(json.loads(whole[1]))
    right = json.loads(json.dumps(arguments))
    if part := _CHANGING.search(text):
        for name in re.findall(r" without ([^,]+),", part[1]):
            right.pop(name)
        return dict(right | json.loads(part[2]))
    single = {"field": error.get("field", ""), "text": error["message"], "allowed": error.get("allowed", [])}
    return right if all(_solved(right, one) for one in error.get("problems", [single])) else None


def _solved(arguments: dict[str, Any], problem: Mapping[str, Any]) -> bool:
    """Correct one problem in place; return whether it could be done."""
    *outer, last = problem["field"].split(".")
    place: Any = arguments
    for step, inner in pairwise([*outer, last]):
        if inner.isdigit() and isinstance(place, dict) and not isinstance(place[step], list):
            place[step] = [place[step]]  # the error counts items of what came without its list
        place = place[int(step)] if isinstance(place, list) else place[step]
    if "not an argument" in problem["text"] or "or leave it out" in problem["text"]:
        place.pop(last)
        return True
    key: Any = int(last) if isinstance(place, list) else last
    given = place[key] if isinstance(place, list) else place.get(key)
    for found in (_allowed, _cut, _example, _bound):
        if (value := found(given, problem)) is not None:
            place[key] = value
            return True
    return False


def _allowed(_: object, problem: Mapping[str, Any]) -> object:
    if not problem["allowed"]:
        return None
    first = str(problem["allowed"][0])
    label = _LABEL.fullmatch(first)
    return {"true": True, "false": False}.get(first, label[1] if label else first)


def _cut(given: Any, problem: Mapping[str, Any]) -> object:
    most = re.search(r"at most ([\d,]+) (?:characters|items)", problem["text"])
    return given[: int(most[1].replace(",", ""))] if most and isinstance(given, str | list) else None


def _bound(given: object, problem: Mapping[str, Any]) -> object:
    bounds = re.search(r"\b(\d[\d,.]*) to (\d[\d,.]*\d)", problem["text"])
    if bounds is None:
        return None
    lowest, highest = (float(one.replace(",", "")) for one in bounds.groups())
    whole = "." not in bounds[2]
    as_given: Callable[[float], float] = int if whole else float
    try:
        return as_given(min(max(float(str(given)), lowest), highest))
    except ValueError:
        return as_given(max(lowest, 1))


def _example(_: object, problem: Mapping[str, Any]) -> object:
    example = re.search(r"for example “?([^”;()]+?)”?(?:[;,)]| or |\.(?:\s|$)|$)", problem["text"])
    return example[1].strip() if example else None
