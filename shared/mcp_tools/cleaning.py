"""Cleans what a call returns, before any form of it is made: both forms of a result show the same characters."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from shared.localization import localized
from shared.tickets.results import Result
from shared.visible_text import is_visible, visible

ResultT = TypeVar("ResultT", bound=Result)

_HOLDS_NO_TEXT: Final = (int, float, type(None))


def cleaned(result: ResultT) -> ResultT:
    """Return `result` without characters that show nothing; if there were any, a note says how many."""
    if is_visible("".join(_texts(result.__dict__.values(), []))):  # as nearly every result is
        return result
    cleaning = Cleaning()
    shown: ResultT = cleaning.of(result)
    if not cleaning.dropped:
        return shown
    return shown.model_copy(update={"notes": (*shown.notes, not_shown(cleaning.dropped))})


def not_shown(dropped: int) -> str:
    """Say that characters were dropped."""
    if dropped == 1:
        return localized("1 invisible character not shown.")
    return localized("{count:,} invisible characters not shown.", count=dropped)


def _texts(values: Iterable[Any], found: list[str]) -> list[str]:
    """Add every text in models and in JSON to `found`, except the names of an object's values, and return it."""
    for one in values:
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, (tuple, list)):
            _texts(one, found)
        elif not isinstance(one, _HOLDS_NO_TEXT):  # asked for last: what takes ten times as long to find out
            if isinstance(one, BaseModel):
                _texts(one.__dict__.values(), found)
            elif isinstance(one, Mapping):
                _texts(one.values(), found)
    return found


class Cleaning:
    """Cleans every text in a value, and counts what it drops."""

    def __init__(self) -> None:
        self.dropped = 0

    def of(self, value: Any) -> Any:
        """Return `value`, a model or JSON, cleaned; what is clean already is returned as it is."""
        match value:
            case str():
                text = visible(value)
                self.dropped += len(value) - len(text)
                return text
            case tuple():
                items = tuple(map(self.of, value))
                return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
            case dict() | Mapping():
                return {name: self.of(one) for name, one in value.items()}
            case list():
                return [self.of(one) for one in value]
            case BaseModel():
                changed = {name: new for name, old in value if (new := self.of(old)) is not old}
                return value.model_copy(update=changed) if changed else value
            case _:
                return value
