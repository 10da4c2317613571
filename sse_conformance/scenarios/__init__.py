"""All scenarios of the suite, in the order in which they are run and shown."""

from typing import Final

from sse_conformance.scenarios import accepting, lifecycle, messages, reconnecting, refusing, streams, transport
from sse_conformance.verdict import Scenario, collect

SCENARIOS: Final[tuple[Scenario, ...]] = tuple(
    scenario
    for module in (transport, lifecycle, messages, accepting, refusing, streams, reconnecting)
    for scenario in collect(vars(module))
)
