"""The rehearsal of operations: upgrade, rollback, canary, key rotation, restore, SIGTERM and every alert.

Customers on real clients work from the first step to the last, and lose nothing. The steps build on each other, in the
order of this file. What this leaves out is named in docs/operations.md.
"""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from tests.cloud import gcloud
from tests.cloud.customers import Customer, customers, lost
from tests.cloud.load import Asked, logged, thousand
from tests.cloud.prometheus import Prometheus, prometheus
from tests.cloud.scenes import COSTLY, SCENES, UNREAD_ENDS, Scene, Set, a_client_does_not_read
from tests.cloud.stage import SERVICE, STATE_KEY, Image, Stage, image_of, stage
from tests.databases import Postgres
from tests.deploy.alert_rules import RULE_FILES, alert_names, shortened
from tests.otlp import Collector, otlp_receiver
from tests.processes import API_KEY, IDENTITY_KEY, OPERATOR_KEY, ROOT, environment
from tests.recovery.postgres_tools import dump, restore
from tests.releases import check_out

pytestmark = [
    pytest.mark.long,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("cloud"),
    pytest.mark.timeout(360),
    pytest.mark.debian("nginx", "prometheus"),
]

DEPLOY: Final = ROOT / "gcp-deploy"
OLD, NEW, BAD, ROTATED = "release-1-0-0", "release-head", "release-broken", "release-rotated"
NEWER: Final = "the-successor-of-a-secret-0123456789"
FIRES_S: Final = 40.0
CLEARS_S: Final = 30.0
LONG_WINDOW_S: Final = 150.0
SLOWLY: Final = frozenset({"AvailabilityBurnsSlowly", "LatencyBurnsSlowly"})
"""Alerts that look at the last 6 hours, here 144 s."""
STEP_S: Final = 90.0
TRACE: Final = "logging.googleapis.com/trace"


@dataclass
class World:
    """What the steps share."""

    stage: Stage
    old: Image
    new: Image
    key: str
    people: list[Customer]
    observer: Prometheus
    otlp: Collector
    folder: Path
    unread: asyncio.Task[None] = field(init=False)
    """Watches clients that do not read, from the upgrade on: their streams end after a minute."""

    def program(self, name: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a program of gcp-deploy with the stand-in of gcloud."""
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [sys.executable, str(DEPLOY / name), *arguments],
            env=environment(**settings) | {"PATH": path},
            capture_output=True, text=True, timeout=STEP_S, check=False,
        )  # fmt: skip

    async def canary(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of canary.py on the service."""
        return await asyncio.to_thread(self.program, "canary.py", command, SERVICE, "--region=here", *arguments)

    async def release(self, revision: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Release a revision by canary, in seconds where production takes minutes."""
        windows = ("--every=1", "--watch=6", "--deadline=40", "--max-blind=10", "--min-requests=15", "--percent=25")
        watched = (f"--prometheus={self.observer.address}", "--revision-label=revision", f"--revision={revision}")
        return await self.canary("release", *watched, *windows, *arguments)

    @property
    def traced(self) -> dict[str, str]:
        """The settings with which instances send traces."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}

    @property
    def serving(self) -> str:
        """The revision with the traffic."""
        (name,) = self.stage.balancer.traffic.shares
        return name

    def address(self, revision: str) -> str:
        """Return the address of one instance, in the place of a tag's address."""
        return f"http://127.0.0.1:{next(iter(self.stage.revisions[revision].instances))}"

    @property
    def set(self) -> Set:
        """What scenes may touch."""
        return Set(self.stage, self.new, self.key, self.serving, self.observer)

    async def play(self, scene: Scene) -> None:
        """See that the alerts of a scene fire in it, and clear after it, but for those of long windows."""
        expected, quick = SCENES[scene], SCENES[scene] - SLOWLY
        async with scene(self.set):
            await self.observer.until(lambda firing: expected <= firing, f"{sorted(expected)}", FIRES_S)
        await self.observer.until(lambda firing: not quick & firing, f"the end of {sorted(quick)}", CLEARS_S)
        await self.serves()

    async def watch_unread(self) -> None:
        """See that streams that nobody reads are noticed."""
        async with a_client_does_not_read(self.set):
            await self.observer.until(lambda firing: firing >= UNREAD_ENDS, f"{sorted(UNREAD_ENDS)}", LONG_WINDOW_S)

    async def serves(self) -> None:
        """Wait until every customer has succeeded with two more calls, the first of which may have begun before."""
        before = {one.name: len(one.done) for one in self.people}
        async with asyncio.timeout(STEP_S):
            for one in self.people:
                await one.until_done(before[one.name] + 2)
        assert lost(self.people) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Release 1.0.0 in operation, with customers at work, and Prometheus and a collector beside it."""
    folder = tmp_path_factory.mktemp("rehearsal")
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(stage(folder, postgres))
        otlp = stack.enter_context(otlp_receiver())
        checkout = await asyncio.to_thread(check_out, "1.0.0", folder / "checkout")
        old, new = image_of(checkout, folder / "old"), image_of(ROOT, folder / "new")
        await asyncio.to_thread(here.migrate, old)
        key = await asyncio.to_thread(here.key, old, "first-key", "mary@example.com")
        await asyncio.to_thread(here.start_ticket_api, old)
        await asyncio.to_thread(here.start, OLD, old)
        (folder / "observed").mkdir()
        rules = [shortened(file.read_text("utf-8")) for file in RULE_FILES]
        observer = stack.enter_context(prometheus(folder / "observed", rules))
        here.on_change = lambda: observer.scrape(
            {port: {"revision": one.name} for one in here.revisions.values() for port in one.instances}
        )
        here.open(OLD)
        gcloud.install(folder, here.balancer)
        here.on_change()
        people = await stack.enter_async_context(customers(here.balancer.address, key))
        shared = World(here, old, new, key, people, observer, otlp, folder)
        yield shared
        if hasattr(shared, "unread"):  # a step may have failed before
            shared.unread.cancel()
            await asyncio.gather(shared.unread, return_exceptions=True)


async def test_an_upgrade_across_a_migration_and_a_change_of_lua_can_go_back(world: World) -> None:
    stage = world.stage
    await world.serves()
    await asyncio.to_thread(stage.migrate, world.new)  # before the services, and while the old ones serve
    assert await asyncio.to_thread(stage.replace_one, OLD) == 0  # an old instance that starts on the new tables
    await asyncio.to_thread(stage.restart_ticket_api, world.old)
    await world.serves()

    await asyncio.to_thread(stage.start, NEW, world.new, 2, **world.traced)
    smoke = await asyncio.to_thread(world.program, "smoke.py", world.address(NEW), SMOKE_KEY=world.key)
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    urls = (f"--old-url={world.address(OLD)}", f"--new-url={world.address(NEW)}")
    there = await world.release(NEW, *urls)
    assert there.returncode == 0, there.stdout + there.stderr
    assert "All traffic moves at once" in there.stdout
    await world.serves()

    back = await world.canary("back")
    assert (back.returncode, stage.balancer.traffic.shares) == (0, {OLD: 100}), back.stdout + back.stderr
    await world.serves()

    again = await world.release(NEW, *urls)
    assert again.returncode == 0, again.stdout + again.stderr
    await asyncio.to_thread(stage.restart_ticket_api, world.new)
    assert await asyncio.to_thread(stage.end, OLD) == [0, 0]
    await world.serves()
    world.unread = asyncio.create_task(world.watch_unread())


async def test_a_canary_that_fails_aborts_by_itself(world: World) -> None:
    dead = {"MCP_API_BASE_URL": "http://127.0.0.1:9"}
    await asyncio.to_thread(world.stage.start, BAD, world.new, 1, **dead)

    released = await world.release(BAD)

    assert released.returncode == 1, released.stdout + released.stderr
    assert f"Aborted: {BAD}" in released.stdout
    assert world.stage.balancer.traffic.shares == {NEW: 100}
    await asyncio.to_thread(world.stage.end, BAD)
    await world.serves()


async def test_a_database_is_restored_from_its_backup(world: World) -> None:
    stage = world.stage
    for one in world.people:
        await one.pause()
    admin = stage.url_of_administrator()
    await asyncio.to_thread(dump, admin, world.folder / "backup")

    await asyncio.to_thread(stage.stop_ticket_api)
    await stage.lose_database()
    for one in world.people:
        one.go_on()  # they work, and are told that nothing can be reached
    await stage.make_database()
    await asyncio.to_thread(restore, world.folder / "backup", admin, owner="ticket_owner")
    await asyncio.to_thread(stage.migrate, world.new)
    await asyncio.to_thread(stage.start_ticket_api, world.new)
    for role, what in (("ticket_api", "tickets"), ("mcp_server", "identity")):
        await asyncio.to_thread(stage.job, world.new, "recovery", "check", what, MCP_DATABASE_URL=stage.url(role))
    await world.serves()


@pytest.mark.parametrize("scene", COSTLY, ids=lambda scene: str(scene.__name__))
async def test_alerts_of_what_costs_most_fire_on_purpose_and_clear(world: World, scene: Scene) -> None:
    await world.play(scene)


async def test_each_of_a_thousand_requests_is_once_in_the_log_and_in_the_metrics(world: World) -> None:
    for one in world.people:
        await one.pause()
    before = await counted(world.stage)

    made = await thousand(world.stage.balancer.address, world.key)

    mine = {one.trace for one in made}
    lines = [line for line in logged(world.stage.said()) if line.get(TRACE) in mine]
    assert Counter(
        (line[TRACE], line["wire"], line["revision"], line["method"], line.get("tool", ""), line["outcome"])
        for line in lines
    ) == Counter((one.trace, one.wire, one.revision, one.method, one.tool, one.outcome) for one in made), (
        "each once, as its client saw it"
    )
    rise = await counted(world.stage) - before
    asked = Counter((one.wire, one.revision, one.method, one.tool, one.outcome) for one in made)
    assert {what: times for what, times in rise.items() if what[2] in {one.method for one in made}} == asked
    await world.otlp.until(lambda: len(spans_of(made, world.otlp)) >= len(made))
    assert set(spans_of(made, world.otlp).values()) == {1}, "each is one span of this server"
    for person in world.people:
        person.go_on()


def spans_of(made: list[Asked], otlp: Collector) -> Counter[str]:
    """Return how many spans of an MCP server each of the requests has, by its trace."""
    mine = {one.trace for one in made}
    return Counter(
        span.trace
        for span in otlp.spans
        if span.trace in mine and span.kind == "SERVER" and "mcp.method.name" in span.attributes
    )


async def counted(stage: Stage) -> Counter[tuple[str, str, str, str, str]]:
    """Return the operations that all instances have counted: wire, revision, method, tool and outcome."""
    found: Counter[tuple[str, str, str, str, str]] = Counter()
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {OPERATOR_KEY}"}, timeout=10) as http:
        for revision in stage.revisions.values():
            for port in revision.instances:
                text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
                for family in text_string_to_metric_families(text):
                    for sample in family.samples:
                        if sample.name == "mcp_server_operation_duration_seconds_count":
                            labels = sample.labels
                            found[
                                labels["wire"],
                                labels["mcp_protocol_version"],
                                labels["mcp_method_name"],
                                labels["gen_ai_tool_name"],
                                labels["error_type"] or "ok",
                            ] += int(sample.value)
    return found


async def test_a_client_that_does_not_read_is_noticed(world: World) -> None:
    await world.unread


async def test_keys_are_rotated_while_customers_work(world: World) -> None:
    stage = world.stage
    public_id = world.key.removeprefix("tkt_live_")[:8]
    fresh = await asyncio.to_thread(stage.key, world.new, "key", "rotate", public_id, "--overlap", "1")
    for one in world.people:
        await one.change_key(fresh)
    await asyncio.to_thread(stage.end_key, world.new, public_id)
    await world.serves()

    both = f"{NEWER},{API_KEY}"  # 1. the ticket API accepts the new key as well
    await asyncio.to_thread(stage.restart_ticket_api, world.new, MCP_API_KEY=both)
    rotated = {  # 2. instances that send it, and know the successors of their own secrets
        "MCP_API_KEY": NEWER,
        "MCP_IDENTITY_KEYS": f"{IDENTITY_KEY},{NEWER}",
        "MCP_REQUEST_STATE_KEYS": f"{NEWER},{STATE_KEY}",
        "MCP_OPERATOR_KEY": f"{NEWER},{OPERATOR_KEY}",
    }
    await asyncio.to_thread(stage.start, ROTATED, world.new, 2, **world.traced, **rotated)
    await asyncio.to_thread(stage.balancer.change, shares={ROTATED: 100})
    assert await asyncio.to_thread(stage.end, NEW) == [0, 0]
    stage.api_settings = {"MCP_API_KEY": NEWER}  # 3. and the old key is nobody's
    await asyncio.to_thread(stage.restart_ticket_api, world.new)
    world.key = fresh
    await world.serves()


async def test_an_instance_that_is_told_to_end_loses_no_call(world: World) -> None:
    for _ in range(2):
        assert await asyncio.to_thread(world.stage.replace_one, world.serving) == 0
    await world.serves()


@pytest.mark.parametrize("scene", [one for one in SCENES if one not in COSTLY], ids=lambda scene: str(scene.__name__))
async def test_all_other_alerts_fire_on_purpose_and_clear(world: World, scene: Scene) -> None:
    await world.play(scene)


async def test_alerts_of_long_windows_clear_in_the_end(world: World) -> None:
    await world.observer.until(lambda firing: not firing, "the end of all alerts", LONG_WINDOW_S)


async def test_every_alert_has_a_scene() -> None:
    assert set(alert_names()) == {name for names in (*SCENES.values(), UNREAD_ENDS) for name in names}


async def test_customers_have_lost_nothing(world: World) -> None:
    for one in world.people:
        await one.pause()

    print({one.name: (len(one.done), one.sessions, max(done.seconds for done in one.done)) for one in world.people})
    assert lost(world.people) == []
    created = {summary: ticket_id for one in world.people for ticket_id, summary in one.created.items()}
    assert len(created) > 50
    assert await stored(world.stage) == dict.fromkeys(created, 1)


async def stored(stage: Stage) -> dict[str, int]:
    """Return how often each ticket of the customers is in the database."""
    connection = await asyncpg.connect(stage.url("ticket_owner"), timeout=10)
    try:
        await connection.execute("SELECT set_config('app.tenant_id', 'default', false)")
        rows = await connection.fetch(
            "SELECT summary, count(*) FROM tickets WHERE summary LIKE 'customer-%' GROUP BY summary", timeout=10
        )
    finally:
        await connection.close(timeout=10)
    return {row["summary"]: row["count"] for row in rows}
