"""A server under measurement: its process, on a core of its own, and what it has used. Linux only."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from tests.processes import ROOT, environment, free_port

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
START_S: Final = 90.0
"""Seconds until a server must accept connections: callgrind makes it slow."""


class Served:
    """A process that listens on `port`. Leaving the block kills it: measured servers have nothing to finish.

    Args:
        command: the program; `@PORT` stands for its port.
        variables: its environment variables beside those of this process, with `@PORT` as well.
        log: takes its output.
        core: where it runs.
    """

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], log: Path, core: int) -> None:
        self.port = free_port()
        self._log = log
        env = {name: value.replace("@PORT", str(self.port)) for name, value in variables.items()}
        filled = [part.replace("@PORT", str(self.port)) for part in command]
        with log.open("wb") as output, running_on(core):
            self._process = subprocess.Popen(
                filled, cwd=ROOT, env=environment(**env), stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> Self:
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def cpu_us(self) -> float:
        """Return the processor time that its threads have used, in microseconds."""
        return sum(_first_number(task / "schedstat") for task in Path(f"/proc/{self.pid}/task").iterdir()) / 1e3

    def resident_kb(self) -> float:
        """Return its resident memory, in 1,000 bytes."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text("ascii")
        return 1.024 * next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Rss:"))

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = self._log.read_text("utf-8", errors="replace")[-2000:]
                    raise RuntimeError(f"{self._process.args!r} does not listen:\n{said}") from error
                time.sleep(0.1)


def _first_number(file: Path) -> int:
    try:
        return int(file.read_text("ascii").split()[0])
    except FileNotFoundError:  # the thread has ended
        return 0


@contextmanager
def running_on(core: int) -> Iterator[None]:
    """Have what is started inside the block run on one core; with only one core, on that."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core if core < (os.cpu_count() or 1) else 0})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
