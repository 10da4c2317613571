"""Releases of this program out of its git history, to start them beside this one.

A release is the commit that its tag names, else the newest commit with the subject `Release X.Y.Z`. A clone without
that part of the history cannot run them: those tests are listed at the end of the run, and in CI they fail.
"""

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Final

import pytest

from tests.debian import not_run
from tests.processes import ROOT

PREVIOUS: Final = "1.0.0"
"""The release from which deployments upgrade to this program, and to which they go back."""


class MissingHistoryError(Exception):
    """The clone does not have the commit of a release; the text says what to do."""


def commit_of(version: str, *, repository: Path = ROOT) -> str:
    """Return the commit of a release, for example of `1.0.0`. Raises: MissingHistoryError."""
    tagged = _git(repository, "rev-parse", "--verify", "--quiet", f"refs/tags/v{version}^{{commit}}")
    if tagged.returncode == 0:
        return tagged.stdout.decode().strip()
    log = _git(repository, "log", "--format=%H %s", "HEAD").stdout.decode()
    for line in log.splitlines():
        commit, _, subject = line.partition(" ")
        if subject == f"Release {version}":
            return commit
    raise MissingHistoryError(
        f"the history has no tag v{version} and no commit `Release {version}`: `git fetch --unshallow --tags` gets "
        "them (actions/checkout: fetch-depth: 0)"
    )


def check_out(version: str, folder: Path, *, repository: Path = ROOT) -> Path:
    """Write the files of a release into `folder`, whose programs run there; return it. Raises: MissingHistoryError."""
    archive = _git(repository, "archive", "--format=tar", commit_of(version, repository=repository))
    archive.check_returncode()
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def previous_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the release before this program, in which its programs are started."""
    try:
        return check_out(PREVIOUS, tmp_path_factory.mktemp("release"))
    except MissingHistoryError as error:
        not_run(str(error))


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", repository, *arguments], capture_output=True, timeout=60, check=False)
