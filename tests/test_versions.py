"""The number of a release stands in several places, which agree; so does what docs/upgrade.md says of the newest."""

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest
from alembic.script import ScriptDirectory

from auth.store.migrate import MIGRATIONS as OF_IDENTITY
from shared.server import VERSION
from shared.storage.migrations import Migrations
from ticket_api.migrate import MIGRATIONS as OF_TICKETS
from transport.sessions.valkey.scripts import LAYOUT

ROOT: Final = Path(__file__).resolve().parent.parent
SECTION: Final = re.compile(r"^## (.+)$", re.MULTILINE)
RELEASE: Final = re.compile(r"(\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d")
ROW: Final = re.compile(r"^\| (\d+\.\d+\.\d+|Unreleased) \| `(\w+)` \| `(\w+)` \| (\d+) \|$", re.MULTILINE)


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def released(changelog: str) -> list[str]:
    """Return the releases of a changelog, newest first. Raises: ValueError: its form is not ours."""
    first, *others = SECTION.findall(changelog)
    found = [RELEASE.fullmatch(one) for one in others]
    if first != "Unreleased" or not found or not all(found):
        raise ValueError(f"the sections must be Unreleased, then X.Y.Z - YYYY-MM-DD each, not {[first, *others]}")
    releases = [one[1] for one in found if one]
    if releases != sorted(releases, key=lambda name: [*map(int, name.split("."))], reverse=True):
        raise ValueError(f"the newest release is not first: {releases}")
    return releases


def head_of(migrations: Migrations) -> str:
    return str(ScriptDirectory.from_config(migrations._config()).get_current_head())


def test_the_program_the_package_and_the_changelog_name_one_version() -> None:
    package = tomllib.loads(read("pyproject.toml"))["project"]["version"]

    assert [package, released(read("CHANGELOG.md"))[0]] == [VERSION, VERSION]


@pytest.mark.parametrize("sections", [
    ("1.0.0 - 2026-11-30",),
    ("Unreleased",),
    ("Unreleased", "1.0.0"),
    ("Unreleased", "1.0.0 - 2026-11-30", "1.1.0 - 2026-12-30"),
    ("Unreleased", "1.9.0 - 2026-11-30", "1.10.0 - 2026-12-30"),
])  # fmt: skip
def test_a_changelog_of_another_form_is_found(sections: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"the sections must be|the newest release is not first"):
        released("".join(f"## {name}\n\n" for name in sections))


def test_the_upgrade_page_has_a_row_for_each_release_and_the_last_is_this_program() -> None:
    rows = ROW.findall(read("docs/upgrade.md"))

    assert [row[0] for row in rows if row[0] != "Unreleased"] == released(read("CHANGELOG.md"))[::-1]
    assert rows[-1][1:] == (head_of(OF_TICKETS), head_of(OF_IDENTITY), str(LAYOUT))
