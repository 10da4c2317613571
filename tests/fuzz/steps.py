"""The steps that hypothesis combines into sequences: valid and odd requests of two principals. Plain data.

No step depends on earlier responses. Where it needs something from them (a session, an event id, a server request), it
has a number, taken modulo however many exist by then.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from hypothesis import strategies as st

Wire = Literal["sse", "mcp"]

REVISIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN: Final = "2026-07-28"

MESSAGES: Final = (
    *(
        "echo",
        "echo",
        "echo",
        "read",
        "read",
        "write",
        "stubborn",
        "ask",
        "ask",
        "report",
        "report",
        "whoami",
        "fill",
        "ask",
    ),
    *("discover", "listen", "tools", "prompts", "ping", "level", "complete", "resource", "unknown tool", "nonsense"),
    *(
        "no method",
        "initialize",
        "initialized",
        "cancel",
        "cancel",
        "progress",
        "roots",
        "answer",
        "answer",
        "answer",
        "refuse",
    ),
    "forged answer",
)
BROKEN: Final = (
    b"", b"{", b"null", b"[]", b"5", b'"text"', b"[1]", b"[[]]", b"{}", b'{"jsonrpc":"2.0"}', b"\xff\xfe", b"\x00",
    b'{"jsonrpc":"2.0","id":null,"method":"ping"}', b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":true,"method":"ping"}', b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    b'{"jsonrpc":"1.0","id":1,"method":"ping"}', b'{"jsonrpc":"2.0","id":1,"method":5}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', b'{"jsonrpc":"2.0","id":1,"method":"ping","params":5}',
    b'{"jsonrpc":"2.0","id":1}', b'{"jsonrpc":"2.0","id":1,"result":5}', b'{"jsonrpc":"2.0","id":1,"error":{}}',
    b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}',
    b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"unreadable"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":NaN}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"\\ud800"}}}',
    b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', b'{"jsonrpc":"2.0","id":"","method":""}',
    b'{"jsonrpc":"2.0","id":"a b\\n\\u0000c","method":"ping"}', b'{"jsonrpc":"2.0","id":-0,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":%d,"method":"ping"}' % 2**63, b'{"jsonrpc":"2.0","id":%d,"method":"ping"}' % 10**1000,
    b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[]}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"\\ud800"}}',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":{},"progress":"x"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":[],"arguments":5,"_meta":7}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"progressToken":{}}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":5}}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}",
    b"[" * 5000, b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"' + b"x" * 30_000 + b'"}}',
    b"[" + b'{"jsonrpc":"2.0","method":"ping"},' * 150 + b'{"jsonrpc":"2.0","method":"ping"}]',
    b'[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":1,"method":"ping"}]',
)  # fmt: skip


@dataclass(frozen=True)
class Odd:
    """What is wrong with a request. A value of None omits a header."""

    headers: dict[str, str | None] = field(default_factory=dict)
    repeated: dict[str, str] = field(default_factory=dict)
    """Headers that are sent a second time."""
    method: str | None = None
    body: bytes | None = None
    is_half: bool = False
    """The client disconnects in the middle of its body."""


DECENT: Final = Odd()


@dataclass(frozen=True)
class Message:
    """One message; `nth` selects the server request to respond to, the call to cancel, and the like."""

    kind: str
    nth: int = 0
    reused_id: int | None = None
    """The id of an earlier request, instead of a new one."""


@dataclass(frozen=True)
class Who:
    """Which principal (0 or 1) sends it, to which instance."""

    person: int
    at: int


@dataclass(frozen=True)
class Open:
    """Begin a session. With `again` an SSE client indicates that it is reconnecting."""

    who: Who
    wire: Wire
    version: str = "2025-11-25"
    again: bool = False
    odd: Odd = DECENT


@dataclass(frozen=True)
class Post:
    """Send messages to a session, several as a batch; `is_foreign`: to a session of the other principal."""

    who: Who
    wire: Wire
    messages: tuple[Message, ...]
    session: int = 0
    is_foreign: bool = False
    is_misled: bool = False
    """Sent over another transport than that of its session."""
    is_batch: bool = False
    odd: Odd = DECENT


@dataclass(frozen=True)
class PostModern:
    """Send one message of 2026-07-28, with headers that match its body."""

    who: Who
    message: Message
    odd: Odd = DECENT


@dataclass(frozen=True)
class Repeat:
    """Send an earlier POST again unchanged, possibly as the other principal."""

    who: Who
    nth: int
    is_foreign: bool = False


@dataclass(frozen=True)
class Get:
    """Open a stream of a session, at an event id or without one; `is_foreign`: of the other principal."""

    who: Who
    wire: Wire
    session: int = 0
    event: int | None = None
    is_foreign: bool = False
    text: str | None = None
    """Sent instead of an event id."""
    again: bool = False
    """Over HTTP+SSE: it sends its protocol revision, as only reconnecting clients do."""
    odd: Odd = DECENT


@dataclass(frozen=True)
class Delete:
    """End a session over Streamable HTTP."""

    who: Who
    session: int = 0
    is_foreign: bool = False


@dataclass(frozen=True)
class Cut:
    """Disconnect from a stream that has not ended."""

    nth: int


@dataclass(frozen=True)
class OpenGates:
    """Let all tools that wait at gates continue."""


@dataclass(frozen=True)
class TimePasses:
    """Advance the clock by that many seconds, if the test controls it."""

    seconds: int


Step = Open | Post | PostModern | Repeat | Get | Delete | Cut | OpenGates | TimePasses

_nth = st.integers(0, 30)
_who = st.builds(Who, st.sampled_from([0, 0, 1]), st.integers(0, 1))
_wire: st.SearchStrategy[Wire] = st.sampled_from(["sse", "mcp"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_value = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=12)


def _encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def _values(*said: str | None) -> st.SearchStrategy[str | None]:
    return st.sampled_from(said) | _value


_HEADERS: Final[dict[str, st.SearchStrategy[str | None]]] = {
    "Accept": _values(None, "*/*", "application/json", "text/event-stream", "text/*", "", "image/png;q=0.5"),
    "Content-Type": _values(None, "text/plain", "application/json; charset=utf-8", "APPLICATION/JSON ; x", ""),
    "Host": _values("evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]", "", "127.0.0.1:"),
    "Origin": _values("http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1", "http://[", ""),
    "MCP-Protocol-Version": _values(None, *REVISIONS, MODERN, "2027-01-01", "1.0", "", " 2025-11-25 "),
    "Mcp-Method": _values(None, "ping", "tools/call", "=?base64?cGluZw==?="),
    "Mcp-Name": _values(None, "echo", "=?base64?!?=", "=?base64?/w==?="),
    "Mcp-Session-Id": _values(None, "x" * 43, "x" * 42, "../../etc", ""),
    "Last-Event-ID": _values("", "1", f"{'x' * 43}::1", ":::"),
    "x-api-key": _values(None, "wrong", "", "key-"),
    "Authorization": _values("Bearer key-me", "Basic x"),
}
_odd = st.builds(
    Odd,
    headers=st.sampled_from(sorted(_HEADERS)).flatmap(lambda name: st.fixed_dictionaries({name: _HEADERS[name]})),
    repeated=st.just({}) | st.sampled_from(["MCP-Protocol-Version", "Mcp-Session-Id", "Accept", "Mcp-Name"]).flatmap(
        lambda name: st.fixed_dictionaries({name: _value})
    ),
    method=st.sampled_from([None, None, None, None, "PUT", "OPTIONS", "GET", "DELETE", "POST"]),
)  # fmt: skip
_odd_body = st.builds(
    Odd,
    body=st.sampled_from(BROKEN) | st.binary(max_size=20) | _json.map(_encoded),
    is_half=st.sampled_from([False, False, False, True]),
)
_mostly_decent = st.sampled_from([0] * 6 + [1]).flatmap(lambda odd: _odd if odd else st.just(DECENT))
_mostly_decent_post = st.sampled_from([0] * 8 + [1, 2]).flatmap(lambda odd: (st.just(DECENT), _odd, _odd_body)[odd])
_message = st.builds(
    Message,
    st.sampled_from(MESSAGES),
    _nth,
    st.sampled_from([0] * 6 + [1]).flatmap(lambda one: _nth if one else st.none()),
)
_messages = st.lists(_message, min_size=2, max_size=4).map(tuple)
_event_text = st.sampled_from([None] * 6 + ["::1", "", "\xff"])
_rarely = st.sampled_from([False] * 7 + [True])
_sometimes = st.sampled_from([False, False, True])

_ME, _YOU = Who(0, 0), Who(1, 1)
openings: st.SearchStrategy[list[Step]] = st.tuples(*(
    one
    for who in (_ME, _YOU)
    for one in (
        st.builds(Open, st.just(who), st.just("mcp"), st.sampled_from(REVISIONS)),
        st.just(Open(who, "sse")),
        st.just(Post(who, "sse", (Message("initialize"),))),
    )
)).map(list)  # fmt: skip
"""Opens sessions for the steps that follow."""
_STEPS: Final[tuple[tuple[int, st.SearchStrategy[Any]], ...]] = (
    (8, st.builds(Post, _who, _wire, st.tuples(_message), _nth, _rarely, _rarely, _rarely, _mostly_decent_post)),
    (1, st.builds(Post, _who, _wire, _messages, _nth, _rarely, _rarely, st.just(True))),
    (4, st.builds(PostModern, _who, _message, _mostly_decent_post)),
    (1, st.builds(Repeat, _who, _nth, _rarely)),
    (4, st.builds(Get, _who, _wire, _nth, st.none() | _nth, _sometimes, _event_text, _sometimes, _mostly_decent)),
    (1, st.builds(Delete, _who, _nth, _rarely)),
    (2, st.builds(Open, _who, _wire, st.sampled_from([*REVISIONS, *REVISIONS, "1999-01-01"]), _rarely, _mostly_decent)),
    (3, st.builds(Cut, _nth)),
    (2, st.just(OpenGates())),
    (1, st.builds(TimePasses, st.sampled_from([1, 70, 70, 400, 400, 2000]))),
)  # fmt: skip
step: st.SearchStrategy[Step] = st.sampled_from(
    [number for number, (weight, _) in enumerate(_STEPS) for _ in range(weight)]
).flatmap(lambda number: _STEPS[number][1])
