"""A folder that is made once, beside its place, and takes its place when it is complete.

The stamp is written last, so what was interrupted is never taken for complete. One process makes a folder, others wait
for it.
"""

import shutil
from abc import ABC, abstractmethod
from itertools import count
from pathlib import Path
from typing import Final

from bootstrap.locks import only_one_process
from bootstrap.machine import say, stop
from bootstrap.progress import Lock, Progress

STAMP_NAME: Final = "set-up.stamp"
"""What the folder was made for."""
_FORMER_LOCK: Final = "set-up.lock"


class MadeOnce(ABC):
    """A folder, and how it is made.

    Args:
        folder: its place.
        progress: gets how far it is.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self.progress = progress
        self._stamp = folder / STAMP_NAME

    @abstractmethod
    def key(self) -> str:
        """Return what changes with everything that the folder depends on."""

    @abstractmethod
    def is_whole(self) -> bool:
        """Return whether what was made is still there, at a glance."""

    @abstractmethod
    def build(self, beside: Path, lock: Lock) -> None:
        """Make everything in `beside`, or go on with it; `lock` is for the commands that do."""

    def can_be_adopted(self) -> bool:
        """Return whether what is in its place, made by another program, is complete; note what it has."""
        return False

    def is_ready(self) -> bool:
        """Return whether the folder is complete. Takes about a millisecond."""
        return self._stamp.exists() and self._stamp.read_text("utf-8") == self.key() and self.is_whole()

    def discard(self) -> None:
        """Have the folder made again by the next `make`."""
        self._stamp.write_text("broken", "utf-8")

    def make(self) -> None:
        """Make the folder, unless it is ready."""
        if self.is_ready():
            return
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            lock_file = self.folder.with_name(f"{self.folder.name}.lock")
            with only_one_process(lock_file, self.folder, self.progress) as lock:
                if not self.is_ready():
                    self._make(lock)
        except OSError as error:
            stop(f"Cannot set up {self.folder}: {error.strerror or error}. It must be writable and not in use.")

    def _make(self, lock: Lock) -> None:
        self._refuse_what_is_no_environment()
        if not self.can_be_adopted():
            beside = self.folder.with_name(f"{self.folder.name[:-1]}~")  # of the same length: see `move_scripts`
            self.build(beside, lock)
            move_scripts(beside, self.folder)
            self._make_room()
            beside.rename(self.folder)
        self._stamp.write_text(self.key(), "utf-8")

    def _refuse_what_is_no_environment(self) -> None:
        if not self.folder.exists() or self._is_ours() or (self.folder / "pyvenv.cfg").exists():
            return
        if not self.folder.is_dir() or any(self.folder.iterdir()):
            stop(f"{self.folder} was not made by run.py and is in its place. Move or delete it, then start again.")

    def _is_ours(self) -> bool:
        return self._stamp.exists() or (self.folder / _FORMER_LOCK).exists()

    def _make_room(self) -> None:
        """Delete what is in the place if it was made here; keep the work of another program under another name."""
        if not self.folder.exists():
            return
        names = (self.folder.with_name(f"{self.folder.name}.old{number}") for number in count(1))
        former = next(name for name in names if not name.exists())
        is_ours = self._is_ours()
        self.folder.rename(former)
        if is_ours:
            shutil.rmtree(former, ignore_errors=True)
        else:
            say(f"{self.folder} was made by another program and is not complete; it is now {former}")


def move_scripts(before: Path, after: Path) -> None:
    """Replace the one path by the other in the scripts of `before`: they contain the path of their Python.

    Both are of the same length, so that this can be done in any file.
    """
    for folder in ("bin", "Scripts"):
        for script in (before / folder).glob("*"):
            if script.is_file() and not script.is_symlink() and bytes(before) in (text := script.read_bytes()):
                script.write_bytes(text.replace(bytes(before), bytes(after)))
