"""The HTTP server's routes for platforms and operators, which reveal nothing to unauthenticated clients."""

import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

import operations
from operations import Operations
from shared.audit import LoggedAuditTrail
from shared.client_habits import ClientHabits
from shared.counting import TallyCounter
from shared.failed_attempts import AT_ONCE
from shared.metrics.registry import MetricReading, Registry
from tests.captured_logs import capture_logs
from tests.client_habits import FOREIGN
from tests.kills import kills
from tests.processes import KEY, OPERATOR_KEY, START_S, http_door
from tests.valkey import ValkeyServer
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.session import SessionView
from transport.sessions.valkey.scripts import LAYOUT

AS_OPERATOR: Final = {"x-api-key": OPERATOR_KEY}


class Inside:
    """What the routes report on: why the server is not ready, and how often that was probed."""

    def __init__(self) -> None:
        self.counter = TallyCounter()
        self.reason: str | None = None
        self.is_draining = False
        self.is_up = True
        self.probes = 0
        self.views: list[SessionView] = []
        self.is_broker_away = False

    async def why_not(self) -> str | None:
        self.probes += 1
        return self.reason

    async def sessions(self, most: int) -> Sequence[SessionView]:
        if self.is_broker_away:
            raise BrokerUnavailableError
        return self.views[:most]

    @asynccontextmanager
    async def client(
        self,
        operator_key: str | None = OPERATOR_KEY,
        *,
        trusted_proxies: int = 0,
        habits: ClientHabits | None = None,
    ) -> AsyncIterator[httpx2.AsyncClient]:
        operations = Operations(
            health=lambda: {"status": "healthy"},
            is_draining=lambda: self.is_draining,
            is_up=lambda: self.is_up,
            why_not=self.why_not,
            sessions=self.sessions,
            counter=self.counter,
            metrics=Registry(self.counter, lambda: [MetricReading("sessions", 3)]),
            operator_keys=[] if operator_key is None else [operator_key],
            trail=LoggedAuditTrail(),
            trusted_proxies=trusted_proxies,
            habits=habits,
        )
        transport = httpx2.ASGITransport(app=Starlette(routes=operations.routes))
        async with operations.run(), httpx2.AsyncClient(transport=transport, base_url="http://door.test") as client:
            yield client


@pytest.fixture
def inside() -> Inside:
    return Inside()


@pytest.fixture
async def http(inside: Inside) -> AsyncIterator[httpx2.AsyncClient]:
    async with inside.client() as client:
        yield client


async def test_a_start_is_over_once_sessions_were_reachable_and_stays_over(
    inside: Inside, http: httpx2.AsyncClient
) -> None:
    inside.is_up = False
    before = await http.get("/started")
    inside.is_up = True
    reached = await http.get("/started")
    inside.is_up, inside.is_draining, inside.reason = False, True, "broker_unavailable"
    later = await http.get("/started/")

    assert (before.status_code, before.json()) == (503, {"status": "starting"})
    assert [(one.status_code, one.json()) for one in (reached, later)] == [(200, {"status": "started"})] * 2
    assert inside.probes == 0, "a startup probe asks no other system"


def test_the_server_listens_while_valkey_is_unreachable_and_has_started_once_it_answers(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    valkey.stop()
    with http_door(tmp_path, MCP_BROKER_URL=valkey.url) as (address, _):
        alive, starting = (httpx2.get(f"{address}{path}").status_code for path in ("/health", "/started"))
        valkey.start()
        deadline = time.monotonic() + START_S
        while (started := httpx2.get(f"{address}/started").status_code) == 503 and time.monotonic() < deadline:
            time.sleep(0.05)
        valkey.kill()
        without = httpx2.get(f"{address}/started").status_code
        layout = httpx2.get(f"{address}/health").json()["layout"]

    assert (alive, starting, started, without) == (200, 503, 200, 200)
    assert layout == LAYOUT, "a canary compares it"


@kills("operations.py", "if is_operator else NO_OPERATOR", "if True else NO_OPERATOR")
@pytest.mark.parametrize("headers", [{}, {"x-api-key": KEY}, {"authorization": "Basic x"}, {"x-api-key": "a\xff"}])
async def test_a_stranger_learns_that_it_is_not_ready_but_not_why(
    inside: Inside, http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    inside.reason = "upstream_refused"

    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    response, metrics = await http.get("/ready", headers=sent), await http.get("/metrics", headers=sent)

    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})
    assert metrics.status_code == 401
    assert "ticket_server" not in metrics.text


@pytest.mark.parametrize("headers", [AS_OPERATOR, {"authorization": f"Bearer {OPERATOR_KEY}"}])
async def test_the_operator_learns_why(inside: Inside, http: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    inside.reason = "upstream_refused"

    response = await http.get("/ready", headers=headers)

    assert (response.status_code, response.json()) == (503, {"status": "unavailable", "reason": "upstream_refused"})


async def test_without_an_operators_key_there_are_no_metrics_and_no_key_is_the_key(inside: Inside) -> None:
    async with inside.client(operator_key=None) as http:
        responses = [await http.get(path, headers={"x-api-key": ""}) for path in ("/metrics", "/ready")]

    assert [response.status_code for response in responses] == [404, 200]
    assert responses[1].json() == {"status": "ready"}


@kills("operations.py", "if error.status == 429 or", "if False or")
@pytest.mark.parametrize(("path", "responded"), [("/metrics", 401), ("/ready", 503)])
async def test_wrong_operator_keys_are_throttled_audited_and_counted(inside: Inside, path: str, responded: int) -> None:
    inside.reason = "upstream_refused"
    with capture_logs() as logged:
        async with inside.client() as http:
            responses = [await http.get(path, headers={"x-api-key": f"wrong-{n}"}) for n in range(50)]
            right = await http.get(path, headers=AS_OPERATOR)
            other = await http.get("/ready" if path == "/metrics" else "/metrics", headers={"x-api-key": "wrong"})

    assert [response.status_code for response in responses] == [responded] * AT_ONCE + [429] * 40
    assert right.status_code == other.status_code == 429, "attempts are counted per address over both paths"
    assert all("reason" not in response.json() for response in responses)
    assert 1 <= int(responses[-1].headers["retry-after"]) <= 6
    assert inside.counter.total("http_refusals", status="401", kind="unauthenticated", tenant="unknown") == AT_ONCE
    assert inside.counter.total("http_refusals", status="429", kind="unauthenticated", tenant="unknown") == 42
    audited = [line for line in logged if line["message"] == "audit"]
    assert [line["detail"] for line in audited] == [
        "wrong operator key from 127.0.0.1",
        "too many wrong operator keys from 127.0.0.1",
        "wrong operator key from 127.0.0.1, 9 times",
        "too many wrong operator keys from 127.0.0.1, 41 times",
    ]
    assert "wrong-" not in str(logged)


async def test_an_operators_key_that_was_right_lately_goes_on_beside_wrong_ones(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/metrics", headers=AS_OPERATOR)).status_code == 200
    for _ in range(AT_ONCE + 1):
        await http.get("/ready", headers={"x-api-key": "wrong"})

    assert [(await http.get(path, headers=AS_OPERATOR)).status_code for path in ("/metrics", "/ready")] == [200, 200]


async def test_a_probe_without_a_key_is_answered_however_often_it_comes(
    inside: Inside, http: httpx2.AsyncClient
) -> None:
    for _ in range(AT_ONCE + 1):
        await http.get("/ready", headers={"x-api-key": "wrong"})

    for headers in ({}, {"cookie": "x-api-key=wrong"}, {"x-forwarded-for": "203.0.113.7"}):
        responses = [await http.get("/ready", headers=headers) for _ in range(AT_ONCE + 5)]
        assert {response.status_code for response in responses} == {200}
    assert inside.counter.total("http_refusals") == AT_ONCE + 1


@pytest.mark.parametrize("headers", [
    [("x-api-key", OPERATOR_KEY), ("x-api-key", OPERATOR_KEY)],
    [("x-api-key", OPERATOR_KEY), ("authorization", "Basic x")],
    [("x-api-key", ""), ("x-api-key", OPERATOR_KEY)],
    [("authorization", "Basic x"), ("authorization", f"Bearer {OPERATOR_KEY}")],
])  # fmt: skip
async def test_two_credentials_at_once_are_refused(
    inside: Inside, http: httpx2.AsyncClient, headers: list[tuple[str, str]]
) -> None:
    responses = [await http.get(path, headers=headers) for path in ("/ready", "/metrics")]

    assert [response.status_code for response in responses] == [400, 400]
    assert all(response.json()["error"].startswith("Send one credential") for response in responses)
    assert inside.counter.total("http_refusals", status="400") == 2


@pytest.mark.parametrize("headers", [
    [("x-api-key", OPERATOR_KEY), ("authorization", f"Bearer {FOREIGN}")],
    [("x-api-key", KEY), ("authorization", f"Bearer {OPERATOR_KEY}")],
    [("x-api-key", OPERATOR_KEY), ("authorization", f"Bearer {OPERATOR_KEY}")],
])  # fmt: skip
async def test_the_operators_key_counts_beside_a_credential_of_the_platform_unless_that_is_switched_off(
    inside: Inside, headers: list[tuple[str, str]]
) -> None:
    for off, status in ((), 200), (["foreign_credential"], 400):
        async with inside.client(habits=ClientHabits(off=off, counter=inside.counter)) as http:
            responses = [await http.get(path, headers=headers) for path in ("/ready", "/metrics")]
        assert [response.status_code for response in responses] == [status] * 2
    assert inside.counter.total("client_habits", habit="foreign_credential") == 2


async def test_a_probe_with_a_credential_of_the_platform_alone_is_answered(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/ready", headers={"authorization": f"Bearer {FOREIGN}"})).json() == {"status": "ready"}


VIEW: Final = SessionView(
    owner=("acme", "usr_1"),
    wire="sse",
    version="2025-06-18",
    client_params={"clientInfo": {"name": "Claude\x1b[31m Code", "version": "2"}},
    opened_at=1_790_000_000.4,
    called_at=None,
)


async def test_the_operator_sees_who_is_connected(inside: Inside, http: httpx2.AsyncClient) -> None:
    inside.views = [VIEW]

    response = await http.get("/sessions", headers=AS_OPERATOR)

    assert response.json() == {
        "sessions": [
            {
                "wire": "sse",
                "revision": "2025-06-18",
                "client": "Claude?[31m Code",
                "tenant": "acme",
                "principal": "usr_1",
                "opened": "2026-09-21T14:13:20Z",
                "lastCall": None,
            }
        ],
        "isComplete": True,
    }


@pytest.mark.parametrize("headers", [{}, {"x-api-key": KEY}, {"x-api-key": "wrong"}])
async def test_nobody_else_sees_who_is_connected(
    inside: Inside, http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    inside.views = [VIEW]
    response = await http.get("/sessions", headers=headers)
    assert response.status_code == 401
    assert "acme" not in response.text


async def test_without_an_operators_key_no_sessions_are_listed(inside: Inside) -> None:
    async with inside.client(operator_key=None) as http:
        assert (await http.get("/sessions", headers=AS_OPERATOR)).status_code == 404


async def test_a_list_of_sessions_that_was_cut_says_so(
    inside: Inside, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MOST_SESSIONS", 2)
    inside.views = [VIEW] * 3
    listed = (await http.get("/sessions", headers=AS_OPERATOR)).json()
    assert (len(listed["sessions"]), listed["isComplete"]) == (2, False)


async def test_sessions_that_cannot_be_read_now_are_not_said_to_be_none(
    inside: Inside, http: httpx2.AsyncClient
) -> None:
    inside.is_broker_away = True
    response = await http.get("/sessions", headers=AS_OPERATOR)
    assert (response.status_code, response.json()["kind"]) == (503, "broker_unavailable")


async def test_wrong_operator_keys_are_counted_for_the_address_behind_the_proxy(inside: Inside) -> None:
    async with inside.client(trusted_proxies=1) as http:

        async def wrong(seen: str) -> int:
            headers = {"x-api-key": "wrong", "x-forwarded-for": f"192.0.2.1, {seen}"}
            return (await http.get("/metrics", headers=headers)).status_code

        assert [await wrong("203.0.113.7") for _ in range(AT_ONCE + 1)] == [401] * AT_ONCE + [429]
        assert await wrong("198.51.100.1") == 401


@kills("operations.py", "if time.monotonic() - self._probed_at >= PROBED_AGAIN_S:", "if True:")
async def test_however_often_strangers_ask_what_stands_behind_is_probed_once_a_second(
    inside: Inside, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert operations.PROBED_AGAIN_S == 1.0
    monkeypatch.setattr(operations, "PROBED_AGAIN_S", 3600.0)
    for _ in range(20):
        await http.get("/ready")
    assert inside.probes == 1

    monkeypatch.setattr(operations, "PROBED_AGAIN_S", 0.0)
    await http.get("/ready")
    assert inside.probes == 2


async def test_a_drain_is_reported_immediately(inside: Inside, http: httpx2.AsyncClient) -> None:
    await http.get("/ready")
    inside.is_draining = True

    response = await http.get("/ready", headers=AS_OPERATOR)

    assert (response.status_code, response.json()["reason"]) == (503, "draining")
    assert inside.probes == 1


async def test_metrics_are_what_was_counted(inside: Inside, http: httpx2.AsyncClient) -> None:
    inside.counter.count("tool_calls", tool="get_users", outcome="ok", tenant="acme")
    inside.counter.count("tool_calls", tool="get_users", outcome="ok", tenant="acme")
    inside.counter.count("mcp_answers_dropped")

    response = await http.get("/metrics", headers=AS_OPERATOR)

    assert response.headers["content-type"].startswith("text/plain")
    samples = [sample for family in text_string_to_metric_families(response.text) for sample in family.samples]
    assert [(sample.name, sample.labels, sample.value) for sample in samples] == [
        ("ticket_server_mcp_answers_dropped_total", {}, 1),
        ("ticket_server_tool_calls_total", {"outcome": "ok", "tenant": "acme", "tool": "get_users"}, 2),
        ("ticket_server_sessions", {}, 3),
    ]


async def test_series_are_bounded_even_where_a_label_is_not(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TallyCounter, "MAX_SERIES", 5)
    for number in range(50):
        inside.counter.count("tool_calls", tool=f"tool-{number}")

    assert len(inside.counter.tally) == 6
    assert inside.counter.total("tool_calls") == 50


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with http_door(tmp_path_factory.mktemp("operations")) as (address, _):
        yield address


def test_the_door_serves_them(door: str) -> None:
    with httpx2.Client(base_url=door) as http:
        metrics, ready = (http.get(path, headers=AS_OPERATOR) for path in ("/metrics", "/ready"))
        as_client = http.get("/metrics", headers={"x-api-key": KEY})

    assert "ticket_server_sessions 0.0" in metrics.text
    assert ready.json() == {"status": "ready", "reason": None}
    assert as_client.status_code == 401, "a key for tickets must not show the usage of others"


def test_the_door_audits_wrong_operator_keys(tmp_path: Path) -> None:
    with http_door(tmp_path) as (address, process):
        with httpx2.Client(base_url=address) as http:
            statuses = [http.get("/metrics", headers={"x-api-key": KEY}).status_code for _ in range(AT_ONCE + 1)]
        process.end()

    lines = [json.loads(line) for line in process.said.splitlines() if line.startswith("{")]
    assert statuses == [401] * AT_ONCE + [429]
    assert [line["detail"] for line in lines if line["message"] == "audit"] == [
        "wrong operator key from 127.0.0.1",
        "too many wrong operator keys from 127.0.0.1",
        "wrong operator key from 127.0.0.1, 9 times",
    ]
