"""Programs of this project as real processes: on free ports, their output kept, ended by a signal.

All calls block and are bounded: a process that does not start or end in time is killed, and the test fails with its
output. Processes inherit none of this machine's settings, and their coverage counts (pyproject.toml).
"""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ROOT: Final = Path(__file__).resolve().parent.parent
HTTP_DOOR: Final = ("cloud_mcp_server.py",)
STDIO_DOOR: Final = ("mcp_server.py",)
TICKET_API: Final = ("-m", "ticket_api")
STAND_IN: Final = ("-m", "tests.standin")
KEY: Final = "only-for-tests-0123456789-abcdefghij"
OPERATOR_KEY: Final = "the-key-of-the-operator-in-the-tests"
IDENTITY_KEY: Final = "hashes-and-seals-in-the-tests-0123456789"
API_KEY: Final = "only-for-the-ticket-api-of-the-tests"
said_lately: Final = deque[str](maxlen=100)
"""Output of programs that have ended, until tests/hidden.py has checked it."""
START_S: Final = 30.0
END_S: Final = 30.0
_LISTENERS: Final = range(15_000, 32_000)
"""Below the system's ports for outgoing connections, which could otherwise take the port of a process that ended."""
_OURS: Final = re.compile(r"(MCP_|API_|PORT$|K_SERVICE$)")
_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:[1-9][0-9]*")
if sys.platform == "win32":
    _ASK_TO_END: Final = signal.CTRL_BREAK_EVENT
    _NEW_GROUP: Final = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    _ASK_TO_END: Final = signal.SIGTERM
    _NEW_GROUP: Final = 0


def environment(**settings: str) -> dict[str, str]:
    """Return this process's environment without any settings of ours, plus the given ones."""
    return {name: value for name, value in os.environ.items() if not _OURS.match(name)} | settings


def sqlite(folder: Path) -> str:
    """Return the URL of a database for one test."""
    return f"sqlite:///{(folder / 'tickets.sqlite3').as_posix()}"


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def steady_port() -> int:
    """Return a free loopback port that no outgoing connection will use: for what ends and comes back there."""
    for port in random.sample(_LISTENERS, 100):  # differs between concurrent test processes
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


class Process:
    """One of our programs. Leaving the block ends it; its output can still be read afterwards.

    `program` is what follows `python`, or another `executable`; `root` is the checkout in which it runs. Its output
    goes to files, because a full pipe would block it.
    """

    def __init__(
        self, program: Sequence[str], *, executable: str = sys.executable, root: str = str(ROOT), **settings: str
    ) -> None:
        self._program = " ".join(program)
        self._folder = tempfile.TemporaryDirectory(prefix="process-")
        self._files = [Path(self._folder.name, name) for name in ("stdout", "stderr")]
        with self._files[0].open("wb") as stdout, self._files[1].open("wb") as stderr:
            self._popen = subprocess.Popen(
                [executable, *program],
                cwd=root,
                env=environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                creationflags=_NEW_GROUP,  # otherwise the signal would reach the tests, too
            )
        self.said = ""
        """Its stdout and stderr, once it has ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._popen.poll() is None:
                self.ask_to_end()
                self.wait()
        finally:
            self._popen.kill()
            self._popen.wait()
            self.said = self.said_so_far()
            said_lately.append(self.said)
            self._folder.cleanup()
            if error is not None:
                print(f"----- {self._program}\n{self.said}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def said_so_far(self) -> str:
        """Return its stdout and stderr so far."""
        return "".join(file.read_text("utf-8", errors="replace") for file in self._files)

    def wait_until_ready(self) -> str:
        """Wait until it prints its address and responds there; return the address."""
        deadline = time.monotonic() + START_S
        while self._popen.poll() is None and time.monotonic() < deadline:
            address = _ADDRESS.search(self.said_so_far())
            if address is not None and _is_healthy(address[0]):
                return address[0]
            time.sleep(0.02)
        raise AssertionError(f"{self._program} did not come up ({self._popen.poll()})")

    def wait_until_said(self, words: str) -> None:
        """Wait until its output contains `words`."""
        deadline = time.monotonic() + START_S
        while words not in self.said_so_far():
            assert time.monotonic() < deadline, f"{self._program} did not say {words!r}"
            time.sleep(0.02)

    def ask_to_end(self) -> None:
        """Request a graceful end, as a platform or a user does."""
        self.send(_ASK_TO_END)

    def send(self, number: int) -> None:
        """Send it a signal."""
        self._popen.send_signal(number)

    def wait(self, timeout_s: float = END_S) -> int:
        """Return the exit code once it has ended. Raises: TimeoutExpired."""
        return self._popen.wait(timeout_s)

    def end(self) -> int:
        """Request the end and return the exit code."""
        self.ask_to_end()
        return self.wait()


def _is_healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as response:  # noqa: S310 - the address of our own door
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def started(program: Sequence[str], *, root: str = str(ROOT), **settings: str) -> Iterator[tuple[str, Process]]:
    """Start a program that listens, and yield its address once it responds there."""
    with Process(program, root=root, **settings) as process:
        yield process.wait_until_ready(), process


@contextmanager
def http_door(folder: Path, *, root: str = str(ROOT), **settings: str) -> Iterator[tuple[str, Process]]:
    """Start the HTTP server with a key, over the embedded API unless the settings name another one."""
    keys = {"MCP_MCP_API_KEY": KEY, "MCP_OPERATOR_KEY": OPERATOR_KEY}
    given = {"PORT": "0", "MCP_DATABASE_URL": sqlite(folder)} | keys | settings
    with started(HTTP_DOOR, root=root, **given) as (address, process):
        process.wait_until_said("Ticket server ")
        yield address, process


class RestartableDoor:
    """The HTTP server of `http_door`, which can be replaced by a new process on the same port and database."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = settings
        self._running = ExitStack()
        self.address = ""

    def __enter__(self) -> Self:
        self._start(str(steady_port()))
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def restart(self) -> str:
        """End the server gracefully and start it again; what it kept in memory is lost. Returns its output."""
        ended = self._process
        self._running.close()
        self._start(self.address.rpartition(":")[2])
        return ended.said

    def _start(self, port: str) -> None:
        self.address, self._process = self._running.enter_context(http_door(self._folder, PORT=port, **self._settings))


@contextmanager
def ticket_api(database_url: str, **settings: str) -> Iterator[str]:
    """Start the reference ticket API and yield its address."""
    given = {"PORT": "0", "MCP_API_KEY": API_KEY, "MCP_DATABASE_URL": database_url} | settings
    with started(TICKET_API, **given) as (address, _):
        yield address


@contextmanager
def stand_in() -> Iterator[str]:
    """Start the stand-in of the existing API, with all its traps, and yield its address."""
    with started((*STAND_IN, "--api-key", API_KEY)) as (address, _):
        yield address
