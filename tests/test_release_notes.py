"""The notes of a release: those of its version in CHANGELOG.md, if the tag and every place with a version agree."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.processes import ROOT

FILES: Final = ("CHANGELOG.md", "pyproject.toml", "shared/server.py", ".ci/release_notes.py")
CHANGELOG: Final = """# Changelog

## Unreleased

## 1.2.3 - 2026-11-30

### Added
- Something.

## 1.2.2 - 2026-11-01

### Fixed
- Something else.
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The places with a version, all of 1.2.3."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, "utf-8")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n', "utf-8")
    (tmp_path / "shared" / "server.py").write_text('VERSION: Final = "1.2.3"\n', "utf-8")
    return tmp_path


def notes(checkout: Path, tag: str) -> tuple[int, str]:
    """Return the exit code, and the notes or what is wrong."""
    command = [sys.executable, str(checkout / ".ci" / "release_notes.py"), tag]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stdout or done.stderr


def test_the_notes_are_the_changes_of_the_version(checkout: Path) -> None:
    assert notes(checkout, "v1.2.3") == (0, "### Added\n- Something.\n")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("CHANGELOG.md", "## 1.2.3 -", "## 1.2.4 -", "no section `## 1.2.3 - YYYY-MM-DD`"),
        ("CHANGELOG.md", "## 1.2.3 - 2026-11-30", "## 1.2.3", "no section `## 1.2.3 - YYYY-MM-DD`"),
        ("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n- More.\n", "changes under `Unreleased`"),
        ("pyproject.toml", "1.2.3", "1.2.2", "pyproject.toml says 1.2.2, the tag v1.2.3."),
        ("shared/server.py", "1.2.3", "1.2.2", "shared/server.py says 1.2.2, the tag v1.2.3."),
    ],
)
def test_a_place_with_another_version_is_named(checkout: Path, file: str, old: str, new: str, said: str) -> None:
    path = checkout / file
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")

    code, printed = notes(checkout, "v1.2.3")

    assert (code, said in printed) == (1, True)


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3-rc1"])
def test_a_tag_of_another_form_is_refused(checkout: Path, tag: str) -> None:
    assert notes(checkout, tag) == (1, f"The tag {tag} is not of the form v1.2.3.\n")


def test_the_places_are_found_in_this_checkout() -> None:
    """Whatever their version is: none of the three is missing."""
    code, printed = notes(ROOT, "v999.0.0")

    assert code == 1
    assert "nothing" not in printed
    assert len([line for line in printed.splitlines() if "999.0.0" in line]) == 3
