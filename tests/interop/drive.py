"""Runs one client against a server, in a separate process, and judges what it saw.

The protocol between a driver and this module is in `drivers/common.py`. A client gets only the environment variables
that a process needs to start; its home is a folder of the test. No model is ever called.
"""

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from shared.mcp_tools.catalog import TOOLS
from tests.interop.commands import calls, command, ticket
from tests.interop.rows import ANNOUNCED, PATHS, UNMARKED, Row
from tests.processes import KEY, ROOT, RestartableDoor

TALK_S: Final = 120.0
"""Most seconds for a run with its restart, and for a refusal: a client that hangs has failed."""
NAMES: Final = {"cat1": "Account and access", "catd1": "Sign-in and passwords", "ch1": "E-mail", "stat1": "New"}
"""How the text of a detail names what has one name alone; some clients show their model the JSON, with the ids."""
NEEDED: Final = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG")


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
        hung = threading.Event()

        def end() -> None:
            hung.set()  # first: the report ends with the driver
            driver.kill()

        limit = threading.Timer(TALK_S, end)
        limit.start()
        reported, log = report(driver, server)
        limit.cancel()
        driver.wait()
        stderr.seek(0)
        said = stderr.read()
    if hung.is_set():
        raise AssertionError(f"{row} hung for {TALK_S:.0f} s. It said: {reported} {said}")
    try:
        seen = Seen(**json.loads(reported), said=said)
    except (ValueError, TypeError):
        raise AssertionError(f"{row} ended with {driver.returncode}: {reported}\n{said}") from None
    return seen if seen.revision or seen.refused else replace(seen, revision=revision(row, log))


def report(driver: "subprocess.Popen[str]", server: RestartableDoor) -> tuple[str, str]:
    """Return a driver's report and the log of the server until its restart.

    The report is the last line, for which a driver needs the restart unless it was refused.
    """
    assert driver.stdin
    assert driver.stdout
    first = driver.stdout.readline()
    if '"results"' not in first:
        return first + driver.stdout.read(), ""
    log = server.restart()
    driver.stdin.close()
    return driver.stdout.read() or first, log


def revision(row: Row, log: str) -> str:
    """Return the revision of a client that does not tell it, from the summary that the server logs when it ends."""
    wire = {"sse": "sse", "http": "streamable_http"}[row.wire]
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{") and '"usage"' in line]
    name = ANNOUNCED.get(row.client.driver)
    return ", ".join(line["revision"] for line in lines if (line["wire"], line["client"]) == (wire, name))


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
    if row.connects_only:
        return
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
    if row.served not in statuses:
        yield f"the statuses are {statuses!r}"
    yield from (
        f"{value!r} was not read back: {read_back!r}"
        for value in ticket(row).values()
        if value not in read_back and NAMES.get(value, value) not in read_back
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
    if row.served not in again:
        yield f"on a new connection it says {again!r}"


def complaints_when_refused(row: Row, seen: Seen) -> Iterator[str]:
    """Yield what is wrong with the report and the output of a client with a wrong key."""
    if seen.refused is None:
        yield f"it was let in: {seen}"
    elif row.refusal not in f"{seen.refused} {seen.said}":
        yield f"it does not say {row.refusal!r}: {seen.refused} {seen.said}"
