"""Makes a backup of the SQLite files of one machine: a folder with a copy of each, and `backup.json` about them.

The folder appears under its name when it is complete. It holds no secret: MCP_IDENTITY_KEYS, without which the copy of
the identity store is useless, is kept elsewhere.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from recovery.files import RecoveryError, copy_in_use, digest_of, explained, require_whole

ABOUT: Final = "backup.json"
FORMAT: Final = 1
TICKETS: Final = "tickets.sqlite3"
IDENTITY: Final = "identity.sqlite3"


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A database in a backup."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup: its folder, when it was made, and the databases in it."""

    folder: Path
    made_at: str
    files: tuple[CopiedFile, ...]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what a backup says about itself, and check that its files are as they were. Raises: RecoveryError."""
        with explained(folder / ABOUT):
            text = (folder / ABOUT).read_text("utf-8")
        try:
            about: dict[str, Any] = json.loads(text)
            if about["format"] != FORMAT:
                raise RecoveryError(
                    f"{folder} was made by a newer version of this program. Nothing was replaced; update the program."
                )
            found = cls(folder, about["made_at"], tuple(CopiedFile(**one) for one in about["files"]))
        except (ValueError, KeyError, TypeError) as error:
            raise RecoveryError(f"{folder / ABOUT} is damaged. Nothing was replaced; use another backup.") from error
        for one in found.files:
            file = folder / one.name
            with explained(file):
                is_same = file.stat().st_size == one.size and digest_of(file) == one.sha256
            if one.name not in {TICKETS, IDENTITY} or not is_same:
                raise RecoveryError(f"{file} is not as it was backed up. Nothing was replaced; use another backup.")
        return found


def make_backup(databases: Mapping[str, Path], parent: Path, now: datetime) -> Backup:
    """Copy each database, by its name in the backup, into a new folder of `parent`; check each copy.

    Each copy is of a moment of its own, within the seconds that the backup takes.

    Raises:
        RecoveryError: a database cannot be read or is damaged, or the disk is full. Nothing is left behind.
    """
    folder = parent / f"backup-{now:%Y%m%dT%H%M%S-%f}"
    unfinished = parent / f"{folder.name}.unfinished"
    try:
        with explained(unfinished):
            unfinished.mkdir(parents=True, mode=0o700)
            files = [_copied(source, unfinished / name) for name, source in databases.items()]
            made = Backup(folder, now.isoformat(), tuple(files))
            about = {"format": FORMAT, "made_at": made.made_at, "files": [asdict(one) for one in files]}
            _write(unfinished / ABOUT, json.dumps(about, indent=2))
            unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return made


def _copied(source: Path, target: Path) -> CopiedFile:
    if not source.exists():
        raise RecoveryError(f"There is no database {source}: check MCP_DATABASE_URL.")
    copy_in_use(source, target)
    require_whole(target)
    return CopiedFile(target.name, target.stat().st_size, digest_of(target))


def _write(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as opened_file:
        opened_file.write(f"{text}\n")
        opened_file.flush()
        os.fsync(opened_file.fileno())
