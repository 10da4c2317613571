"""The short way of an envelope accepts nothing that the SDK's own ladder refuses."""

from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st
from mcp.shared.inbound import encode_header_value

from shared.json_rpc import JSONRPCRequest
from tests.kills import kills
from tests.transport.http_client import ENVELOPE, MODERN
from transport.dispatch.envelope import RawHeaders, agrees, routing_problem, stripped

VERSION: Final = "io.modelcontextprotocol/protocolVersion"
CODED: Final = "=?base64?ZWNobw==?="
"""A name that reads as the encoding of another."""
NAMES: Final = ("echo", "e cho", " echo", "echo ", "", "ü", "\ud800", CODED, "=?", "a\tb", "x\n")
METHODS: Final = (
    "tools/call",
    "resources/read",
    "prompts/get",
    "tools/list",
    "no/such",
    "tools/call ",
    "m\xe9t",
    "\ud800",
)
VERSIONS: Final = (MODERN, MODERN, MODERN, MODERN, "2025-11-25", "2027-01-01", "", 5, None)
ENVELOPES: Final[tuple[Any, ...]] = (ENVELOPE, ENVELOPE, ENVELOPE, {VERSION: MODERN}, {}, [], None)
REPEATED: Final = ("mcp-protocol-version", "mcp-method", "mcp-name")
OTHERS: Final = ((b"mcp-session-id", b"x"), (b"mcp-param-region", b"eu"), (b"mcp-name", b"echo"), (b"mcp-method", b""))


def literal(value: object) -> bytes:
    return str(value).encode("utf-8", "replace")


def spellings(value: str) -> st.SearchStrategy[bytes]:
    """Return ways in which a header could repeat a value, most of them wrong."""
    ways = [b"", b"?", b"echo", f" {value}\t".encode("utf-8", "replace"), literal(value).upper()]
    if "\ud800" not in value:
        ways.append(encode_header_value(value).encode())
    return st.sampled_from(ways)


@st.composite
def requests(draw: st.DrawFn) -> tuple[JSONRPCRequest, RawHeaders]:
    """Draw a request whose headers repeat it letter by letter, but for one place at most."""
    method, name, version = (
        draw(st.sampled_from(METHODS)),
        draw(st.sampled_from(NAMES)),
        draw(st.sampled_from(VERSIONS)),
    )
    envelope: Any = draw(st.sampled_from(ENVELOPES))
    meta = envelope | {VERSION: version} if envelope and VERSION in envelope else envelope
    named: dict[str, Any] = draw(st.sampled_from([{"name": name, "uri": name}, {"name": name}, {}, {"name": 5}]))
    said = {one: literal(value) for one, value in zip(REPEATED, (version, method, name), strict=True)}
    changed = draw(st.sampled_from([None, *REPEATED]))
    if changed is not None:
        said[changed] = draw(spellings(str({"mcp-method": method, "mcp-name": name}.get(changed, version))))
    headers = [(one.encode(), value) for one, value in said.items() if draw(st.integers(0, 9))]
    headers += draw(st.lists(st.sampled_from(OTHERS), max_size=1)) if draw(st.booleans()) else []
    request = JSONRPCRequest(id=1, method=method, params={"_meta": meta, **named})
    return request, headers


def plain(method: str, **params: Any) -> JSONRPCRequest:
    return JSONRPCRequest(id=1, method=method, params={"_meta": ENVELOPE, **params})


def repeating(method: str, name: str | None = None) -> RawHeaders:
    """Return the headers of such a request, letter by letter."""
    said = {"mcp-protocol-version": MODERN, "host": "x", "mcp-method": method} | ({"mcp-name": name} if name else {})
    return [(one.encode(), value.encode()) for one, value in said.items()]


@kills("transport/dispatch/envelope.py", "(?!=", "(?!!")
@settings(max_examples=600)
@example((plain("tools/call", name=CODED), repeating("tools/call", CODED)))
@given(requests())
def test_what_the_short_way_accepts_the_ladder_accepts_too(sent: tuple[JSONRPCRequest, RawHeaders]) -> None:
    request, headers = sent
    if agrees(request, headers):
        assert routing_problem(request, stripped(headers)) is None


def test_a_plain_request_takes_the_short_way() -> None:
    for request, headers in (
        (plain("tools/call", name="get_ticket"), repeating("tools/call", "get_ticket")),
        (plain("resources/read", uri="test://x"), repeating("resources/read", "test://x")),
        (plain("tools/list"), repeating("tools/list")),
    ):
        assert agrees(request, headers)
        assert not agrees(request, [*headers, (b"mcp-method", b"tools/call")])
