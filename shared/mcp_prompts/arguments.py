"""The arguments of prompts: what they take, what completes them, and how their values are read. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from shared.errors import InvalidInputError, Problem
from shared.localization import Language, localized
from shared.markdown import one_line
from shared.tickets.master_lists import MasterList
from shared.visible_text import visible

MAX_VALUE: Final = 200
"""Characters of one value."""
LANGUAGE: Final = "language"
_LANGUAGES: Final[Mapping[str, Language]] = MappingProxyType({
    "en": "en", "english": "en", "英語": "en", "ja": "ja", "jp": "ja", "japanese": "ja", "日本語": "ja",
})  # fmt: skip


class TicketIds:
    """Completes an argument with ids of tickets."""


Source = MasterList[Any] | type[TicketIds] | Sequence[str]
"""What completes an argument: a list of master data, tickets, or these words; empty: nothing does."""


@dataclass(frozen=True, slots=True)
class PromptField:
    """One argument of a prompt; `description` returns it in the language of the call."""

    name: str
    description: Callable[[], str]
    source: Source = ()
    is_required: bool = False


def read_values(fields: Sequence[PromptField], given: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of the arguments that were given, each on one line; blank ones count as absent.

    Of `TCK-0041 (Printer)`, which completion offers, the id is returned.

    Raises:
        InvalidInputError: an argument is unknown, missing or too long; the error names all of them.
    """
    known = {field.name: field for field in fields}
    values = {name: one_line(visible(str(value))) for name, value in given.items() if name in known}
    values = {name: value for name, value in values.items() if value}
    problems = [
        *_unknown([name for name in given if name not in known], tuple(known)),
        *(
            Problem(name, localized("must have at most {limit} characters", limit=MAX_VALUE))
            for name, value in values.items()
            if len(value) > MAX_VALUE
        ),
        *(
            Problem(field.name, localized("must not be empty"))
            for field in fields
            if field.is_required and field.name not in values
        ),
    ]
    if problems:
        raise InvalidInputError.of(problems)
    return {name: ticket_id(value) if known[name].source is TicketIds else value for name, value in values.items()}


def language_of(value: str) -> Language:
    """Return the language that `value` names, such as `ja`, `ja-JP` or `日本語`. Raises: InvalidInputError."""
    word = value.casefold()
    found = _LANGUAGES.get(word) or _LANGUAGES.get(word.partition("-")[0])
    if found is None:
        raise InvalidInputError.of([Problem(LANGUAGE, localized("is not a language of this server"), ("en", "ja"))])
    return found


def ticket_id(value: str) -> str:
    """Return the id in a value that completion offered, `TCK-0041 (Printer)`; another value as it is."""
    return value.partition(" (")[0] if value.endswith(")") else value


def _unknown(names: Sequence[str], known: tuple[str, ...]) -> list[Problem]:
    return [
        Problem(one_line(visible(name))[:50], localized("is not an argument of this prompt"), known) for name in names
    ]
