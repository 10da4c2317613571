"""How far a set-up has got: said on stderr, and kept for callers that ask; and the commands it consists of."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from bootstrap.machine import inherited_environment, say, stop

CHILD: Final = Path(__file__).with_name("child.py")
SAID_EVERY_S: Final = 5.0
LAST_LINES: Final = 8


class Progress:
    """The step that a set-up has reached; `now` is for answers to those who ask meanwhile."""

    def __init__(self) -> None:
        self.now = "about to begin"
        self._steps = 1
        self._said_at = 0.0

    def begin(self, folder: Path, steps: int) -> None:
        """Say which folder is set up, in how many steps."""
        self._steps = steps
        say(f"setting up {folder} (once; it takes a minute or two)")

    def step(self, number: int, what: str) -> None:
        """Say that a step begins."""
        self.now = f"step {number} of {self._steps}"
        self._said_at = time.monotonic()
        say(f"{self.now}: {what}")

    def part(self, what: str) -> None:
        """Say how far the step is, but not more often than every few seconds."""
        if time.monotonic() - self._said_at >= SAID_EVERY_S:
            self._said_at = time.monotonic()
            say(f"{self.now}: {what}")


class Lock(Protocol):
    """An open file that is locked while it is open anywhere."""

    def fileno(self) -> int:
        """Return its descriptor."""
        ...


def run_step(
    command: Sequence[str],
    *,
    hint: str,
    lock: Lock,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = lambda _: None,
) -> str:
    """Run a command of a set-up and return what it printed; if it fails, exit with its last lines and `hint`.

    Args:
        command: the Python, then the module with its arguments; see `child.py`, which ends it with this process.
        hint: what the user can do when it fails.
        lock: stays locked until the command has really ended.
        env: instead of this process's own.
        on_line: is given each line as it is printed.
    """
    python, *program = command
    with subprocess.Popen(
        [python, "-I", "-u", str(CHILD), *program],
        env=inherited_environment() if env is None else env,
        # Not this process's stdin: a client's first message may be waiting there.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        pass_fds=() if sys.platform == "win32" else (lock.fileno(),),
    ) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        printed = []
        for line in process.stdout:
            printed.append(line)
            on_line(line)
        code = process.wait()
    if code != 0:
        said = "".join(f"\n  {line}" for line in "".join(printed).strip().splitlines()[-LAST_LINES:])
        stop(f"the set-up failed.{said}\n{hint}")
    return "".join(printed)
