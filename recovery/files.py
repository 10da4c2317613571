"""SQLite files: a consistent copy of one in use, the proof that one is whole, and the exchange of an unused one.

Source: SQLite, "Online Backup API"; "Write-Ahead Logging", 8 (a connection that opens a file with `locking_mode =
EXCLUSIVE` is refused while another one is open); "How To Corrupt An SQLite Database File", 1.4 (a file and its log of
writes belong together).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from shared.private_files import create_private

BUSY_S: Final = 5.0
"""How long to wait for a lock, in seconds."""


class RecoveryError(Exception):
    """A backup or a restore was refused or failed; the message says why, and that nothing was replaced."""


@contextmanager
def explained(file: Path) -> Iterator[None]:
    """Translate errors of the disk and of SQLite. Raises: RecoveryError."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "")
        why = "the disk is full" if code == "SQLITE_FULL" else str(error)
        raise RecoveryError(f"{file}: {why}. Nothing was replaced.") from error
    except OSError as error:
        raise RecoveryError(f"{error.filename or file}: {error.strerror}. Nothing was replaced.") from error


def opened(file: Path) -> closing[sqlite3.Connection]:
    """Open a database that is there; it closes with the block."""
    uri = f"{file.absolute().as_uri()}?mode=rw"
    return closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None))


def copy_in_use(source: Path, target: Path) -> None:
    """Copy one moment of a database that servers may be writing to; `target` is new and for its owner only.

    Raises: sqlite3.Error, OSError.
    """
    create_private(target)
    with opened(source) as there, opened(target) as here:
        there.backup(here)  # in one step: a reader of the write-ahead log, which writers do not wait for
    force_to_disk(target)


def force_to_disk(file: Path) -> None:
    """Return when the file is on the disk."""
    with file.open("rb+") as opened_file:
        os.fsync(opened_file.fileno())


def require_whole(file: Path) -> None:
    """Check every page, index and reference of a database. Raises: RecoveryError, sqlite3.Error."""
    with opened(file) as connection:
        said = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        strays = connection.execute("PRAGMA foreign_key_check").fetchmany(1)
    if said != ["ok"] or strays:
        what = "; ".join(said) if said != ["ok"] else f"a row of {strays[0][0]} refers to a missing one"
        raise RecoveryError(f"{file} is damaged ({what}). Nothing was replaced; use another backup.")


def digest_of(file: Path) -> str:
    """Return the SHA-256 of the file's content."""
    digest = sha256()
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def require_unused(file: Path) -> None:
    """Check that no program has the database open. A damaged one counts as unused. Raises: RecoveryError."""
    if not file.exists():
        return
    try:
        with opened(file) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.rollback()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            raise RecoveryError(f"{file} is in use: stop the server first. Nothing was replaced.") from error
        raise
    except sqlite3.DatabaseError:
        return


def exchange(staged: Path, file: Path) -> None:
    """Put a closed database in the place of one that is not in use, at once. Raises: OSError."""
    for ending in ("-wal", "-shm"):  # of the old file: they would be taken for those of the new one
        Path(f"{file}{ending}").unlink(missing_ok=True)
    staged.replace(file)
