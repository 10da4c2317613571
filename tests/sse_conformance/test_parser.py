"""Events are parsed as browsers parse them, wherever the bytes are split."""

import pytest

from sse_conformance.parser import Parser, ServerSentEvent

STREAM = (
    "﻿: hello\nretry: 700\nretry: soon\nevent: endpoint\ndata: /m?s=1\n\n: again\n\n"
    "id: 7\rdata: one\r\ndata:two\r\n\r\nevent: lost\n\nid: 8\nid: \0\ndata\ndata\u2028: x\n\ndata: never ends\n"
)
EVENTS = [
    ServerSentEvent("endpoint", "/m?s=1", ""),
    ServerSentEvent("message", "one\ntwo", "7"),
    ServerSentEvent("message", "", "8"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_those_that_a_browser_dispatches(size: int) -> None:
    stream = STREAM.removeprefix("﻿").encode()
    parser = Parser()

    for at in range(0, len(stream), size):
        parser.feed(stream[at : at + size])

    assert parser.events == EVENTS
    assert (parser.retries_ms, parser.comments) == ([700], 2)


def test_a_line_separator_of_unicode_ends_no_line() -> None:
    parser = Parser()

    parser.feed('data: {"text":"a\u2028b"}\n\n'.encode())

    assert parser.events == [ServerSentEvent("message", '{"text":"a\u2028b"}', "")]
