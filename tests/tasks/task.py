"""Reads the tasks. A file has a table for each; `docs` of each field stand in `Task`.

In texts, `{name}` is a word of the task in the language of the run, and `{1.ticketId}` a value of the first result.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

Language = Literal["en", "ja"]
Kind = Literal["reference", "existing"]
HERE: Final = Path(__file__).parent
FILES: Final = ("reading", "writing", "several", "mistakes")
ME: Final = "user3"
"""Who asks, in the ticket system."""


@dataclass(frozen=True)
class Task:
    """What a person asks, how it is done, and what must be true afterwards."""

    name: str
    asks: str
    budget: Mapping[str, int]
    """`calls`, and `tokens` of all results together; `tokens_ja` in Japanese."""
    way: Sequence[Mapping[str, Any]]
    """Steps: `tool` and `arguments`, with `refused` if an error is due, which must contain it; or `meanwhile`, a write
    by another user, which is no call."""
    ja: str = ""
    """The same question in Japanese; such tasks are also played on the Japanese sample data."""
    shows: Mapping[str, Any] = field(default_factory=dict)
    """What the results must contain: `says`, texts; `tickets`, exactly the tickets that `verify.fits`; `report`, the
    numbers of tickets that fit `where`, grouped `by` a field, in the days `from` and `to`."""
    changes: Sequence[Mapping[str, Any]] = ()
    """All that changes: in `tickets` (ids, or those that fit) the fields `set` and `cleared`, and a `comment` of `ME`
    with its `visibility`."""
    creates: Sequence[Mapping[str, Any]] = ()
    """All new tickets, with some of their fields."""
    seed: Sequence[Mapping[str, Any]] = ()
    """Writes before it, oldest first, at the time `at`: see `desk.Desk.write`."""
    many: bool = False
    """Whether there are 2,000 tickets."""
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Texts in English and in Japanese."""
    existing: Mapping[str, Any] = field(default_factory=dict)
    """The fields that differ over the existing API."""

    def over(self, kind: Kind) -> "Task":
        """Return the task as it is over an API."""
        return replace(self, **self.existing) if kind == "existing" else self

    def word(self, name: str, language: Language) -> str:
        """Return a word of the task."""
        return self.words[name][language == "ja"]

    def tokens(self, language: Language) -> int | None:
        """Return how many tokens the results may have; None if nothing is promised."""
        return self.budget.get("tokens" if language == "en" else "tokens_ja")


def tasks(language: Language = "en") -> Iterator[Task]:
    """Yield the tasks that are played in a language, in the order of files and of tables."""
    for file in FILES:
        for name, fields in tomllib.loads((HERE / f"{file}.toml").read_text("utf-8")).items():
            task = Task(name, **fields)
            if language == "en" or task.ja:
                yield task
