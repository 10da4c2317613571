"""Starts the STDIO server; while its environment is still being made, receives the client and hands it over.

Events reach one loop through one queue: what the client sends, how the set-up ends. When the server runs, the handshake
is repeated to it, what waits follows, and from then on bytes pass through unchanged until the client ends its input.
"""

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NoReturn

from bootstrap.environments import server_environment
from bootstrap.machine import ROOT, become, inherited_environment, say, settings
from bootstrap.progress import Progress
from bootstrap.waiting_room import WaitingRoom, read_opening, still
from shared.json_body import MalformedMessageError
from shared.json_lines import QUIET_S, JsonLines
from shared.json_rpc import interruption, refusals

SERVER: Final = ROOT / "mcp_server.py"
_READ: Final = 65_536
_MOST_EVENTS: Final = 64
_TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on"})

Message = dict[str, Any]


def start() -> NoReturn:
    """Become the STDIO server, or receive its client until it is set up."""
    environment = server_environment()
    if environment.is_ready() or sys.stdin.isatty():
        become(environment.made(), [str(SERVER)], inherited_environment())
    try:
        code = FirstStart().run()
    except SystemExit as ended:  # SIGTERM
        code = ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    os._exit(code)  # the threads must not keep the process; what they started ends with it


def require_packages() -> None:
    """Return if this Python is that of `.venv`, or has the same packages; otherwise start again as `start` does."""
    environment = server_environment()
    if Path(sys.prefix).resolve() != environment.folder and not has_packages(ROOT / "requirements.txt"):
        start()


def has_packages(requirements: Path) -> bool:
    """Return whether this Python has the pins that are for every platform."""
    pins = re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+) \\$", requirements.read_text("utf-8"), re.MULTILINE)
    try:
        return all(metadata.version(name) == version for name, version in pins)
    except metadata.PackageNotFoundError:
        return False


class FirstStart:
    """One client from its first message until it leaves."""

    def __init__(self) -> None:
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue(_MOST_EVENTS)
        self._progress = Progress()
        self._room = WaitingRoom(read_opening(), read_only=settings().get("MCP_READ_ONLY", "").lower() in _TRUE)
        self._lines = JsonLines()
        self._out = threading.Lock()
        self._failure: str | None = None
        self._server: _Server | None = None

    def run(self) -> int:
        """Serve until the client or the server ends; return the exit code."""
        threading.Thread(target=self._read, daemon=True).start()
        self._begin_set_up()
        while True:
            what, value = self._next()
            if what == "read":
                self._receive(value)
            elif what == "end":
                return self._end()
            elif what == "ready":
                self._hand_over(value)
            elif what == "failed":
                self._failure = value
                self._write(self._room.refuse_all(value))
            elif what == "server ended":
                return int(value)

    def _next(self) -> tuple[str, Any]:
        """Return the next event; meanwhile answer what has waited too long."""
        while True:
            now = time.monotonic()
            self._write(self._room.overdue(now, self._progress.now))
            due = self._room.next_due
            waits = [due - now] if due is not None else []
            waits += [QUIET_S] if self._lines.is_waiting else []
            try:
                return self._events.get(timeout=max(min(waits), 0.0) if waits else None)
            except queue.Empty:
                if self._lines.is_waiting and (not due or time.monotonic() < due):
                    self._serve(self._lines.quiet())

    # ---- the client

    def _read(self) -> None:
        while data := os.read(0, _READ):
            self._events.put(("read", data))
        self._events.put(("end", None))

    def _receive(self, data: bytes) -> None:
        if self._server is not None and not self._lines.is_waiting:
            self._server.send(data)
        else:
            self._serve(self._lines.feed(data))

    def _serve(self, messages: Iterable[Message | MalformedMessageError]) -> None:
        for message in messages:
            if isinstance(message, MalformedMessageError):
                say(f"a message could not be read: {message}")
                self._write(refusals(message))
            elif self._server is not None:
                self._server.send(_line(message))
            else:
                self._answer(message)

    def _answer(self, message: Message) -> None:
        response = self._room.receive(message, time.monotonic())
        if response is not None:
            self._write([response])
        elif self._failure is not None and message.get("method") == "tools/call":
            self._begin_set_up()  # what was wrong may have been corrected since

    def _end(self) -> int:
        """End with the client; what it asked before it left is answered."""
        self._serve(self._lines.end())
        if self._server is not None:
            return self._server.finish()
        self._write(self._room.refuse_all(still(self._progress.now)))
        say("the client has ended, and the set-up with it. To complete it: python3 run.py setup")
        return 0

    def _write(self, messages: Iterable[Message]) -> None:
        for message in messages:
            write_line(self._out, _line(message))

    # ---- the server

    def _begin_set_up(self) -> None:
        self._failure = None
        threading.Thread(target=self._set_up, daemon=True).start()

    def _set_up(self) -> None:
        try:
            self._events.put(("ready", server_environment(self._progress).made()))
        except SystemExit as error:
            why = str(error.code).removeprefix("run.py: ")
            say(why)
            self._events.put(("failed", f"The ticket server could not be set up: {why}\nNothing was changed."))

    def _hand_over(self, python: str) -> None:
        handshake, waiting = self._room.hand_over()
        self._server = _Server(python, self._events, self._out, repeated=handshake[:1], waiting=waiting)
        for message in (*handshake, *waiting):
            self._server.send(_line(message))


class _Server:
    """The server as a child process, whose responses pass through to the client.

    Args:
        python: runs it.
        events: learn when it ended.
        out: is held while a line is written to the client.
        repeated: the request whose response the client already has.
        waiting: requests that must be answered even if the server ends before it answers them.
    """

    def __init__(
        self,
        python: str,
        events: "queue.Queue[tuple[str, Any]]",
        out: threading.Lock,
        *,
        repeated: Iterable[Message],
        waiting: Iterable[Message],
    ) -> None:
        command, pipe = [python, str(SERVER)], subprocess.PIPE
        self._process = subprocess.Popen(command, env=inherited_environment(), stdin=pipe, stdout=pipe)
        self._events, self._out = events, out
        self._repeated = {json.dumps(message["id"]) for message in repeated}
        self._unanswered = {json.dumps(message["id"]): message for message in waiting}
        self._passing = threading.Thread(target=self._pass_on, daemon=True)
        self._passing.start()

    def send(self, data: bytes) -> None:
        """Send bytes of the client."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        with contextlib.suppress(OSError):  # it has ended, which is an event of its own
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def finish(self) -> int:
        """End its input, and return its exit code when it has answered what it had read."""
        assert self._process.stdin is not None  # noqa: S101 - as above
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._passing.join()
        return self._process.wait()

    def _pass_on(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - as above
        for line in self._process.stdout:
            if not self._is_repeated(line):
                write_line(self._out, line)
        for message in self._unanswered.values():
            error = interruption(writes=message["method"] == "tools/call")
            write_line(self._out, _line({"jsonrpc": "2.0", "id": message["id"], "error": error}))
        self._events.put(("server ended", self._process.wait()))

    def _is_repeated(self, line: bytes) -> bool:
        """Return whether the client already has this response; note which requests are answered."""
        if not self._repeated and not self._unanswered:
            return False
        message = json.loads(line)
        if "method" in message:  # a request or notification of the server
            return False
        answered = json.dumps(message.get("id"))
        self._unanswered.pop(answered, None)
        is_repeated = answered in self._repeated
        self._repeated.discard(answered)
        return is_repeated


def write_line(out: threading.Lock, line: bytes) -> None:
    """Write one line to the client; if it is gone, end."""
    with out:
        try:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        except OSError:
            os._exit(1)


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
