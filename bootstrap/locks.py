"""One process at a time sets up a folder; the others wait and say for what."""

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from bootstrap.machine import say
from bootstrap.progress import Progress

_AGAIN_S: Final = 0.1


@contextlib.contextmanager
def only_one_process(path: Path, folder: Path, progress: Progress) -> Iterator[IO[str]]:
    """Hold the lock on the file `path`, which names its holder.

    The system releases it when the holder and the commands that it started have ended, so it cannot go stale.
    """
    with path.open("a+", encoding="utf-8") as file:
        if not try_to_lock(file):
            progress.now = "waiting for another set-up"
            say(f"waiting for {_holder(path)} to set up {folder}")
            while not try_to_lock(file):
                time.sleep(_AGAIN_S)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield file


def _holder(path: Path) -> str:
    try:
        return path.read_text("utf-8") or "another process"
    except OSError:  # on Windows no other process may read what is locked
        return "another process"


def try_to_lock(file: IO[str]) -> bool:
    """Lock `file` until it is closed and return True; return False at once if another process holds the lock."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN}:
            return False
        raise
    return True
