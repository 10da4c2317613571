"""What comes in over STDIO, line by line: what is served, what is refused, and when."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import jsonrpc_message_adapter

from shared.json_body import MalformedMessageError
from shared.json_lines import JsonLines
from shared.json_rpc import Message, read, refusals
from tests.processes import ROOT
from tests.stdio_lines import LINES, PING, Line, message, pretty

Received = Iterator[Message | MalformedMessageError]


def responses(received: Received) -> list[tuple[Any, int | None]]:
    """Return what is answered, as in the table; a request that is served counts as RESULT."""
    found: list[tuple[Any, int | None]] = []
    for one in received:
        if isinstance(one, MalformedMessageError):
            found.extend((response["id"], response["error"]["code"]) for response in refusals(one))
        elif "id" in one and "method" in one:
            found.append((one["id"], None))
    return found


def read_in_pieces(data: bytes, size: int) -> list[tuple[Any, int | None]]:
    lines = JsonLines()
    found = [one for at in range(0, len(data), size) for one in responses(lines.feed(data[at : at + size]))]
    return [*found, *responses(lines.quiet()), *responses(lines.end())]


def expected(line: Line) -> list[tuple[Any, int | None]]:
    """Return the responses; of what is served, the server judges the method."""
    return [(one, code if code in {-32700, -32600} else None) for one, code in line.responses]


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_every_line_is_served_or_refused_by_its_id(line: Line) -> None:
    for size in (1 if len(line.sent) < 1_000 else 65_536, 2**30):
        assert sorted(read_in_pieces(line.sent + b"\n", size), key=str) == sorted(expected(line), key=str)


@pytest.mark.parametrize("end", [b"", b"\r", b"\n\n\r\n"])
def test_what_is_complete_needs_no_line_end(end: bytes) -> None:
    lines = JsonLines()
    if end.strip(b"\r"):
        assert responses(lines.feed(PING + end)) == [(7, None)]
    else:
        assert responses(lines.feed(PING + end)) == []
        assert lines.is_waiting
        assert responses(lines.quiet()) == [(7, None)]
    assert not lines.is_waiting


def test_a_pause_in_the_middle_of_a_line_costs_nothing() -> None:
    for sent, answer in ((PING, (7, None)), (b"\xef\xbb\xbf " + PING, (7, None)), (b"neither", (None, -32700))):
        for at in range(1, len(sent)):
            lines = JsonLines()
            assert responses(lines.feed(sent[:at])) == []
            assert responses(lines.quiet()) == []
            assert responses(lines.feed(sent[at:] + b"\n")) == [answer]


def test_a_message_that_does_not_go_on_is_refused_once_and_the_next_one_is_served() -> None:
    beginning = pretty(PING).rpartition(b"\n")[0] + b"\n"
    lines = JsonLines()
    assert responses(lines.feed(beginning)) == []
    assert lines.is_waiting
    assert responses(lines.quiet()) == [(7, -32700)]
    assert not lines.is_waiting
    assert responses(lines.feed(message(8) + b"\n")) == [(8, None)]


def test_messages_that_are_spread_over_lines_follow_each_other() -> None:
    sent = pretty(PING) + b"\n" + message(8) + b"\n" + pretty(message(9, params={"a": [{}, []]})) + b"\n"

    assert read_in_pieces(sent, 7) == [(7, None), (8, None), (9, None)]


def test_however_long_the_input_is_what_is_kept_of_it_is_short() -> None:
    lines = JsonLines()
    for _ in range(20):
        assert responses(lines.feed(b'{"x":[' + b"1," * 500_000)) == []
        assert responses(lines.feed(b'\n{"x":[' + b"1," * 500_000)) == []
    assert len(lines._line) + len(lines._text) < 9 * 1024 * 1024
    assert responses(lines.end()) == [(None, -32600)]


WITHOUT_PACKAGES: Final = """
import json, sys
from shared import json_body
from shared.json_lines import JsonLines
from shared.json_rpc import refusals
assert json_body.from_json is None
lines = JsonLines()
for one in [*lines.feed(sys.stdin.buffer.read()), *lines.end()]:
    if isinstance(one, json_body.MalformedMessageError):
        for response in refusals(one):
            print(json.dumps([response["id"], response["error"]["code"]]))
    elif "id" in one and "method" in one:
        print(json.dumps([one["id"], None]))
"""


def test_without_any_package_it_reads_the_same() -> None:
    """Compare with -S, without site-packages: so the first start reads while packages are still being installed."""
    sent = b"\n".join(line.sent for line in LINES.values()) + b"\n"
    done = subprocess.run(
        [sys.executable, "-S", "-c", WITHOUT_PACKAGES], cwd=ROOT, input=sent, capture_output=True, check=True
    )

    assert [tuple(json.loads(line)) for line in done.stdout.splitlines()] == read_in_pieces(sent, 65_536)


SMALL: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["code", "message", "data"]), inner),
    max_leaves=4,
)
PARTS: Final = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | SMALL, "id": SMALL, "method": st.just("ping") | SMALL, "params": SMALL,
        "result": SMALL, "error": SMALL | st.just({"code": 1, "message": "x"}),
    },
)  # fmt: skip


@given(PARTS)
def test_what_is_accepted_is_a_message_to_the_sdk(value: dict[str, Any]) -> None:
    (one,), _ = read(json.dumps(value).encode())
    if isinstance(one, dict):
        jsonrpc_message_adapter.validate_python(one)
