"""How often `/authorize` and `/register` may be asked, and how often `/token` and `/revoke` may be asked wrongly.

By token buckets in this process.

Hosted assistants send the requests of many people from a few networks, so each of their published ranges has a wide
bucket of its own. All others are limited by address, and at `/authorize` also by client and address, so that one
client that asks again and again leaves room for the others behind the same address. A limit by client alone would let
a stranger lock out all users of that client.
"""

import ipaddress
import math
import time
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from starlette.requests import HTTPConnection

from shared.errors import TicketServerError
from shared.http.address import client_address, network_of
from shared.lru import LRUCache
from shared.rate import Rate

LimitedEndpoint = Literal["authorize", "register", "token"]
MOST_BUCKETS: Final = 20_000
"""Buckets kept, the most recently used. An evicted one is full again."""


class _Rates(NamedTuple):
    """The limits of one endpoint."""

    address: Rate
    client: Rate | None
    """Of one client from one address."""
    hosted: Rate
    """Of one range of a hosted assistant."""


_RATES: Final[Mapping[LimitedEndpoint, _Rates]] = MappingProxyType(
    {
        "authorize": _Rates(Rate(60, 100), Rate(20, 30), Rate(1200, 1000)),
        "register": _Rates(Rate(6, 20), None, Rate(600, 300)),
        "token": _Rates(Rate(60, 300), None, Rate(1200, 1000)),  # requests that are refused; see `give_back`
    }
)


class TooManyRequestsError(TicketServerError):
    """Too many requests came from an address (429)."""

    kind = "rate_limited"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many requests came from your address. Try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s
        """Whole seconds after which a request would pass, if no other came meanwhile."""


class RequestLimits:
    """Limits requests of people and clients that are not known yet.

    Args:
        hosted_ranges: networks of hosted assistants, as CIDR.
        trusted_proxies: how many reverse proxies of this deployment are in front (`X-Forwarded-For`); 0 for none.
        seconds: a monotonic clock.

    Raises:
        ValueError: a range is not a network.
    """

    def __init__(
        self,
        hosted_ranges: Collection[str],
        trusted_proxies: int = 0,
        *,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hosted = tuple(map(ipaddress.ip_network, hosted_ranges))
        self._trusted_proxies = trusted_proxies
        self._seconds = seconds
        self._full_at: LRUCache[tuple[str, ...], float] = LRUCache(MOST_BUCKETS)

    def check(self, request: HTTPConnection, endpoint: LimitedEndpoint, client_id: str = "") -> None:
        """Count a request. Raises: TooManyRequestsError, and then it is not counted."""
        now = self._seconds()
        costs = self._costs(endpoint, client_address(request, self._trusted_proxies), client_id)
        taken = {bucket: rate.take(self._full_at.get(bucket) or now, now) for bucket, rate in costs.items()}
        if wait := max(wait for _, wait in taken.values()):
            raise TooManyRequestsError(max(1, math.ceil(wait)))
        for bucket, (full_at, _) in taken.items():
            self._full_at.put(bucket, full_at)

    def give_back(self, request: HTTPConnection, endpoint: LimitedEndpoint) -> None:
        """Do not count a request that `check` counted: it was right."""
        for bucket, rate in self._costs(endpoint, client_address(request, self._trusted_proxies), "").items():
            self._full_at.put(bucket, (self._full_at.get(bucket) or self._seconds()) - rate.interval_s)

    def _costs(self, endpoint: LimitedEndpoint, address: str, client_id: str) -> Mapping[tuple[str, ...], Rate]:
        """Return the buckets from which a request takes, one token of each."""
        rates = _RATES[endpoint]
        if (hosted := self._hosted_range(address)) is not None:
            return {(endpoint, hosted): rates.hosted}
        network = network_of(address)
        costs: dict[tuple[str, ...], Rate] = {(endpoint, network): rates.address}
        if rates.client is not None:
            costs[endpoint, network, client_id] = rates.client
        return costs

    def _hosted_range(self, address: str) -> str | None:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return None
        return next((str(network) for network in self._hosted if ip in network), None)
