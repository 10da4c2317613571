"""Nothing that a client or an operator may call secret is in a log line or a span, wherever it was put."""

import itertools
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import create_engine, text

from shared.stack_traces import stack_trace
from shared.telemetry import without_passwords
from tests.otlp import otlp_receiver
from tests.processes import KEY
from tests.test_traces import exporting_to, two_programs
from tests.transport.http_client import ENVELOPE, call, http_client
from tests.transport.sse_client import sse_session

MARK: Final = "hunter2"
SECRET: Final = f"{MARK} is not an id!"
"""An id that a client names may be logged, so this looks like none."""
HEADERS: Final = {
    "authorization": f"Basic {SECRET}",
    "cookie": f"session={SECRET}",
    "x-other": SECRET,
    "tracestate": f"vendor={SECRET}",
    "baggage": f"user={SECRET}",
    "traceparent": f"00-{'a' * 32}-{'b' * 16}-01-{SECRET}",
}
META: Final = {"tracestate": f"v={SECRET}", "baggage": f"user={SECRET}", "com.example/note": SECRET}
CALLS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("get_ticket_list", {"searchQuery": SECRET}),
    ("get_ticket_list", {SECRET: SECRET}),
    ("get_ticket_detail", {"ticketId": SECRET}),
    ("create_ticket", {"summary": SECRET, "description": SECRET}),
    ("update_ticket", {"ticketId": "TCK-0001", "summary": SECRET}),
    (SECRET, {"x": SECRET}),
)


@pytest.mark.parametrize("level", ["DEBUG", "WARNING"])
async def test_no_secret_reaches_a_line_or_a_span(tmp_path: Path, level: str) -> None:
    with (
        otlp_receiver() as collector,
        two_programs(tmp_path, level=level, **exporting_to(collector)) as (address, mcp, api),
    ):
        numbers = itertools.count(1)
        as_client = {**HEADERS, "authorization": f"Bearer {KEY}"}
        async with http_client(address, as_client) as session, sse_session(address, as_client) as sse:
            for tool, arguments in CALLS:
                await session.post(call(next(numbers), tool, meta=META, **arguments))
                await sse.post(call(number := next(numbers), tool, **arguments))
                await sse.response(number)
            for method in (SECRET, "prompts/get", "resources/read", "completion/complete"):
                params = {"name": SECRET, "uri": f"ticket://{SECRET}", "ref": {"type": SECRET}, "_meta": META}
                await session.post({"jsonrpc": "2.0", "id": next(numbers), "method": method, "params": params})
        async with http_client(address, as_client, None) as modern:
            headers = {"mcp-method": "tools/call", "mcp-protocol-version": "2026-07-28"}
            for tool, arguments in CALLS:
                message = call(next(numbers), tool, meta={**ENVELOPE, **META}, **arguments)
                await modern.who({**headers, "mcp-name": tool}).post(message)
        async with httpx2.AsyncClient(base_url=address) as http:
            for path in ("/mcp", "/sse", "/messages", f"/{SECRET}"):
                await http.post(f"{path}?session_id={SECRET}&key={SECRET}", content=SECRET, headers=HEADERS)
                await http.post(path, content=SECRET, headers={**as_client, "mcp-session-id": SECRET})
        await collector.until(lambda: any("INSERT" in str(one.attributes) for one in collector.spans))
    for said in (mcp.said, api.said):
        assert MARK not in said
        assert KEY not in said
    assert [one for one in collector.spans if MARK in str(one) or KEY in str(one)] == []
    assert not any(MARK.encode() in body or KEY.encode() in body for body in collector.raw)


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def of_sql() -> Exception:
    engine = create_engine("sqlite://", hide_parameters=True)
    try:
        with engine.connect() as connection:
            connection.execute(text("INSERT INTO missing VALUES (:value)"), {"value": SECRET})
    except Exception as error:  # noqa: BLE001 - any that SQLAlchemy raises
        return error
    finally:
        engine.dispose()
    raise AssertionError


@pytest.mark.parametrize("error", [
    raised(ValueError(SECRET)),
    raised(KeyError(SECRET)),
    raised(RuntimeError(f"cannot connect to postgresql://user:{SECRET}@host/x")),
    raised(LookupError("outer"), raised(ValueError(SECRET))),
    raised(ExceptionGroup("several", [raised(ValueError(SECRET)), raised(KeyError(SECRET))])),
    raised(httpx2.ConnectError(f"http://user:{SECRET}@host")),
    of_sql(),
])  # fmt: skip
def test_of_an_exception_its_class_and_place_are_written_but_not_its_text(error: Exception) -> None:
    said = stack_trace(error)

    assert MARK not in said
    assert said.startswith("Traceback (most recent call last):")
    assert type(error).__qualname__ in said


def test_what_python_itself_says_is_kept_without_passwords() -> None:
    said = without_passwords(stack_trace(raised(OSError(f"no route to https://user:{MARK}@host/path"))))

    assert said.endswith("OSError: no route to https://…@host/path")
