"""The provider of the tests (provider.mjs) as a process, and what happened there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.interop.commands import NODE
from tests.javascript import installed
from tests.processes import ROOT, Process

PROGRAM: Final = ROOT / "tests" / "interop" / "sign_in" / "provider.mjs"
ROBOT: Final = ("nightly-report", "only-for-the-programs-of-the-tests")
"""Id and secret of a program that signs in as itself."""


@dataclass(frozen=True)
class Provider:
    """A running provider."""

    issuer: str
    process: Process

    def events(self) -> list[dict[str, Any]]:
        """Return what has happened so far: `registered`, `signed_in`, each kind of grant, and failures."""
        lines = self.process.said_so_far().splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"event"')]


@contextmanager
def provider(
    resources: Sequence[str], people: Mapping[str, Mapping[str, Any]], *, life_s: float = 600, early_s: float = 0
) -> Iterator[Provider]:
    """Start a provider.

    Args:
        resources: what its access tokens may be for; the first one if a client asks for none.
        people: claims of the access tokens of each person, by subject.
        life_s: life of access tokens, in seconds.
        early_s: how much earlier the tokens say that they expire.
    """
    told = {
        "nodeModules": installed().as_posix(),
        "resources": resources,
        "people": dict(people),
        "programs": [dict(zip(("id", "secret"), ROBOT, strict=True))],
        "lifeS": life_s,
        "earlyS": early_s,
    }
    with Process([str(PROGRAM), json.dumps(told)], executable=NODE) as process:
        yield Provider(process.wait_until_ready(), process)
