"""What may come back, and to whom. Raises AssertionError with a sentence as soon as something else does."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from tests.fuzz.raw_http import Exchange
from tests.transport.sse_client import Parsed
from transport.sessions.session import EventId

_MARK: Final = re.compile(r"mark-\d+-\d+\.")
_OF_THE_REVISION: Final = {-32601: 404, -32602: 400, -32600: 400, -32020: 400, -32021: 400, -32022: 400}
"""Codes that 2026-07-28 gives an HTTP status to: these errors need no `kind`."""


@dataclass(eq=False)
class Session:
    """A session that the server gave to somebody."""

    id: str
    wire: str
    person: int
    version: str
    requests: list[Any] = field(default_factory=list)
    current: dict[str, str] = field(default_factory=dict)
    """The mark of the latest call under each request id, by the id as JSON."""
    epochs: int = 0
    has_failed: bool = False
    """Its initialize was answered with an error: nobody may be left with it."""
    is_over: bool = False
    """As far as was seen: it may be over without that."""
    is_disturbed: bool = False
    """It ended, began anew or may have lost something: what its streams owe cannot be said any more."""


@dataclass(eq=False)
class Mark:
    """The text of one call: who may see it, and how often it may have run."""

    text: str
    places: set[tuple[int, object]] = field(default_factory=set)
    """Person and session, or person and exchange for a call of no session."""
    is_reply: bool = False
    """It is no call's but what a question was answered with."""
    epoch: int = 0
    """Of its session, when it was sent first."""
    may_run: int = 0


@dataclass(eq=False)
class Line:
    """One exchange, and what it is for."""

    person: int
    wire: str
    exchange: Exchange
    session: Session | None = None
    asks: dict[str, Any] = field(default_factory=dict)
    """The requests that were posted with it, by their ids as JSON."""
    opens: bool = False
    """It began its session."""
    is_standalone: bool = False
    """A stream of Streamable HTTP on which nothing is answered."""
    is_stateless: bool = False
    is_odd: bool = False
    """Something of the request was not as it should be: what it was taken for is the server's choice."""
    is_replaced: bool = False
    """Another one was opened for the same stream."""
    resumes: EventId | None = None
    stream: str | None = None
    last: int = -1
    responded: set[str] = field(default_factory=set)
    current: dict[str, str] = field(default_factory=dict)
    """Of its session, when this began."""


class Judge:
    """Knows everything that was given to anybody.

    Args:
        number: of the sequence, since a server may have seen others before.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self.sessions: list[Session] = []
        self.events: list[tuple[Session, str]] = []
        self.questions: list[tuple[Session | None, Any]] = []
        self.marks: dict[str, Mark] = {}
        self.lines: dict[Exchange, Line] = {}
        self.faults: list[str] = []
        self.kinds: Counter[str] = Counter()
        """How often each kind of answer was seen: a run that saw only refusals proved nothing."""

    def new_mark(self, *, is_reply: bool = False) -> Mark:
        """Return a text that nothing else has."""
        mark = Mark(f"mark-{self._number}-{len(self.marks)}.", is_reply=is_reply)
        self.marks[mark.text] = mark
        return mark

    def heard(self, exchange: Exchange, event: Parsed) -> None:
        """Take in one event of a stream."""
        name, event_id, data = event
        line = self.lines[exchange]
        if name == "endpoint":
            self._endpoint(line, data.decode())
        if event_id is not None:
            self._position(line, event_id)
        if name == "message" and data:
            self.message(line, json.loads(data))

    def message(self, line: Line, message: Any) -> None:
        """Take in one message, from a stream or as a whole body."""
        text = json.dumps(message)
        for mark in _MARK.findall(text):
            self._expect((line.person, line.session or line.exchange) in self.marks[mark].places,
                         f"{mark} was for somebody else: {text[:300]}")  # fmt: skip
        if "method" in message:
            self.kinds["told"] += 1
            if "id" in message:
                self._question(line, message["id"])
            return
        self._respond(line, json.dumps(message.get("id")), message, text)

    def refusal(self, line: Line, *, may_be_full: bool, may_be_busy: bool) -> None:
        """Hold a refusal against what is promised of refusals."""
        status, body = line.exchange.status, line.exchange.body
        try:
            error = json.loads(body)["error"]
        except (ValueError, KeyError, TypeError):
            self._expect(False, f"a refusal ({status}) without an error: {body[:300]!r}")
            return
        data = error.get("data")
        kind = data.get("kind") if isinstance(data, dict) else None
        explained = status == 503 and (
            (kind == "too_many_sessions" and may_be_full) or (kind == "busy" and may_be_busy)
        )
        self._expect(status < 500 or explained, f"{status} with {error}")
        may_be_stateless = line.is_stateless or (line.is_odd and line.wire == "mcp")
        is_of_the_revision = may_be_stateless and _OF_THE_REVISION.get(error["code"]) == status
        self._expect(isinstance(kind, str) or is_of_the_revision, f"a refusal ({status}) without a kind: {error}")
        self.kinds[f"{status} {kind or error['code']}"] += 1

    def must_be_complete(self, line: Line) -> None:
        """Hold a stream that the server ended against what was posted with it."""
        is_judged = line.session is None or not line.session.is_disturbed
        if line.asks and is_judged and not line.exchange.is_left:
            missing = set(line.asks) - line.responded
            self._expect(not missing, f"the stream of {line.asks} ended without answers to {missing}")

    def replaces(self, line: Line) -> None:
        """Note that a stream which its session has once was opened again."""
        for earlier in self.lines.values():
            if earlier is not line and earlier.session is line.session and earlier.wire == line.wire:
                earlier.is_replaced = earlier.is_replaced or (
                    earlier.exchange.status == 200 and (line.wire == "sse" or earlier.is_standalone)
                )

    def check(self) -> None:
        """Raise what was found until now."""
        assert not self.faults, "\n".join(self.faults)

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.faults.append(otherwise)

    def _endpoint(self, line: Line, endpoint: str) -> None:
        self._expect(line.stream is None, "two endpoints on one stream")
        session_id = endpoint.partition("session_id=")[2]
        known = next((one for one in self.sessions if one.id == session_id), None)
        if known is None:
            known = Session(session_id, "sse", line.person, "")
            self.sessions.append(known)
        self._expect(known.person == line.person, "somebody else's session was handed out")
        line.session, line.stream, line.current = known, "", dict(known.current)
        if line.resumes is not None and line.resumes.session == session_id:
            line.last = line.resumes.number
        self.replaces(line)

    def _position(self, line: Line, event_id: str) -> None:
        seen = EventId.parse(event_id)
        if seen is None or line.session is None:
            self._expect(False, f"an event id that names no session, or on a stream without one: {event_id}")
            return
        if line.stream is None:
            line.stream = seen.stream
        self._expect(
            (seen.session, seen.stream) == (line.session.id, line.stream), f"an event of elsewhere: {event_id}"
        )
        self._expect(seen.number > line.last, f"event {seen.number} after {line.last}")
        line.last = seen.number
        self.events.append((line.session, event_id))

    def _question(self, line: Line, question: Any) -> None:
        earlier = [session for session, one in self.questions if one == question and session is not None]
        self._expect(not line.is_stateless, "a question to a client of 2026-07-28")
        self._expect(all(one is line.session for one in earlier), f"the question {question} went to two sessions")
        self.questions.append((line.session, question))

    def _respond(self, line: Line, request: str, message: Any, text: str) -> None:
        self.kinds["result" if "result" in message else f"error {message['error']['code']}"] += 1
        if line.wire == "mcp":
            self._expect(not line.is_standalone, f"an answer on the standalone stream: {text[:300]}")
            self._expect(not line.asks or request in line.asks, f"an answer to what was not asked here: {text[:300]}")
        if "error" in message and line.session is not None:
            line.session.has_failed = line.session.has_failed or line.opens
        line.responded.add(request)
        mark = line.current.get(request)
        found = _MARK.findall(text)
        self._expect(
            mark is None or not found or mark in found, f"the answer of an earlier call: {text[:300]}, not {mark}"
        )
