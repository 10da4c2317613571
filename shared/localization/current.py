"""Sentences in the language of the current call: English in the code, Japanese in the tables of `japanese`."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal, get_args

from shared.localization.japanese import SENTENCES

Language = Literal["en", "ja"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
_current: ContextVar[Language] = ContextVar("language", default="en")


@contextmanager
def in_language(language: Language) -> Iterator[None]:
    """Use `language` for the sentences of this block, and of the tasks that it starts."""
    before = _current.set(language)
    try:
        yield
    finally:
        _current.reset(before)


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
