"""Habits of clients in the arguments of a call: foreign names, empty values, JSON text.

Recognised here, and served as far as `shared.client_habits` says. `Reading` goes with one call: it is the context of
the input model's validation, so a habit is counted once however often it shows inside the arguments object. An object
that is itself JSON text is read before, by `arguments_object`.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shared.bounds import MAX_VALUES, excess, has_more_values
from shared.client_habits import ClientHabits
from shared.localization import localized
from shared.markdown import encodable
from shared.mcp_tools.arguments.names import spelled_right
from shared.tickets.dates.ticket_time import TicketTime
from shared.visible_text import is_whole, visible

ValueT = TypeVar("ValueT")

FOREIGN: Final = frozenset({"toolCallId", "sessionId", "action", "chatInput", "random_string", "_meta", ""})
"""Names that clients add of their own accord; at the top level only, and a tool's own argument comes first."""
WRAPPERS: Final = frozenset({"arguments", "args", "input", "inputs", "params", "parameters", "kwargs", "toolInput"})
"""Names of an only argument that holds all others."""
EMPTY_WORDS: Final = frozenset({"null", "None", "undefined"})
"""What JSON, Python and JavaScript print for no value; in other spellings the words may be meant ("none", "NIL")."""
MAX_LIST_TEXT: Final = 300_000
"""Characters of a list sent as JSON text: 20 attachments of maximum length, each character escaped as `\\u3042`."""
MAX_ARGUMENTS_TEXT: Final = 1_500_000
"""Characters of arguments sent as JSON text: the largest create_ticket, likewise escaped."""
_OBJECT: Final = 'The arguments of a call must be a JSON object, for example {{"limit": 3}}'
_NO_ARGUMENTS: Final = frozenset({"", "null"})


@dataclass(frozen=True, slots=True)
class FreeText:
    """Marks an argument whose value may be any words, "None" too."""

    may_be_blank: bool


@cache
def arguments_of(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Return the fields of an input model by the names of the arguments."""
    return MappingProxyType({str(info.alias): info for info in model.model_fields.values()})


class Reading:
    """The reading of one call's arguments."""

    def __init__(self, habits: ClientHabits) -> None:
        self._habits = habits
        self.moving: dict[str, str] = {}
        """The words of moments that mean another minute soon, by argument."""
        self._admitted: dict[str, bool] = {}
        self.foreign: tuple[str, ...] = ()
        """Names that were ignored."""
        self.empty: tuple[str, ...] = ()
        """Arguments that counted as absent because of their empty values."""
        self.arguments: dict[str, Any] = {}
        """The arguments that count, under their own names."""
        self._said: list[str] = []

    @cached_property
    def at(self) -> TicketTime:
        """The time of the call: this machine's, unless another one is set."""
        return TicketTime.of_machine()

    def say(self, note: str) -> None:
        """Add a note for the reader of the result: how a value was understood."""
        if note not in self._said:
            self._said.append(note)

    def admits(self, habit: str) -> bool:
        """Return whether `habit`, which was just recognised, is served; count it once in a call."""
        if habit not in self._admitted:
            self._admitted[habit] = self._habits.admits(habit)
        return self._admitted[habit]

    def straightened(self, model: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return `arguments` for `model` under its own names, without foreign names and empty values.

        Foreign names and empty values stay as far as these habits are not served.
        """
        if not arguments:
            return self.arguments
        fields = arguments_of(model)
        arguments = spelled_right(fields, self._unwrapped(fields, arguments))
        foreign = [name for name in arguments if name in FOREIGN and name not in fields]
        if foreign and self.admits("foreign_arguments"):
            self.foreign = tuple(foreign)
        empty = [name for name, value in arguments.items() if name in fields and _is_empty(fields[name], value)]
        if empty and self.admits("empty_arguments"):
            self.empty = tuple(empty)
        left_out = {*self.foreign, *self.empty}
        self.arguments = {name: value for name, value in arguments.items() if name not in left_out}
        return self.arguments

    def _unwrapped(self, fields: Collection[str], arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the arguments inside an only argument that holds them all, such as `{"input": {…}}`."""
        if len(arguments) != 1:
            return arguments
        ((name, value),) = arguments.items()
        if name in fields or name not in WRAPPERS:
            return arguments
        if isinstance(value, str):
            with suppress(ValueError):
                value = from_text(value, dict, self, expected=localized(_OBJECT), most=MAX_ARGUMENTS_TEXT)
        return value if isinstance(value, dict) and excess(value) is None else arguments

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the result must know."""
        if not self.foreign:
            return tuple(self._said)
        names = localized(", ").join(map(named, self.foreign))
        return (localized("Ignored, because this tool has no such argument: {names}.", names=names), *self._said)


def a_text() -> str:
    """Return an example of free text."""
    return localized("“The printer is offline”")


def named(argument: str) -> str:
    """Return the name of an argument as it is shown; the empty one, too, can be seen."""
    return argument or '""'


def _is_empty(field: FieldInfo, value: object) -> bool:
    """Return whether a value means that an optional argument is absent: it is no valid value of that argument."""
    if field.is_required():
        return False
    if isinstance(value, list | dict):
        return not takes_list(field.annotation) and (not value or value in ([None], [""], [[]], [{}]))
    if not isinstance(value, str) or not is_whole(value):
        return False
    word = visible(value).strip()
    if word and word not in EMPTY_WORDS:
        return False
    text = free_text([*field.metadata, field.annotation])
    return text is None or not (word or text.may_be_blank)


def takes_list(annotation: Any) -> bool:
    """Whether the type of an argument is or has a list."""
    return get_origin(annotation) is list or any(map(takes_list, get_args(annotation)))


def free_text(annotations: Sequence[Any]) -> FreeText | None:
    """Return the mark of an argument whose value may be any words; `annotations` are its type and metadata."""
    for one in annotations:
        if isinstance(one, FreeText):
            return one
        if (inside := free_text(get_args(one))) is not None:
            return inside
    return None


def arguments_object(given: object, habits: ClientHabits) -> dict[str, Any]:
    """Return the arguments of a call that came as something else than an object.

    Raises:
        ValueError: they cannot be read; the message is a sentence.
    """
    if not isinstance(given, str):
        raise ValueError(localized("{text}.", text=localized(_OBJECT)))
    text = "{}" if given.strip() in _NO_ARGUMENTS else given
    try:
        return from_text(text, dict, Reading(habits), expected=localized(_OBJECT), most=MAX_ARGUMENTS_TEXT)
    except ValueError as error:
        raise ValueError(localized("{text}.", text=error)) from None


def from_text(text: str, kind: type[ValueT], reading: Reading, *, expected: str, most: int) -> ValueT:
    """Return the value of type `kind` that JSON text holds.

    Args:
        text: the text.
        kind: `dict` or `list`.
        reading: of the call.
        expected: the beginning of each error's message: what is right instead.
        most: characters that the text may have.

    Raises:
        ValueError: the text has too many characters or values, holds no such value, or the habit is not served.
    """
    if len(text) > most or has_more_values(encodable(text).encode(), MAX_VALUES):
        text = localized(
            "{expected}; as text, at most {most:,} characters and {values:,} values",
            expected=expected,
            most=most,
            values=MAX_VALUES,
        )
        raise ValueError(text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(localized("{expected}, and this text is not JSON", expected=expected)) from None
    if not isinstance(value, kind):
        raise ValueError(localized("{expected}, and this text holds something else", expected=expected))
    if not reading.admits("stringified"):
        raise ValueError(localized("{expected}, not text that holds one", expected=expected))
    return value
