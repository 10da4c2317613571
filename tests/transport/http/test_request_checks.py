"""Which hosts and origins pass."""

import pytest

from transport.http.errors import HTTPRefusalError
from transport.http.request_checks import RequestChecks
from transport.http.request_head import RequestHead

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def head_with(**headers: str) -> RequestHead:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return RequestHead({"type": "http", "method": "GET", "path": "/", "headers": raw})


def passes(checks: RequestChecks, **headers: str) -> int:
    try:
        checks.check(head_with(**headers))
    except HTTPRefusalError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8080", 200),
        ("LOCALHOST:8080", 200),
        (" 127.0.0.1:1 ", 200),
        ("[::1]:8080", 200),
        ("[::1]", 200),
        ("127.0.0.1.evil.example", 421),
        ("evil.example:80", 421),
        ("localhost:8080@evil.example", 421),
        ("localhost:evil", 421),
        ("", 421),
    ],
)
def test_a_host_is_known_by_its_name_whatever_its_port(host: str, status: int) -> None:
    checks = RequestChecks(hosts=LOOPBACK, origins=(), max_body_bytes=1, body_s=1)
    assert passes(checks, host=host) == status


def test_a_known_host_makes_no_other_one_known() -> None:
    checks = RequestChecks(hosts=LOOPBACK, origins=(), max_body_bytes=1, body_s=1)
    hosts = ("localhost", "evil.example", "evil.example", "localhost", "LOCALHOST:1", "", "localhost")
    assert [passes(checks, host=host) for host in hosts] == [200, 421, 421, 200, 200, 421, 200]


def test_a_request_without_a_host_is_refused() -> None:
    assert passes(RequestChecks(hosts=LOOPBACK, origins=(), max_body_bytes=1, body_s=1)) == 421


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("tickets-abc.a.run.app", 200),
        ("v7---tickets-abc.a.run.app", 200),
        ("other.a.run.app", 421),
        ("evil-tickets-abc.a.run.app", 421),
        ("deep.example.com", 200),
        ("example.com", 421),
    ],
)
def test_a_star_stands_for_any_beginning(host: str, status: int) -> None:
    hosts = ("tickets-abc.a.run.app", "*---tickets-abc.a.run.app", "*.example.com")
    assert passes(RequestChecks(hosts=hosts, origins=(), max_body_bytes=1, body_s=1), host=host) == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:6274", 200),
        ("http://localhost", 200),
        ("HTTP://LOCALHOST:1", 200),
        ("https://localhost:6274", 403),
        ("https://app.example.com", 200),
        ("https://app.example.com:8443", 403),
        ("https://app.example.com.evil.example", 403),
        ("http://localhost:6274@evil.example", 403),
        ("http://localhost.evil.example:80", 403),
        ("http://localhost, https://evil.example", 403),
        ("https://evil.example, http://localhost", 403),
        ("null", 403),
        ("http://[", 403),
        ("", 403),
    ],
)
def test_an_origin_is_known_with_its_scheme_and_unless_said_otherwise_its_port(origin: str, status: int) -> None:
    checks = RequestChecks(
        hosts=LOOPBACK, origins=("http://localhost:*", "https://app.example.com"), max_body_bytes=1, body_s=1
    )
    assert passes(checks, host="localhost", origin=origin) == status


def test_what_is_no_web_page_sends_no_origin_and_passes() -> None:
    assert passes(RequestChecks(hosts=LOOPBACK, origins=(), max_body_bytes=1, body_s=1), host="localhost") == 200
