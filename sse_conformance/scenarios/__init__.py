"""All scenarios of the suite, in the order in which they are run and shown."""

from typing import Final

from sse_conformance.scenarios import (
    accepting,
    lifecycle,
    lists,
    notifications,
    origins,
    reconnecting,
    refusing,
    responses,
    streams,
    transport,
)
from sse_conformance.verdict import Scenario, collect

_SUBJECTS: Final = (
    transport,
    origins,
    lifecycle,
    lists,
    responses,
    notifications,
    accepting,
    refusing,
    streams,
    reconnecting,
)
SCENARIOS: Final[tuple[Scenario, ...]] = tuple(one for subject in _SUBJECTS for one in collect(vars(subject)))
