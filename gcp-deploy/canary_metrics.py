"""What two revisions did, by Prometheus, and whether the new one may go on."""

import http.client
import json
import math
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Final

from cloud_run_traffic import gcloud

GOOGLE: Final = "https://monitoring.googleapis.com/"
QUERY_S: Final = 10

OUR_FAULT: Final = (
    "-32603|broker_unavailable|busy|database_busy|disk_failed|disk_full|identity_unavailable|internal|not_stored"
    "|outcome_unknown|read_only|upstream|upstream_fault|upstream_key_unreadable|upstream_not_set|upstream_not_writable"
    "|upstream_refused|upstream_unavailable"
)
"""Values of `error_type` that count as errors (a regular expression); the others are the caller's."""
DURATIONS: Final = "mcp_server_operation_duration_seconds"
BUILD_INFO: Final = "ticket_server_build_info"


@dataclass(frozen=True)
class Seen:
    """What a revision did since it got its share: requests, errors by our fault, and the p95 of calls in seconds."""

    requests: int
    errors: int
    p95_s: float | None
    """None: there were no calls."""


class Prometheus:
    """Asks a Prometheus HTTP API, or that of Managed Service for Prometheus with a token from gcloud.

    Args:
        address: what precedes `/api/v1/query`.
        errors: a regular expression of the values of `error_type` that count.
        label: the label that names the revision in every metric; empty: it is in the build info alone.
    """

    def __init__(self, address: str, errors: str, label: str) -> None:
        self._query_url = f"{address.rstrip('/')}/api/v1/query"
        self._errors = errors
        self._label = label

    def seen(self, revision: str, seconds: int) -> Seen:
        """Return what a revision did in the last `seconds`. Raises: OSError, ValueError, CannotError."""
        token = gcloud("auth", "print-access-token").strip() if self._query_url.startswith(GOOGLE) else ""
        errors = self._since("_count", f'error_type=~"{self._errors}"', revision, seconds)
        calls = self._since("_bucket", 'mcp_method_name="tools/call"', revision, seconds)
        p95_s = self._value(f"histogram_quantile(0.95, sum by (le) ({calls}))", token)
        return Seen(
            requests=round(self._value(f"sum({self._since('_count', '', revision, seconds)})", token)),
            errors=round(self._value(f"sum({errors})", token)),  # increase() extrapolates
            p95_s=None if math.isnan(p95_s) else p95_s,
        )

    def _since(self, suffix: str, selector: str, revision: str, seconds: int) -> str:
        """Return PromQL for how far counters of a revision rose; one that did not exist before rose from zero.

        `increase()` misses what a new counter shows at its first scrape, which is all that a rare error ever shows.
        """
        by_label = f'{self._label}="{revision}"' if self._label else ""
        counter = f"{DURATIONS}{suffix}{{{','.join(filter(None, (selector, by_label)))}}}"
        born = f"min_over_time({counter}[{seconds}s]) unless {counter} offset {seconds}s"
        rise = f'(increase({counter}[{seconds}s]) or label_replace({born}, "born", "yes", "", ""))'
        if self._label:
            return rise
        return f'{rise} and on (instance) last_over_time({BUILD_INFO}{{revision="{revision}"}}[{seconds}s])'

    def _value(self, query: str, token: str) -> float:
        """Return the only value of an instant query; zero for none."""
        request = urllib.request.Request(  # noqa: S310 - main() accepts http and https alone
            self._query_url,
            data=urllib.parse.urlencode({"query": query}).encode(),
            headers={"authorization": f"Bearer {token}"} if token else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=QUERY_S) as response:  # noqa: S310 - as above
                answer = json.load(response)
        except http.client.HTTPException as error:
            raise ValueError(f"not an HTTP response: {error!r}") from error
        if answer.get("status") != "success":
            raise ValueError(f"not an answer of Prometheus: {str(answer)[:200]}")
        result = answer["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0


@dataclass(frozen=True)
class Bounds:
    """What a new revision may do; the increases are over the old revision in the same time."""

    min_requests: int
    max_error_ratio: float
    max_error_increase: float
    max_p95_s: float
    max_p95_increase_s: float


def fault_of(new: Seen, old: Seen, bounds: Bounds) -> str | None:
    """Return why the new revision must not go on, or None. Pure.

    Before there are `min_requests`, errors count as if there were: an abort is then certain, whatever comes.
    A revision with fewer requests is not compared with.
    """
    ratio = new.errors / max(new.requests, bounds.min_requests)
    has_enough, is_compared = new.requests >= bounds.min_requests, old.requests >= bounds.min_requests
    old_ratio = old.errors / old.requests if is_compared else 0.0
    if ratio > bounds.max_error_ratio:
        return f"{new.errors} of {new.requests} requests failed; {bounds.max_error_ratio:.2%} may."
    if is_compared and ratio > old_ratio + bounds.max_error_increase:
        return f"{ratio:.2%} of its requests failed, and {old_ratio:.2%} of those of the old revision."
    if new.p95_s is None or not has_enough:
        return None
    if new.p95_s > bounds.max_p95_s:
        return f"95 % of its calls take up to {new.p95_s:.3f} s; {bounds.max_p95_s:g} s are allowed."
    if is_compared and old.p95_s is not None and new.p95_s > old.p95_s + bounds.max_p95_increase_s:
        return f"95 % of its calls take up to {new.p95_s:.3f} s, and {old.p95_s:.3f} s at the old revision."
    return None
