"""Which limits were reached: read from what is counted anyway, so that nothing is counted twice."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from shared.counting import TallyCounter
from shared.metrics.registry import MetricReading

# fmt: off
LIMITS: Final = (
    ("rate",       "http_refusals", {("kind", "rate_limited")}),
    ("rate",       "mcp_requests",  {("outcome", "rate_limited")}),
    ("wrong_keys", "http_refusals", {("kind", "unauthenticated"), ("status", "429")}),
    ("sessions",   "http_refusals", {("kind", "too_many_sessions")}),
    ("streams",    "http_refusals", {("kind", "too_many_streams")}),
    ("requests",   "http_refusals", {("kind", "busy")}),
    ("requests",   "mcp_requests",  {("outcome", "busy")}),
    ("queue",      "api_requests",  {("outcome", "busy")}),
    ("body",       "http_refusals", {("kind", "too_large")}),
    ("response",   "mcp_requests",  {("outcome", "too_large")}),
)
# fmt: on
"""The word of each limit, and the counts that are its own: how often one principal may ask (`rate`) or an address may
guess keys (`wrong_keys`), how much may be open (`sessions`, `streams`), run (`requests`) or wait for the ticket API
(`queue`), and how large a message (`body`) or a response may be."""


def limits_reached(counter: TallyCounter) -> Iterator[MetricReading]:
    """Yield how often each limit was reached; zero for one that was not."""
    reached = Counter({limit: 0 for limit, *_ in LIMITS})
    for (name, labels), count in counter.tally.items():
        for limit, counted, those in LIMITS:
            if name == counted and those <= {*labels}:
                reached[limit] += count
    for limit, count in reached.items():
        yield MetricReading("limits_reached", count, (limit,))
