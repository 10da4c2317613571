"""Carries out a sequence of steps against a served transport; `judgement` checks every response.

Each call contains a unique text, its mark, which its response and its progress repeat: a mark may only reach the
principal that sent it, on a stream of the session that it was sent to.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

from tests.fuzz import texts
from tests.fuzz.judgement import Judge, Line, Mark, Session
from tests.fuzz.raw_http import Exchange
from tests.fuzz.steps import (
    DECENT,
    REVISIONS,
    Cut,
    Delete,
    Get,
    Message,
    Odd,
    Open,
    OpenGates,
    Post,
    PostModern,
    Repeat,
    Step,
    TimePasses,
    Who,
    Wire,
)
from tests.transport.serving import Bench, until
from transport.http.sse_format import EventId
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits

END_S: Final = 30.0
"""Most seconds until everything that ends by itself has ended."""
_UNKNOWN: Final = "x" * 43


class Clock:
    """Clock of the broker in memory, which a step may advance."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return asyncio.get_running_loop().time() + self.passed


@dataclass(frozen=True)
class _Sent:
    """A POST, kept so that a later step can repeat it."""

    wire: str
    session: Session | None
    headers: tuple[tuple[str, str], ...]
    target: str
    body: bytes
    marks: dict[str, Mark]
    asks: dict[str, Any]
    is_stateless: bool
    person: int


class Surface:
    """Two principals and one or two instances.

    Args:
        instances: where requests go.
        clock: of the broker, if the test controls it.
        number: of the sequence; its principals differ from those that the same server has seen before.
    """

    def __init__(self, instances: Sequence[Bench], number: int, clock: Clock | None = None) -> None:
        self._people = (f"me-{number}", f"you-{number}")
        self.judge = Judge(number)
        self._instances = instances
        self._clock = clock
        self._lines: list[Line] = []
        self._sent: list[_Sent] = []
        self._ids = 0
        self._opened = 0

    async def take(self, step: Step) -> None:
        """Carry out one step. Raises: AssertionError."""
        match step:
            case Open():
                await self._open(step)
            case Post():
                await self._post(step)
            case PostModern():
                await self._post_modern(step)
            case Repeat():
                await self._repeat(step)
            case Get():
                await self._get(step)
            case Delete():
                await self._delete(step)
            case Cut():
                await self._cut(step.nth)
            case OpenGates():
                self._open_gates()
            case TimePasses():
                self._let_pass(step.seconds)
        await self._until("calls continue or wait for the test", self._is_calm)
        self._check()

    # ---- steps

    async def _open(self, step: Open) -> None:
        self._opened += 1
        if step.wire == "sse":
            again = {"MCP-Protocol-Version": step.version} if step.again else {}
            await self._send(step.who, "sse", "GET /sse", {"Accept": "text/event-stream", **again}, odd=step.odd)
            return
        message, _, request = self._request(Message("initialize"), None, step.version)
        line = await self._send(
            step.who, "mcp", "POST /mcp", _POSTS, odd=step.odd, body=_encoded(message), asks={request: message}
        )
        session = line.context.headers.get("mcp-session-id")
        if session is not None:
            line.opens = True
            line.session = Session(
                session, "mcp", step.who.person, step.version if step.version in REVISIONS else REVISIONS[-1]
            )
            self.judge.sessions.append(line.session)

    async def _post(self, step: Post) -> None:
        owner = 1 - step.who.person if step.is_foreign else step.who.person
        wire: Wire = ("mcp" if step.wire == "sse" else "sse") if step.is_misled else step.wire
        session = self._session(wire, owner, step.session)
        received = [self._message(one, session) for one in step.messages]
        asks = {request: message for message, _, request in received if request is not None}
        what = [message for message, _, _ in received]
        marks = {request or f"{mark.text}": mark for _, mark, request in received if mark is not None}
        name = session.id if session is not None else _UNKNOWN
        body = _encoded(what if step.is_batch or len(what) > 1 else what[0])
        if step.wire == "sse":
            target, headers = f"/messages?session_id={name}", {"Content-Type": "application/json"}
        else:
            version = session.version if session is not None else "2025-11-25"
            target, headers = "/mcp", {**_POSTS, "Mcp-Session-Id": name, "MCP-Protocol-Version": version}
        line = await self._send(
            step.who, step.wire, f"POST {target}", headers, odd=step.odd,
            body=body, asks=asks, marks=marks, session=session,
        )  # fmt: skip
        if step.is_foreign or step.is_misled:
            # 400 for a request that is wrong whatever its session, such as two requests with one id.
            assert step.odd is not DECENT or line.context.status in {400, 404}, (
                "a request to a foreign session was accepted"
            )
        elif session is not None and line.context.status in {0, 200, 202}:
            self._taken(session, received)

    async def _post_modern(self, step: PostModern) -> None:
        message, mark, request = self._message(step.message, None)
        if request is not None:
            message = texts.modern(message)
        headers = {**_POSTS, **texts.modern_headers(message)}
        await self._send(
            step.who, "mcp", "POST /mcp", headers, odd=step.odd,
            body=_encoded(message), asks={} if request is None else {request: message},
            marks={} if mark is None else {request or mark.text: mark}, is_stateless=True,
        )  # fmt: skip

    async def _repeat(self, step: Repeat) -> None:
        sent = _nth(self._sent, step.nth)
        if sent is None:
            return
        person = 1 - sent.person if step.is_foreign else sent.person
        who = Who(person, step.who.at)
        if sent.session is not None:
            sent.session.is_disturbed = True  # the stream of the earlier POST may end without a response
        line = await self._send(
            who, sent.wire, f"POST {sent.target}", dict(sent.headers),
            body=sent.body, asks=sent.asks, marks=sent.marks, session=sent.session, is_stateless=sent.is_stateless,
        )  # fmt: skip
        if sent.session is not None and line.context.status in {0, 200, 202}:
            self._accepted(sent.session, sent.marks)

    async def _get(self, step: Get) -> None:
        owner = 1 - step.who.person if step.is_foreign else step.who.person
        seen = _nth(
            [one for one in self.judge.events if (one[0].wire, one[0].person) == (step.wire, owner)], step.event
        )
        session = seen[0] if seen is not None else self._session(step.wire, owner, step.session)
        headers = {"Accept": "text/event-stream"}
        if step.again and step.wire == "sse":
            headers["MCP-Protocol-Version"] = REVISIONS[-1]
        if step.text is not None:
            headers["Last-Event-ID"] = f"{session.id}{step.text}" if session is not None else step.text
        elif seen is not None:
            headers["Last-Event-ID"] = seen[1]
        # A text instead of an event id may be ahead of the last event.
        resumes = EventId.parse(seen[1]) if seen is not None and step.text is None else None
        if step.wire == "sse":
            self._opened += 1  # a client that is not recognised gets a new session
            await self._send(step.who, "sse", "GET /sse", headers, odd=step.odd, resumes=resumes)
            return
        headers |= {"Mcp-Session-Id": session.id if session is not None else _UNKNOWN}
        if session is not None:
            session.is_disturbed = True  # the stream may be taken over from the POST that began it
        is_standalone = "Last-Event-ID" not in headers
        line = await self._send(
            step.who, "mcp", "GET /mcp", headers, odd=step.odd, session=session, is_standalone=is_standalone,
            resumes=resumes,
        )  # fmt: skip
        if step.odd is DECENT and line.context.status == 200:
            assert not step.is_foreign, "a foreign stream was opened"
            if is_standalone:
                self.judge.replaces(line)

    async def _delete(self, step: Delete) -> None:
        owner = 1 - step.who.person if step.is_foreign else step.who.person
        session = self._session("mcp", owner, step.session)
        if session is not None and not step.is_foreign:
            session.is_disturbed = session.is_over = True
        name = session.id if session is not None else _UNKNOWN
        line = await self._send(step.who, "mcp", "DELETE /mcp", {"Mcp-Session-Id": name})
        assert line.context.status in ({404} if step.is_foreign else {204, 404})

    async def _cut(self, nth: int) -> None:
        line = _nth([one for one in self._lines if not (one.context.ended.is_set() or one.context.is_left)], nth)
        if line is not None:
            await line.context.leave()

    def _open_gates(self) -> None:
        for at in self._instances:
            for gate in at.gates.reached:
                at.gates.open[gate].set()

    def _let_pass(self, seconds: int) -> None:
        if self._clock is None:
            return
        for session in self.judge.sessions:
            session.is_disturbed = True
            session.is_over = session.is_over or seconds > Limits().idle_s
        self._clock.passed += seconds
        self._sweep()

    def _sweep(self) -> None:
        for at in self._instances:
            broker = at.transport._broker
            assert isinstance(broker, InMemoryBroker)
            broker.sweep()

    # ---- requests

    def _session(self, wire: str, owner: int, number: int) -> Session | None:
        """Return a session of `owner`, preferably one that is not known to have ended."""
        all_of_them = [one for one in self.judge.sessions if (one.wire, one.person) == (wire, owner)]
        return _nth([one for one in all_of_them if not one.is_over] or all_of_them, number)

    def _message(self, message: Message, session: Session | None) -> tuple[dict[str, Any], Mark | None, str | None]:
        """Return a message, its mark, and its id as JSON when it is a request."""
        if message.kind not in texts.NOTIFICATIONS:
            return self._request(message, session, session.version if session is not None else "2025-11-25")
        if message.kind in {"answer", "refuse", "progress"}:
            question = _nth(self.judge.questions[::-1], message.nth % 4)  # later ones still wait for a response
            mark = self.judge.new_mark(is_reply=True)
            received = texts.notification(message.kind, question[1] if question is not None else "unknown:1", mark.text)
            return received, mark, None
        earlier = _nth(session.requests, message.nth) if session is not None else None
        return texts.notification(message.kind, earlier if earlier is not None else message.nth, ""), None, None

    def _request(self, message: Message, session: Session | None, version: str) -> tuple[dict[str, Any], Mark, str]:
        self._ids += 1
        request_id: Any = self._ids if self._ids % 3 else f"request {self._ids}"
        if message.reused_id is not None and session is not None and session.requests:
            request_id = _nth(session.requests, message.reused_id)
        mark = self.judge.new_mark()
        return texts.request(message.kind, request_id, mark.text, version=version), mark, json.dumps(request_id)

    async def _send(
        self,
        who: Who,
        wire: str,
        what: str,
        headers: dict[str, str],
        *,
        odd: Odd = DECENT,
        body: bytes | None = None,
        asks: dict[str, Any] | None = None,
        marks: Mapping[str, Mark] = MappingProxyType({}),
        session: Session | None = None,
        is_stateless: bool = False,
        is_standalone: bool = False,
        resumes: EventId | None = None,
    ) -> Line:
        """Send one request, possibly odd, and check its response; of a stream, the head."""
        method, target = what.split(" ", 1)
        url = self._instances[who.at % len(self._instances)].url
        given: dict[str, str | None] = {"Host": url[7:], "x-api-key": f"key-{self._people[who.person]}", **headers}
        given |= odd.headers
        pairs = [(name, value) for name, value in given.items() if value is not None] + list(odd.repeated.items())
        context = Exchange(self.judge.heard)
        line = Line(
            who.person, wire, context, session=session, asks=dict(asks or {}), is_standalone=is_standalone,
            is_stateless=is_stateless, resumes=resumes, marks={request: mark.text for request, mark in marks.items()},
        )  # fmt: skip
        if resumes is not None and wire == "mcp":
            line.stream, line.last = resumes.stream, resumes.number
        self.judge.lines[context] = line
        self._lines.append(line)
        if odd is not DECENT:
            # What it asks is not what was meant; it is judged by its status, and by who receives its responses.
            line.asks, line.is_standalone, line.is_odd = {}, False, True
        for mark in marks.values():
            mark.places.add((who.person, session if session is not None and not is_stateless else context))
            mark.places.add((who.person, context))
        if odd.body is not None:
            body = odd.body
        if odd.is_half and body is not None:
            await context.send_half(url, method, target, pairs, body)
            return line
        if marks and odd is DECENT and body is not None:
            asked = dict(asks or {})
            self._sent.append(
                _Sent(wire, session, tuple(headers.items()), target, body, dict(marks), asked, is_stateless, who.person)
            )
        joins = set() if is_stateless else {mark.text for mark in marks.values() if self._runs(mark)}
        await context.send(url, odd.method or method, target, pairs, body)
        if context.status < 400:
            for mark in marks.values():
                mark.may_run += mark.text not in joins
        self._look_at(line)
        return line

    def _look_at(self, line: Line) -> None:
        context = line.context
        if context.status >= 400:
            is_full = self._opened >= 6
            is_busy = sum(one.is_stateless for one in self._lines) > 3
            self.judge.refusal(line, may_be_full=is_full, may_be_busy=is_busy)
        elif context.is_complete and context.headers.get("content-type") == "application/json" and context.body:
            said = context.json()
            for message in said if isinstance(said, list) else [said]:  # a batch is answered by a list
                self.judge.message(line, message)

    def _taken(self, session: Session, received: Sequence[tuple[dict[str, Any], Mark | None, str | None]]) -> None:
        """Record the messages that a session accepted."""
        for message, mark, request in received:
            if message.get("method") == "initialize":
                session.is_disturbed = True
            if request is not None and mark is not None:
                session.requests.append(message["id"])
                self._accepted(session, {request: mark})

    @staticmethod
    def _accepted(session: Session, marks: Mapping[str, Mark]) -> None:
        """Note which calls a session has accepted under which ids."""
        for request, mark in marks.items():
            session.calls.setdefault(request, []).append(mark.text)

    def _runs(self, mark: Mark) -> bool:
        """Whether a call waits at its gate, so that a repeat has to join it."""
        return any(at.gates.open[mark.text]._waiters for at in self._instances)

    # ---- after each step, and at the end

    def _is_calm(self) -> bool:
        """Whether every running call waits for the test: at a gate, or for a client response."""
        running = waiting = 0
        for at in self._instances:
            dispatcher = at.transport._dispatcher
            running += sum(not call.listens for call in dispatcher._running.all())
            waiting += sum(len(gate._waiters) for gate in at.gates.open.values())
            waiting += sum(waiter.session is not None for waiter in dispatcher._back_channel._waiters.values())
        return running <= waiting

    def _check(self) -> None:
        for line in self._lines:
            if line.context.is_complete and line.context.is_stream:
                self.judge.must_be_complete(line)
        self.judge.check()
        for mark in self.judge.marks.values():
            ran = sum(at.gates.ran[mark.text] for at in self._instances)
            assert ran <= mark.may_run, f"{mark.text} ran {ran} times, and was accepted {mark.may_run} times"

    async def end(self) -> None:
        """Let everything finish, close and delete everything, and check that nothing is left."""
        self._open_gates()
        await self._until("calls end", self._is_calm)
        await self._until("streams of POSTs end", lambda: not self._unended())
        self._check()
        await self.leave()
        for session in self.judge.sessions:
            if session.wire == "mcp":
                await self._delete_as_owner(session)
        await self._until(
            "streams are let go", lambda: not any(at.transport.stats()["streams"] for at in self._instances)
        )
        await self._until("no client is being recognised", lambda: not any(map(self._recognised, self._instances)))
        await self._end_the_rest()
        await self._until("nothing is left", lambda: not any(self._left_over(at) for at in self._instances))
        self._check()

    async def _until(self, what: str, holds: Callable[[], object]) -> None:
        try:
            await until(holds, END_S)
        except TimeoutError:
            left = [self._left_over(at) for at in self._instances]
            raise AssertionError(f"not within {END_S:g} s: {what}; {left}; {self._unended()}") from None

    def _unended(self) -> list[dict[str, Any]]:
        """Return the requests of each stream that should have ended and has not."""
        return [line.asks for line in self._lines if self._must_end(line) and not line.context.ended.is_set()]

    async def leave(self) -> None:
        """Cut every stream that is still open."""
        for line in self._lines:
            if line.context.is_stream and not (line.context.ended.is_set() or line.context.is_left):
                await line.context.leave()

    def _must_end(self, line: Line) -> bool:
        """Whether a stream ends by itself, like that of a POST whose calls wait for nothing."""
        methods = {message["method"] for message in line.asks.values()}
        tools = {(message.get("params") or {}).get("name") for message in line.asks.values()}
        waits = "ask" in tools or "subscriptions/listen" in methods
        is_post = bool(line.asks) and line.wire == "mcp" and line.context.is_stream
        return line.is_replaced or (is_post and not waits)

    async def _delete_as_owner(self, session: Session) -> None:
        expected = {404} if session.has_failed else {204, 404}
        session.is_disturbed = True
        line = await self._send(Who(session.person, 1), "mcp", "DELETE /mcp", {"Mcp-Session-Id": session.id})
        assert line.context.status in expected
        again = await self._send(Who(session.person, 0), "mcp", "DELETE /mcp", {"Mcp-Session-Id": session.id})
        assert again.context.status == 404

    async def _end_the_rest(self) -> None:
        """End the sessions of HTTP+SSE, which clients cannot end: by the clock, or directly."""
        if self._clock is not None:
            self._clock.passed += 10_000
            self._sweep()
            return
        for session in self.judge.sessions:
            await self._instances[0].transport._broker.end(session.id)

    @staticmethod
    def _recognised(at: Bench) -> int:
        """Return how many clients are asked which session they had."""
        return sum(waiter.session is None for waiter in at.transport._dispatcher._back_channel._waiters.values())

    @staticmethod
    def _left_over(at: Bench) -> dict[str, int]:
        """Return what an instance still holds, without what it does not hold any more."""
        dispatcher = at.transport._dispatcher
        held = {
            **at.transport.stats(),
            "running": len(dispatcher._running.all()),
            "waiters": len(dispatcher._back_channel._waiters),
        }
        return {name: count for name, count in held.items() if count and name not in _NOT_HELD}


_NOT_HELD: Final = frozenset({"broker_up", "sessions_limit"})
"""Numbers of an instance that say nothing of what it holds."""
_T = TypeVar("_T")
_POSTS: Final = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def _nth(choices: Sequence[_T], number: int | None) -> _T | None:
    return choices[number % len(choices)] if choices and number is not None else None
