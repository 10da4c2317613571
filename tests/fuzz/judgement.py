"""Which responses may come back, and to which client. Anything else is a fault, which `check` raises as a sentence."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from tests.fuzz.raw_http import Exchange
from tests.transport.sse_client import Parsed
from transport.http.sse_format import EventId

_MARK: Final = re.compile(r"mark-\d+-\d+\.")
_OF_THE_REVISION: Final = {-32601: 404, -32602: 400, -32600: 400, -32020: 400, -32021: 400, -32022: 400}
"""Codes that 2026-07-28 gives an HTTP status to: these errors need no `kind`."""


@dataclass(eq=False)
class Session:
    """A session that the server gave to a client."""

    id: str
    wire: str
    person: int
    version: str
    requests: list[Any] = field(default_factory=list)
    calls: dict[str, list[str]] = field(default_factory=dict)
    """The marks of the calls under each request id, as they were accepted, by the id as JSON."""
    has_failed: bool = False
    """Its initialize was answered with an error: no client may keep it."""
    is_over: bool = False
    """As far as the test knows: it may be over without this."""
    is_disturbed: bool = False
    """It ended, was initialized again or may have lost events: its streams need not be complete any more."""


@dataclass(eq=False)
class Mark:
    """The text of one call: which clients may see it, and how often it may have run."""

    text: str
    places: set[tuple[int, object]] = field(default_factory=set)
    """Person and session, or person and exchange for a call of no session."""
    is_reply: bool = False
    """It belongs to no call, but to the client's response to a server request."""
    may_run: int = 0


@dataclass(eq=False)
class Line:
    """One exchange, and what it is for."""

    person: int
    wire: str
    context: Exchange
    session: Session | None = None
    asks: dict[str, Any] = field(default_factory=dict)
    """The requests that were posted with it, by their ids as JSON."""
    marks: dict[str, str] = field(default_factory=dict)
    """The marks of these requests."""
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
    calls: dict[str, int] = field(default_factory=dict)
    """How many calls its session had had under each request id when this began."""


class Judge:
    """Knows everything that was given to any client.

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

    def heard(self, context: Exchange, event: Parsed) -> None:
        """Take in one event of a stream."""
        name, event_id, data = event
        line = self.lines[context]
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
            self._expect((line.person, line.session or line.context) in self.marks[mark].places,
                         f"{mark} was for another client: {text[:300]}")  # fmt: skip
        if "method" in message:
            self.kinds["message"] += 1
            if "id" in message:
                self._question(line, message["id"])
            return
        self._respond(line, json.dumps(message.get("id")), message, text)

    def refusal(self, line: Line, *, may_be_full: bool, may_be_busy: bool) -> None:
        """Hold a refusal against what is promised of refusals."""
        status, body = line.context.status, line.context.body
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
        if line.asks and is_judged and not line.context.is_left:
            missing = set(line.asks) - line.responded
            self._expect(not missing, f"the stream of {line.asks} ended without answers to {missing}")

    def replaces(self, line: Line) -> None:
        """Note that a stream which its session has once was opened again."""
        for earlier in self.lines.values():
            if earlier is not line and earlier.session is line.session and earlier.wire == line.wire:
                earlier.is_replaced = earlier.is_replaced or (
                    earlier.context.status == 200 and (line.wire == "sse" or earlier.is_standalone)
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
        self._expect(known.person == line.person, "the session of another client was handed out")
        line.session, line.stream = known, ""
        line.calls = {request: len(marks) for request, marks in known.calls.items()}
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
        for mark in set(_MARK.findall(text)):
            if line.wire == "sse" and line.session is not None:
                self._is_newest(line, line.session, request, mark)
            elif line.wire == "mcp":
                self._is_of_its_post(line, request, mark)

    def _is_newest(self, line: Line, session: Session, request: str, mark: str) -> None:
        """Hold a response on the one stream of a session against the calls that had its id when that stream began."""
        calls, before = session.calls.get(request, []), line.calls.get(request, 0)
        self._expect(
            mark not in calls[: before - 1] or mark in calls[before - 1 :], f"the response of {mark} came again"
        )

    def _is_of_its_post(self, line: Line, request: str, mark: str) -> None:
        """Hold a response on the stream of a POST against that POST: others may run with the same id."""
        posts = (
            [line] if line.asks else [one for one in self.lines.values() if one.asks and self._has_stream(one, line)]
        )
        expected = {post.marks.get(request) for post in posts}
        self._expect(not expected or mark in expected, f"the response of {mark} on the stream of {expected}")

    @staticmethod
    def _has_stream(post: Line, line: Line) -> bool:
        return line.stream is not None and (post.session, post.stream) == (line.session, line.stream)
