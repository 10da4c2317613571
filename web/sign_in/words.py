"""The texts of the pages: texts.en.toml and texts.ja.toml, which have the same keys."""

import tomllib
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any, Final

from web.language import LANGUAGES


class Words:
    """The texts of one language, by section and key, as HTML."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self.texts = texts

    def __call__(self, key: str, **shown: str) -> str:
        """Return the text of `key`, such as `consent.title`, with `shown` (which is HTML) in its places."""
        return Template(escape(self.texts[key])).substitute(shown)

    def known(self, section: str, name: str, *, otherwise: str) -> str:
        """Return the key of `name` in `section`, or that of `otherwise` if there is no text for the name."""
        key = f"{section}.{name}"
        return key if key in self.texts else f"{section}.{otherwise}"


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def _read(language: str) -> Words:
    text = (Path(__file__).parent / f"texts.{language}.toml").read_text("utf-8")
    return Words(language, MappingProxyType(dict(_flat(tomllib.loads(text)))))


WORDS: Final = MappingProxyType({language: _read(language) for language in LANGUAGES})
ERROR_KINDS: Final = frozenset(key.split(".")[1] for key in WORDS["en"].texts if key.count(".") == 2) - {"general"}
"""The kinds of errors that have a text of their own."""
