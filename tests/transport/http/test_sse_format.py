"""Bytes of server-sent events, checked exactly and by a parser that follows WHATWG HTML, section 9.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transport.sse_client import parse_events
from transport.http import sse_format
from transport.http.sse_format import EventId


def test_an_event_ends_with_an_empty_line() -> None:
    assert sse_format.event(b'{"a":1}') == b'event: message\ndata: {"a":1}\n\n'


def test_an_event_carries_its_id() -> None:
    said = sse_format.event(b"x", name="endpoint", event_id=str(EventId("s", 7)))
    assert said == b"event: endpoint\nid: s::7\ndata: x\n\n"


def test_a_heartbeat_is_a_comment_that_no_client_sees() -> None:
    assert parse_events(sse_format.HEARTBEAT + sse_format.event(b"x") + sse_format.HEARTBEAT) == [
        ("message", None, b"x")
    ]


def test_retry_is_in_milliseconds() -> None:
    assert sse_format.retry(1500) == b"retry: 1500\n\n"


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b"])
def test_a_name_or_id_that_would_break_out_of_its_line_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        sse_format.event(b"x", name=bad)
    with pytest.raises(ValueError, match="one line"):
        sse_format.event(b"x", event_id=str(EventId(bad, 1)))


@given(st.binary())
def test_any_data_arrives_whole_with_its_line_breaks_normalised(data: bytes) -> None:
    expected = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert parse_events(sse_format.event(data)) == [("message", None, expected)]


@given(st.lists(st.binary(), max_size=5))
def test_events_in_a_row_do_not_merge(several: list[bytes]) -> None:
    stream = b"".join(sse_format.event(one, event_id=str(EventId("s", n))) for n, one in enumerate(several))
    assert [event_id for _, event_id, _ in parse_events(stream)] == [f"s::{n}" for n in range(len(several))]
