"""Restores a backup: copies, checks and upgrades each database beside its place, and only then puts it there."""

import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from recovery.backup import Backup
from recovery.files import RecoveryError, exchange, explained, force_to_disk, require_unused, require_whole

Ready = Callable[[Path], Awaitable[None]]
"""Upgrades a database file to this version and checks that the program can use it, or raises why not."""
_STAGED: Final = ".restoring"


async def restore(backup: Backup, places: Mapping[str, Path], ready: Mapping[str, Ready], *, may_replace: bool) -> None:
    """Put each database of `backup` into its place, by its name in the backup.

    The last step exchanges whole files, so a failure before it changes nothing.

    Raises:
        RecoveryError: a place is taken and `may_replace` is not set, its database is in use, a copy is damaged, or the
            disk is full.
        DatabaseNotReadyError: the backup was made by a newer version of this program.
    """
    names = [one.name for one in backup.files]
    for name in names:
        if places[name].exists() and not may_replace:
            raise RecoveryError(
                f"There is a database already: {places[name]}. Nothing was replaced; `--replace` deletes what is in it."
            )
    staged = {name: places[name].with_name(f"{places[name].name}{_STAGED}") for name in names}
    try:
        for name, copy in staged.items():
            await _stage(backup.folder / name, copy, ready[name])
        for name in names:
            with explained(places[name]):
                require_unused(places[name])
        for name, copy in staged.items():
            with explained(places[name]):
                exchange(copy, places[name])
    finally:
        for copy in staged.values():
            _discard(copy)


async def _stage(source: Path, copy: Path, ready: Ready) -> None:
    with explained(copy):
        _copy(source, copy)
        require_whole(copy)
    await ready(copy)
    with explained(copy):
        force_to_disk(copy)


def _copy(source: Path, copy: Path) -> None:
    _discard(copy)
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.touch(mode=0o600)
    shutil.copyfile(source, copy)


def _discard(copy: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{copy}{ending}").unlink(missing_ok=True)
