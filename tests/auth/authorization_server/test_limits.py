"""Requests of strangers are limited by address, those of hosted assistants by their ranges."""

from collections.abc import Callable
from typing import Final

import pytest
from starlette.requests import HTTPConnection

from auth.authorization_server import limits as module
from auth.authorization_server.limits import LimitedEndpoint, RequestLimits, TooManyRequestsError
from tests.auth.conftest import Clock

HOSTED: Final = ("160.79.104.0/21", "2607:6bc0::/48")
ADDRESS: Final = "198.51.100.7"


def request(address: str | None, forwarded: str = "") -> HTTPConnection:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    return HTTPConnection({"type": "http", "headers": headers, "client": address and (address, 1)})


@pytest.fixture
def limits(clock: Clock) -> RequestLimits:
    return RequestLimits(HOSTED, seconds=clock.seconds)


def passed(
    limits: RequestLimits,
    asked: Callable[[int], HTTPConnection] | HTTPConnection,
    endpoint: LimitedEndpoint = "register",
    client_id: str = "",
    *,
    of: int = 2000,
) -> int:
    """Return how many requests pass before the first that does not, at most `of`."""
    for number in range(of):
        try:
            limits.check(asked if isinstance(asked, HTTPConnection) else asked(number), endpoint, client_id)
        except TooManyRequestsError:
            return number
    return of


def test_an_address_has_a_burst_and_then_a_rate(limits: RequestLimits, clock: Clock) -> None:
    assert passed(limits, request(ADDRESS)) == 20
    with pytest.raises(TooManyRequestsError) as refused:
        limits.check(request(ADDRESS), "register")
    assert refused.value.retry_after_s == 10
    assert "in 10 s" in str(refused.value)

    clock.go_on(seconds=refused.value.retry_after_s)

    assert passed(limits, request(ADDRESS)) == 1


def test_what_was_refused_is_not_counted(limits: RequestLimits, clock: Clock) -> None:
    passed(limits, request(ADDRESS))
    for _ in range(100):
        passed(limits, request(ADDRESS), of=1)
    clock.go_on(seconds=10)

    assert passed(limits, request(ADDRESS)) == 1


def test_other_addresses_and_endpoints_are_apart(limits: RequestLimits) -> None:
    passed(limits, request(ADDRESS))

    assert passed(limits, request("198.51.100.8")) == 20
    assert passed(limits, request(ADDRESS), "authorize") > 20


def test_one_client_leaves_room_for_others_behind_its_address(limits: RequestLimits) -> None:
    assert passed(limits, request(ADDRESS), "authorize", "https://a.example/client") == 30
    assert passed(limits, request(ADDRESS), "authorize", "https://b.example/client") == 30


def test_an_address_that_changes_its_client_has_one_limit(limits: RequestLimits) -> None:
    asked = sum(passed(limits, request(ADDRESS), "authorize", f"cli_{number}", of=1) for number in range(200))

    assert asked == 100


def test_nobody_is_locked_out_of_a_client_by_a_stranger(limits: RequestLimits) -> None:
    passed(limits, request(ADDRESS), "authorize", "cli_1")

    assert passed(limits, request("203.0.113.9"), "authorize", "cli_1") == 30


def test_an_ipv6_network_is_one_address(limits: RequestLimits) -> None:
    assert passed(limits, lambda number: request(f"2001:db8::{number:x}")) == 20
    assert passed(limits, request("2001:db8:0:1::1")) == 20


@pytest.mark.parametrize(
    ("address", "neighbour"),
    [("160.79.104.9", "160.79.112.1"), ("2607:6bc0::1", "2607:6bc1::1"), ("::ffff:160.79.111.255", "160.79.103.255")],
)
def test_a_hosted_assistant_has_a_wide_limit_for_its_whole_range(
    limits: RequestLimits, address: str, neighbour: str
) -> None:
    assert passed(limits, request(address)) == 300
    assert passed(limits, request(address), "authorize", "cli_1") == 1000
    assert passed(limits, request(neighbour)) == 20


def test_the_addresses_of_a_range_share_its_limit(limits: RequestLimits) -> None:
    assert passed(limits, lambda number: request(f"160.79.104.{number % 250}")) == 300


def test_only_a_trusted_proxy_says_where_a_request_came_from(clock: Clock) -> None:
    direct, behind = (RequestLimits(HOSTED, proxies, seconds=clock.seconds) for proxies in (0, 1))

    assert passed(direct, lambda number: request(ADDRESS, f"160.79.104.{number}")) == 20
    assert passed(behind, lambda number: request("10.0.0.1", f"1.2.3.{number}, 160.79.104.9")) == 300
    assert passed(behind, request("10.0.0.1", f"160.79.104.9, {ADDRESS}")) == 20


def test_a_request_without_an_address_is_limited_too(limits: RequestLimits) -> None:
    assert passed(limits, request(None)) == 20


def test_what_is_kept_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BUCKETS", 2)
    limits = RequestLimits([], seconds=clock.seconds)
    passed(limits, request(ADDRESS))
    for number in range(2):
        limits.check(request(f"203.0.113.{number}"), "register")

    assert passed(limits, request(ADDRESS)) == 20


@pytest.mark.parametrize("network", ["160.79.104.1/21", "acme", "", "160.79.104.0/33"])
def test_a_range_that_is_not_a_network_is_refused(network: str) -> None:
    with pytest.raises(ValueError):
        RequestLimits([network])
