"""Sentences in the language of the current call: English in the code, Japanese in the tables of `japanese`."""

from contextvars import ContextVar, Token
from typing import Final, Literal, get_args

from shared.localization.japanese import SENTENCES

Language = Literal["en", "ja"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
_current: ContextVar[Language] = ContextVar("language", default="en")


class in_language:  # noqa: N801 - reads as the function that it would be, but each call enters it
    """Uses `language` for the sentences of this block, and of the tasks that it starts."""

    __slots__ = ("_before", "_language")

    def __init__(self, language: Language) -> None:
        self._language = language

    def __enter__(self) -> None:
        self._before: Token[Language] = _current.set(self._language)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._before)


def current_language() -> Language:
    """Return the language of the current call."""
    return _current.get()


def localized(template: str, /, **values: object) -> str:
    """Return the sentence `template` in the language of the current call.

    Args:
        template: the English sentence, a literal with places as of `str.format`, for example `There is no {name}.`
        values: what stands in the places; texts among them are in the language of the call already.

    A test finds each literal in the code and requires its Japanese sentence, with the same places.
    """
    sentence = SENTENCES.get(template, template) if _current.get() == "ja" else template
    return sentence.format(**values)
