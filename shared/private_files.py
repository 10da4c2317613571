"""Keeps files with secrets and databases from other users of the machine: mode 0600, where the system has modes."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
OF_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def create_private(path: Path) -> None:
    """Create the file, readable by its owner only, unless it exists or cannot be created: its user then finds out."""
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))


def made_private(path: Path) -> str | None:
    """Take the rights of other users to the file away; return a sentence if there were any, or if it cannot be done.

    A file of another owner may be shared with a group on purpose, so only one that all users can read is reported.
    """
    try:
        status = path.stat()
    except OSError:  # no such file
        return None
    if os.name != "posix" or not status.st_mode & OF_OTHERS or not path.is_file():
        return None
    if status.st_uid == os.geteuid():
        try:
            path.chmod(status.st_mode & PRIVATE)
        except OSError as error:
            return f"Other users of this machine can use {path}, and its mode cannot be changed: {error.strerror}."
        return f"Other users of this machine could use {path}; its mode is now 0600."
    if status.st_mode & stat.S_IRWXO:
        return f"Every user of this machine can use {path}, and its owner must change that: chmod o= '{path}'"
    return None
