"""What a full log gives up, and in which order."""

import json
from typing import Any

from tests.kills import kills
from transport.sessions.event_log import EventLog, Kind


def a_log(**bounds: int) -> EventLog:
    return EventLog(**{"max_events": 4, "max_bytes": 1000, "max_lost": 100} | bounds)


def texts(log: EventLog, after: int = 0) -> list[bytes]:
    return [event.text() for event in log.newer_than(after)]


def kind_of(text: bytes) -> Any:
    return json.loads(text)["error"]["data"]["kind"]


def test_events_are_numbered_from_one_and_read_in_order() -> None:
    log = a_log()
    assert [log.append(Kind.NOTIFICATION, text, 0).number for text in (b"a", b"b", b"c")] == [1, 2, 3]
    assert texts(log) == [b"a", b"b", b"c"]
    assert texts(log, after=2) == [b"c"]
    assert texts(log, after=3) == []


def test_delivered_events_go_first() -> None:
    log = a_log()
    log.append(Kind.RESPONSE, b"seen", 0, request=1)
    log.delivered(log.newer_than(0)[:1], 0.0)
    for text in (b"n1", b"n2", b"n3", b"n4"):
        log.append(Kind.NOTIFICATION, text, 0)
    assert texts(log) == [b"n1", b"n2", b"n3", b"n4"]


def test_then_notifications_then_requests_and_answers_last() -> None:
    log = a_log(max_events=3)
    log.append(Kind.RESPONSE, b"answer", 0, request=1)
    log.append(Kind.REQUEST, b"request", 0)
    log.append(Kind.NOTIFICATION, b"note", 0)
    log.append(Kind.RESPONSE, b"answer 2", 0, request=2)
    assert texts(log) == [b"answer", b"request", b"answer 2"]
    log.append(Kind.RESPONSE, b"answer 3", 0, request=3)
    assert texts(log) == [b"answer", b"answer 2", b"answer 3"]


@kills(
    "transport/sessions/event_log.py", "if event.kind is not Kind.RESPONSE or event.written_at is not None:", "if True:"
)
def test_an_answer_that_is_given_up_leaves_a_word_in_its_place() -> None:
    log = a_log(max_events=1)
    log.append(Kind.RESPONSE, b"first", 0, request="x", writes=True)
    log.append(Kind.RESPONSE, b"second", 0, request=2)
    lost, kept = texts(log)
    assert kept == b"second"
    assert json.loads(lost)["id"] == "x"
    assert kind_of(lost) == "result_lost"
    assert "carried out" in json.loads(lost)["error"]["message"]


def test_bytes_are_bounded_as_well() -> None:
    log = a_log(max_events=1000, max_bytes=1000)
    for number in range(100):
        log.append(Kind.NOTIFICATION, b"x" * 90, number)
    assert log.bytes <= 1000
    assert len(log.newer_than(0)) == 11


def test_lost_answers_are_bounded() -> None:
    log = a_log(max_events=2, max_bytes=100_000, max_lost=5)
    for number in range(50):
        log.append(Kind.RESPONSE, b"x", 0, request=number)
    assert len(log.newer_than(0)) == 7
    assert log.bytes == 2 + 5 * 100


def test_an_emptied_log_counts_no_bytes() -> None:
    log = a_log()
    log.append(Kind.RESPONSE, b"12345", 0, request=1)
    log.append(Kind.NOTIFICATION, b"12345", 0)
    log.delivered(log.newer_than(0), 0.0)
    log.expire(before=1)
    assert log.bytes == 0
    assert texts(log) == []


def test_what_is_old_and_undelivered_loses_its_content_but_not_its_id() -> None:
    log = a_log()
    log.append(Kind.RESPONSE, b"old", 0, request=1)
    log.append(Kind.NOTIFICATION, b"old note", 0)
    log.append(Kind.RESPONSE, b"new", 10, request=2)
    log.expire(before=5)
    lost, kept = texts(log)
    assert kind_of(lost) == "result_lost"
    assert kept == b"new"


def test_a_client_that_comes_again_gets_exactly_what_is_newer() -> None:
    log = a_log()
    for number in (1, 2, 3):
        log.append(Kind.RESPONSE, f"answer {number}".encode(), 0, request=number)
    log.delivered(log.newer_than(0), 0.0)
    log.rewind(1, [(1, 1, False), (2, 2, False), (3, 3, False)], 0)
    assert texts(log, after=1) == [b"answer 2", b"answer 3"]


def test_a_delivered_answer_that_was_forgotten_is_named_when_its_client_never_saw_it() -> None:
    log = a_log(max_events=1)
    log.append(Kind.RESPONSE, b"written into a dying socket", 0, request=1, writes=True)
    log.delivered(log.newer_than(0)[:1], 0.0)
    log.append(Kind.RESPONSE, b"later", 0, request=2)
    assert texts(log) == [b"later"]
    log.rewind(0, [(1, 1, True), (2, 2, False)], 0)
    lost, later = texts(log)
    assert (kind_of(lost), json.loads(lost)["id"]) == ("result_lost", 1)
    assert later == b"later"


def test_what_was_rewound_is_protected_again() -> None:
    log = a_log(max_events=2)
    log.append(Kind.RESPONSE, b"one", 0, request=1)
    log.append(Kind.NOTIFICATION, b"note", 0)
    log.delivered(log.newer_than(0), 0.0)
    log.rewind(0, [(1, 1, False)], 0)
    log.append(Kind.NOTIFICATION, b"another", 0)
    assert texts(log) == [b"one", b"another"]


def test_a_client_that_does_not_say_what_it_saw_is_owed_what_was_not_written_and_recent_answers() -> None:
    log = a_log(max_events=20)
    for kind, text in (
        (Kind.RESPONSE, b"old"),
        (Kind.RESPONSE, b"recent"),
        (Kind.REQUEST, b"asked"),
        (Kind.NOTIFICATION, b"n"),
    ):
        log.append(kind, text, 0, request=text.decode() if kind is Kind.RESPONSE else None)
    old, *recent = log.newer_than(0)
    log.delivered([old], 10)
    log.delivered(recent, 40)
    log.append(Kind.REQUEST, b"question", 50)
    log.append(Kind.NOTIFICATION, b"note", 50)
    assert [event.text() for event in log.pending(written_since=40)] == [b"recent", b"question", b"note"]


def test_an_answer_that_is_written_again_is_owed_for_as_long_again() -> None:
    log = a_log()
    log.append(Kind.RESPONSE, b"answer", 0, request=1)
    for now in (10, 60):
        log.delivered(log.newer_than(0), now)
    assert [event.text() for event in log.pending(written_since=50)] == [b"answer"]
