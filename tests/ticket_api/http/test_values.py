"""Parsing and formatting times and text, and how the outermost layer handles bodies that misbehave."""

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from ticket_api.errors import MOST_ALLOWED, BadInputError
from ticket_api.http import api_key_middleware
from ticket_api.http.api_key_middleware import ANYONE, ApiKeyMiddleware
from ticket_api.store.search.folding import fold
from ticket_api.times import parse_minute, show_minute, show_moment, wall_clock


@pytest.mark.parametrize(("text", "minute"), [
    ("2026-11-20 09:30", datetime(2026, 11, 20, 9, 30)),  # noqa: DTZ001 - wall-clock time has no time zone
    ("2026-11-20T09:30", datetime(2026, 11, 20, 9, 30)),  # noqa: DTZ001
    ("2026-11-20 09:30:59.999999999", datetime(2026, 11, 20, 9, 30)),  # noqa: DTZ001
])  # fmt: skip
def test_a_wall_clock_minute_is_read_in_each_spelling(text: str, minute: datetime) -> None:
    assert parse_minute(text) == minute


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9000, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 - naive on purpose
def test_a_time_with_an_offset_is_that_moment(moment: datetime, offset: int) -> None:
    elsewhere = moment.replace(second=0, microsecond=0, tzinfo=timezone(timedelta(minutes=offset)))

    assert parse_minute(elsewhere.isoformat()) == elsewhere
    assert parse_minute(show_minute(moment)) == moment.replace(second=0, microsecond=0)


def test_years_have_four_digits_and_moments_milliseconds_in_utc() -> None:
    assert show_minute(datetime(987, 1, 2, 3, 4)) == "0987-01-02 03:04"  # noqa: DTZ001 - wall-clock time has no zone
    moment = datetime(2026, 11, 20, 1, 2, 3, 4567, tzinfo=timezone(timedelta(hours=9)))
    assert show_moment(moment) == "2026-11-19T16:02:03.004Z"
    assert wall_clock(moment) == datetime(2026, 11, 20, 1, 2)  # noqa: DTZ001 - wall-clock time has no zone


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_a_list_of_allowed_values_is_cut() -> None:
    body = BadInputError("No", field="userId", allowed=[f"user{n}" for n in range(500)]).body()

    assert body["allowed"] == [f"user{n}" for n in range(MOST_ALLOWED)]


async def no_principal(key: str) -> None:
    """Return None: the key is unknown."""


class Recorder:
    """An ASGI app that records its requests, and a `send` that records the responses."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.next: list[str] = []
        self.sent: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append((await receive())["body"])
        self.next.append((await receive())["type"])

    async def send(self, message: Message) -> None:
        self.sent.append(message)


def scope_of(**more: Any) -> Scope:
    return {"type": "http", "method": "POST", "path": "/tickets", "headers": [], **more}


def receiving(*messages: Message) -> Receive:
    left = list(messages)

    async def receive() -> Message:
        return left.pop(0) if left else await asyncio.Event().wait()  # type: ignore[return-value]  # never returns

    return receive


async def test_a_body_in_pieces_arrives_whole_and_what_follows_is_passed_on() -> None:
    app = Recorder()
    pieces = receiving(
        {"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.request", "body": b"b"},
        {"type": "http.disconnect"},
    )  # fmt: skip

    await ApiKeyMiddleware(app, caller_of=None)(scope_of(), pieces, app.send)

    assert (app.bodies, app.next) == ([b"ab"], ["http.disconnect"])


async def test_a_client_that_hangs_up_half_way_is_not_answered() -> None:
    app = Recorder()
    pieces = receiving({"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"})

    await ApiKeyMiddleware(app, caller_of=None)(scope_of(), pieces, app.send)

    assert (app.bodies, app.sent) == ([], [])


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_key_middleware, "SLOWEST_BODY_S", 0.01)
    app = Recorder()

    await ApiKeyMiddleware(app, caller_of=None)(
        scope_of(), receiving({"type": "http.request", "body": b"a", "more_body": True}), app.send
    )

    assert (app.bodies, app.sent[0]["status"]) == ([], 408)


async def test_what_is_not_http_is_not_the_guard_s() -> None:
    app = Recorder()

    await ApiKeyMiddleware(app, caller_of=no_principal)(
        {"type": "lifespan"}, receiving({"body": b""}, {"type": "x"}), app.send
    )

    assert app.next == ["x"]


async def test_the_tenant_of_a_request_stays_its_own_where_a_server_shares_the_state_of_all() -> None:
    shared: dict[str, Any] = {"from": "the lifespan"}
    seen: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["state"])

    scope = scope_of(state=shared)
    await ApiKeyMiddleware(app, caller_of=None)(
        scope, receiving({"type": "http.request", "body": b""}), Recorder().send
    )

    assert seen == [{"from": "the lifespan", "tenant": "default", "caller": ANYONE}]
    assert shared == scope["state"] == {"from": "the lifespan"}
