"""From nothing: a copy of the checkout without an environment, an empty home, and the clients that people use.

Only HOME differs from the environment of the tests, so that pip and npm find their index and certificates.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import pytest

from tests.interop.commands import NODE
from tests.interop.environments import node_modules as modules_of
from tests.javascript import installed
from tests.opening import initialize
from tests.processes import ROOT, environment
from tests.shared.given import TICKET, rows_of

PRODUCT: Final = ("auth", "bootstrap", "shared", "ticket_api", "transport")
SET_UP_S: Final = 400
CLIENT_S: Final = 30
ENDED_S: Final = 15
READY_MS: Final = 15_000

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("set-up"), pytest.mark.timeout(SET_UP_S)]


@dataclass(frozen=True)
class Clone:
    """A checkout as `git clone` leaves it, and an empty home."""

    root: Path
    home: Path

    @classmethod
    def make(cls, folder: Path) -> "Clone":
        clone = cls(folder / "ticket server", folder / "home")
        clone.home.mkdir(parents=True)
        for name in PRODUCT:
            shutil.copytree(ROOT / name, clone.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for file in (*ROOT.glob("*.py"), *ROOT.glob("*.toml"), *ROOT.glob("requirements*.txt")):
            shutil.copy(file, clone.root)
        return clone

    def environment(self, **more: str) -> dict[str, str]:
        home = {"HOME": str(self.home), "USERPROFILE": str(self.home), "XDG_CACHE_HOME": str(self.home / ".cache")}
        return environment(**home, **more)

    def start(self, *arguments: str, stderr: IO[bytes] | int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        command = [sys.executable, str(self.root / "run.py"), *arguments]
        return subprocess.Popen(command, cwd=self.home, env=self.environment(), stdin=pipe, stdout=pipe, stderr=stderr)

    def server(self, *command: str) -> dict[str, Any]:
        """Return how a client starts the STDIO server."""
        program, *arguments = command or (sys.executable, str(self.root / "run.py"), "stdio")
        return {"command": program, "args": arguments, "env": self.environment(), "cwd": str(self.home)}


def line(method: str, request_id: int | None, params: dict[str, Any]) -> bytes:
    """Return a message as one line."""
    message = {"jsonrpc": "2.0", "method": method, "params": params} | (
        {} if request_id is None else {"id": request_id}
    )
    return json.dumps(message).encode() + b"\n"


def patient(server: dict[str, Any], name: str, **arguments: Any) -> list[str]:
    """Return the command that runs the patient client."""
    told = {
        "nodeModules": installed().as_posix(),
        "server": server,
        "timeout": CLIENT_S * 1000,
        "call": {"name": name, "arguments": arguments},
    }
    return [NODE, str(ROOT / "tests" / "bootstrap" / "patient.mjs"), json.dumps(told)]


def asked(server: dict[str, Any], name: str, **arguments: Any) -> subprocess.CompletedProcess[str]:
    """Run the patient client to its end."""
    program = patient(server, name, **arguments)
    done = subprocess.run(program, capture_output=True, encoding="utf-8", timeout=SET_UP_S, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize(
    "timeouts", [{}, {"MCP_TIMEOUT": "30000", "MCP_TOOL_TIMEOUT": "60000"}], ids=["plain", "timed"]
)
def test_claude_code_connects_at_the_first_try(tmp_path: Path, timeouts: dict[str, str]) -> None:
    clone = Clone.make(tmp_path)
    program = modules_of("node-agents") / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"

    def claude(*arguments: str) -> str:
        done = subprocess.run(
            [NODE, str(program), "mcp", *arguments],
            cwd=clone.root,
            env=clone.environment(CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", **timeouts),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=2 * CLIENT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    claude("add", "tickets", "--", sys.executable, str(clone.root / "run.py"), "stdio")
    listed = claude("list")

    assert re.search(r"tickets: .*run\.py stdio - .*Connected", listed), listed
    assert not (clone.root / ".venv").exists(), "the set-up had not been completed"


@dataclass(frozen=True)
class FirstStart:
    """What happened when a client was killed during the set-up and another one had come meanwhile."""

    clone: Clone
    killed_said: str
    ended_after_s: float
    second: dict[str, Any]
    second_said: str


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> FirstStart:
    """Set up a fresh clone by two clients: the first asks for a ticket and is killed, the second asks for the same."""
    clone = Clone.make(tmp_path_factory.mktemp("first start"))
    log = clone.home / "first.log"
    with log.open("wb") as stderr, clone.start("stdio", stderr=stderr) as killed:
        assert killed.stdin is not None
        killed.stdin.write(line("initialize", 1, initialize("2025-06-18")))
        killed.stdin.write(line("notifications/initialized", None, {}))
        killed.stdin.write(line("tools/call", 2, {"name": "create_ticket", "arguments": TICKET}))
        killed.stdin.flush()
        wait_for(log, "step 2 of 4: ")
        second_log = clone.home / "second.log"
        program = patient(clone.server(), "create_ticket", **TICKET)
        with second_log.open("wb") as second_stderr:
            second = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=second_stderr, encoding="utf-8")
        wait_for(second_log, "waiting for process")
        killed.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        began = time.monotonic()
        wait_for(second_log, "setting up")  # the lock is free when pip has ended, too
        ended_after_s = time.monotonic() - began
    stdout, _ = second.communicate(timeout=SET_UP_S)
    said = second_log.read_text("utf-8")
    assert second.returncode == 0, said
    return FirstStart(clone, log.read_text("utf-8"), ended_after_s, json.loads(stdout), said)


def wait_for(log: Path, words: str) -> None:
    """Wait until a process has said `words`."""
    deadline = time.monotonic() + SET_UP_S
    while words not in log.read_text("utf-8"):
        assert time.monotonic() < deadline, log.read_text("utf-8")
        time.sleep(0.05)


def test_a_client_that_gives_up_leaves_no_second_set_up(first_start: FirstStart) -> None:
    assert first_start.killed_said.count("step 1 of 4: making a virtual environment") == 1
    assert "step 1 of 4: going on with what an earlier start has made" in first_start.second_said
    assert "making a virtual environment" not in first_start.second_said
    assert first_start.ended_after_s < ENDED_S, "pip ends with the process that started it"
    for step in (2, 3, 4):
        assert f"step {step} of 4: " in first_start.second_said


def test_a_client_of_the_typescript_sdk_waits_and_is_served(first_start: FirstStart) -> None:
    """Its time-out is 30 s; connecting and listing takes much less, since nothing is waited for."""
    seen = first_start.second
    print(f"connected and listed after {seen['ready']} ms; {len(seen['texts']) - 1} calls came too early")

    assert seen["ready"] < READY_MS
    assert seen["tools"] == 16
    assert all("Still being set up (" in text for text in seen["texts"][:-1])
    assert seen["result"].get("isError", False) is False


def test_asking_again_makes_no_second_ticket(first_start: FirstStart) -> None:
    done = asked(first_start.clone.server(), "get_ticket_list", searchQuery=TICKET["summary"])

    assert "setting up" not in done.stderr
    result = json.loads(done.stdout)["result"]["structuredContent"]
    assert [ticket["summary"] for ticket in rows_of(result)] == [TICKET["summary"]]


@pytest.mark.parametrize("how", ["python", "uv", "uv run.py"])
def test_former_entries_and_uv_start_the_server(first_start: FirstStart, tmp_path: Path, how: str) -> None:
    """A Python without packages, and uv as in the entries that people have."""
    root = str(first_start.clone.root)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    bare = str(tmp_path / "bare" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))
    uv = [sys.executable, "-m", "uv"]
    command = {
        "python": [bare, f"{root}/mcp_server.py"],
        "uv": [*uv, "--directory", root, "run", "--python", sys.executable, "mcp_server.py"],
        "uv run.py": [*uv, "run", "--python", sys.executable, f"{root}/run.py", "stdio"],
    }[how]

    done = asked(first_start.clone.server(*command), "get_statuses")

    assert "stat1" in json.loads(done.stdout)["result"]["content"][0]["text"]
    assert "setting up" not in done.stderr


def test_the_doctor_finds_nothing_wrong(first_start: FirstStart) -> None:
    with first_start.clone.start("doctor") as process:
        stdout, stderr = process.communicate(timeout=SET_UP_S)

    assert process.returncode == 0, stdout.decode() + stderr.decode()
    assert b"WRONG" not in stdout
