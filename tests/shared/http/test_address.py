"""The client address of a request: `X-Forwarded-For` entries written by clients are never trusted."""

import pytest
from starlette.requests import HTTPConnection

from shared.http.address import client_address, network_of
from tests.kills import kills

PEER = "10.0.0.9"
CLIENT = "203.0.113.7"
FORGED = "198.51.100.1"


def request(*forwarded: str, peer: str | None = PEER) -> HTTPConnection:
    headers = [(b"x-forwarded-for", line.encode("latin-1")) for line in forwarded]
    return HTTPConnection({"type": "http", "headers": headers, "client": (peer, 1234) if peer else None})


@kills("shared/http/address.py", "hops[-trusted_proxies:] if 0 < trusted_proxies <= len(hops) else []", "hops")
@pytest.mark.parametrize(("proxies", "forwarded", "address"), [
    (0, [],                                      PEER),
    (0, [FORGED],                                PEER),    # not written by a trusted proxy
    (1, [CLIENT],                                CLIENT),
    (1, [f"{FORGED}, {CLIENT}"],                 CLIENT),  # a client sent a header, the proxy appended to it
    (1, [f"{FORGED},{FORGED} ,{CLIENT}"],        CLIENT),
    (1, [FORGED, CLIENT],                        CLIENT),  # several lines are one list
    (2, [f"{FORGED}, {CLIENT}, 10.0.0.1"],       CLIENT),
    (2, [f"{FORGED}, {CLIENT}", "10.0.0.1"],     CLIENT),
    (1, [],                                      PEER),    # the request bypassed the proxy
    (2, [FORGED],                                PEER),    # … bypassed one of them: all entries may be forged
    (3, [f"{FORGED}, {FORGED}"],                 PEER),
    (1, [f"{FORGED}, unknown"],                  PEER),    # invalid, by a trusted proxy: never fall back to the left
    (1, [f"{FORGED}, "],                         PEER),
    (2, [f"{FORGED}, _hidden, 10.0.0.1"],        "10.0.0.1"),
    (2, [f"{FORGED}, x, y"],                     PEER),
    (1, [f"{CLIENT}:5123"],                      CLIENT),
    (1, [f'"{CLIENT}:5123"'],                    CLIENT),
    (1, ["[2001:DB8:0::1]:443"],                 "2001:db8::1"),
    (1, ["[2001:db8::1]"],                       "2001:db8::1"),
    (1, ["2001:db8::1"],                         "2001:db8::1"),
    (1, ["fe80::1%eth0"],                        "fe80::1"),
    (1, ["::ffff:203.0.113.7"],                  CLIENT),
    (1, ["203.0.113.007"],                       PEER),
    (1, ["٢٠٣.0.113.7".encode().decode("latin-1")], PEER),
])  # fmt: skip
def test_the_address_is_the_one_that_our_outermost_proxy_saw(proxies: int, forwarded: list[str], address: str) -> None:
    assert client_address(request(*forwarded), proxies) == address


def test_a_peer_without_an_address_is_unknown() -> None:
    assert client_address(request(peer=None), 0) == client_address(request("x", peer="testclient"), 1) == "unknown"
    assert client_address(request(CLIENT, peer=None), 1) == CLIENT


@pytest.mark.parametrize(("address", "network"), [
    ("203.0.113.7", "203.0.113.7"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
    ("unknown", "unknown"),
])  # fmt: skip
def test_who_has_a_network_of_ipv6_is_one_client(address: str, network: str) -> None:
    assert network_of(address) == network
