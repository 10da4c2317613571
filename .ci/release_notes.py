#!/usr/bin/env python3
"""Prints the notes of a release, from CHANGELOG.md: `.ci/release_notes.py v1.2.3`. Standard library only.

Exits with 1, and a sentence for each, if the tag and the three places with a version do not agree, or if something in
CHANGELOG.md is not part of a release yet.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
TAG: Final = re.compile(r"v([0-9]+\.[0-9]+\.[0-9]+)")
SECTION: Final = re.compile(r"(?ms)^## (Unreleased|\S+(?= - \d{4}-\d{2}-\d{2}$))[^\n]*\n(.*?)(?=^## |\Z)")


def sections(changelog: str) -> dict[str, str]:
    """Return the text of each section by its version; that of what is not released by `Unreleased`."""
    return {version: body.strip() for version, body in SECTION.findall(changelog)}


def complaints(root: Path, tag: str) -> Iterator[str]:
    """Yield what does not agree with the tag."""
    if not (matched := TAG.fullmatch(tag)):
        yield f"The tag {tag} is not of the form v1.2.3."
        return
    changes = sections((root / "CHANGELOG.md").read_text("utf-8"))
    in_code = re.search(r'(?m)^VERSION: Final = "([^"]+)"', (root / "shared" / "server.py").read_text("utf-8"))
    packaged = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    places = {"pyproject.toml": packaged, "shared/server.py": in_code[1] if in_code else "nothing"}
    yield from (f"{file} says {found}, the tag {tag}." for file, found in places.items() if found != matched[1])
    if not changes.get(matched[1]):
        yield f"CHANGELOG.md has no section `## {matched[1]} - YYYY-MM-DD` with changes."
    if changes.get("Unreleased"):
        yield "CHANGELOG.md has changes under `Unreleased`: they are part of this tag, so of its section."


def main(tag: str) -> int:
    """Print the notes, or what does not agree; return the exit code."""
    if found := list(complaints(ROOT, tag)):
        print("\n".join(found), file=sys.stderr)
        return 1
    print(sections((ROOT / "CHANGELOG.md").read_text("utf-8"))[tag[1:]])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
