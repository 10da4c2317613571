"""The compiled requirements match the short lists they are compiled from. Offline: nothing is resolved here.

Each requirements*.txt pins, with hashes, everything its requirements*.in lists, nothing that no list needs any more,
and the same versions as the other sets. How to compile them: CONTRIBUTING.md.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).resolve().parent.parent
SETS: Final = ("requirements", "requirements-cloud", "requirements-dev")
CLIENTS: Final = ROOT / "tests" / "interop" / "environments"
PEERS: Final = ROOT / "tests" / "peers" / "environments"
ALL: Final = [
    *((ROOT, stem) for stem in SETS),
    *((CLIENTS, stem) for stem in ("python-v1", "python-v2", "converters", "judges")),
    *((PEERS, stem) for stem in ("newest", "before-2")),
    *((ROOT / "bench" / "environments", stem) for stem in ("fastmcp", "toolbox")),
]
LOCKED: Final = [CLIENTS / "node", ROOT / "tests" / "clients"]
SYSTEMS: Final = ("linux", "darwin", "win32")


@dataclass(frozen=True)
class Wish:
    """One line of a requirements*.in file."""

    requirement: Requirement
    source: str
    reason: str


@dataclass(frozen=True)
class Pin:
    """One entry of a requirements*.txt file."""

    version: Version
    marker: Marker | None
    hashes: tuple[str, ...]
    asked_by: frozenset[str]
    """The requirements*.in files that list it by name; empty if only other packages need it."""


def wishes(path: Path) -> Iterator[Wish]:
    """Yield the requirements of `path` and of the files it includes."""
    for line in path.read_text("utf-8").splitlines():
        text, _, reason = line.partition("#")
        if included := re.fullmatch(r"-r (\S+)\s*", text):
            yield from wishes(path.parent / included[1])
        elif text.strip():
            yield Wish(Requirement(text), path.name, reason.strip())


def pins(path: Path) -> dict[str, Pin]:
    """Return the entries of a compiled file by normalized name."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", "\n" + path.read_text("utf-8"))[1:]
    return dict(map(parse_pin, entries))  # a name never occurs twice: one set of versions fits all Pythons


def parse_pin(entry: str) -> tuple[str, Pin]:
    """Return name and pin of one entry: the pinned requirement, its hashes, and comments that name its dependants."""
    requirement = Requirement(re.split(r"\s\\\n|\n", entry, maxsplit=1)[0])
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", entry
    return canonicalize_name(requirement.name), Pin(
        Version(specifier.version),
        requirement.marker,
        tuple(re.findall(r"--hash=(sha256:[0-9a-f]{64})\b", entry)),
        frozenset(re.findall(r"-r (\S+\.in)\b", entry)),
    )


def complaints(folder: Path, stem: str) -> list[str]:
    """Return one sentence for each mismatch of `stem`.txt and `stem`.in, and for each missing bound, hash or reason."""
    asked, pinned = list(wishes(folder / f"{stem}.in")), pins(folder / f"{stem}.txt")
    known = {(canonicalize_name(wish.requirement.name), wish.source) for wish in asked}
    return [
        *(sentence for wish in asked for sentence in unmet(wish, pinned)),
        *(f"{w.requirement.name} has no reason in {w.source}" for w in asked if not w.reason),
        *(f"{w.requirement.name} has no upper bound in {w.source}" for w in asked if not is_bounded(w.requirement)),
        *(f"{name} has no hash" for name, pin in pinned.items() if not pin.hashes),
        *(
            f"{name} is no longer asked for by {source}"
            for name, pin in pinned.items()
            for source in pin.asked_by
            if (name, source) not in known
        ),
    ]


def unmet(wish: Wish, pinned: Mapping[str, Pin]) -> Iterator[str]:
    """Yield how `pinned` fails to satisfy `wish`."""
    name = canonicalize_name(wish.requirement.name)
    pin = pinned.get(name)
    if pin is None:
        yield f"{name} is not pinned"
    elif pin.version not in wish.requirement.specifier:
        yield f"{name} is pinned to {pin.version}, asked for is {wish.requirement.specifier}"
    elif any(holds(wish.requirement.marker, on) and not holds(pin.marker, on) for on in SYSTEMS):
        yield f"{name} is asked for on more systems than it is pinned for"


def is_bounded(requirement: Requirement) -> bool:
    """Return whether the next major release is excluded until it is allowed explicitly."""
    return any(specifier.operator in {"<", "=="} for specifier in requirement.specifier)


def holds(marker: Marker | None, system: str) -> bool:
    """Return whether a requirement with `marker` applies to `system`."""
    return marker is None or marker.evaluate({"sys_platform": system})


@pytest.mark.parametrize(("folder", "stem"), ALL)
def test_the_compiled_file_fits_its_list(folder: Path, stem: str) -> None:
    assert "\n".join(complaints(folder, stem)) == "", "compile again, see CONTRIBUTING.md"


@pytest.mark.parametrize("folder", LOCKED, ids=lambda folder: folder.name)
def test_a_lock_file_fits_its_list_and_names_no_registry(folder: Path) -> None:
    asked = json.loads((folder / "package.json").read_text("utf-8"))["dependencies"]
    packages = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]

    assert packages.pop("")["dependencies"] == asked
    exact = {name: wish.rpartition("@")[2] for name, wish in asked.items()}  # an alias is npm:NAME@VERSION
    assert {name: packages[f"node_modules/{name}"]["version"] for name in asked} == exact
    assert [name for name, package in packages.items() if "resolved" in package or "integrity" not in package] == []


def test_the_package_requires_what_the_lists_do() -> None:
    """`uvx` and `pip install` read pyproject.toml: without a bound there, a release of others could break a start."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]

    assert [*map(Requirement, stated)] == [wish.requirement for wish in wishes(ROOT / "requirements-cloud.in")]


@pytest.mark.parametrize(("smaller", "larger"), list(pairwise(SETS)))
def test_a_set_contains_the_smaller_one_at_the_same_versions(smaller: str, larger: str) -> None:
    below, above = pins(ROOT / f"{smaller}.txt"), pins(ROOT / f"{larger}.txt")

    assert {name: pin.version for name, pin in below.items()} == {
        name: pin.version for name, pin in above.items() if name in below
    }


@pytest.mark.parametrize("stem", SETS)
def test_extras_that_packages_ask_for_are_in_the_pins(stem: str) -> None:
    """In hash mode, pip before 24 refuses an extra that only another package asks for, such as `coverage[toml]`."""
    lines = re.findall(r"^([\w.-]+(?:\[.*?\])?)==", (ROOT / f"{stem}.txt").read_text("utf-8"), re.MULTILINE)
    extras = {canonicalize_name(one.name): one.extras for one in map(Requirement, lines)}
    asked = (
        wish
        for name in extras
        for wish in map(Requirement, installed_requires(name))
        if wish.marker is None or any(wish.marker.evaluate({"extra": extra}) for extra in ("", *extras[name]))
    )

    assert [str(wish) for wish in asked if not wish.extras <= extras.get(canonicalize_name(wish.name), set())] == []


def installed_requires(name: str) -> list[str]:
    """Return what a package requires; nothing if it is for another system."""
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


LIST: Final = "one>=1,<2 # needed\ntwo==2.5; sys_platform != 'win32' # needed\n"
COMPILED: Final = f"""\
one==1.5 \\
    --hash=sha256:{"1" * 64} \\
    --hash=sha256:{"2" * 64}
    # via
    #   -r requirements.in
    #   two
three==3.0 \\
    --hash=sha256:{"3" * 64}
    # via one
two==2.5 ; sys_platform != 'win32' \\
    --hash=sha256:{"4" * 64}
    # via -r requirements.in
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("", "", None),
        ("one>=1,<2 # needed", "four<5 # new", "four is not pinned"),
        ("one>=1,<2", "one>=1.6,<2", "one is pinned to 1.5, asked for is <2,>=1.6"),
        ("two==2.5; sys_platform != 'win32'", "two==2.5", "two is asked for on more systems than it is pinned for"),
        ("one>=1,<2", "one>=1", "one has no upper bound in requirements.in"),
        ("# needed\ntwo", "\ntwo", "one has no reason in requirements.in"),
        ("one>=1,<2 # needed\n", "", "one is no longer asked for by requirements.in"),
        (f" \\\n    --hash=sha256:{'3' * 64}", "", "three has no hash"),
    ],
)
def test_a_stale_file_is_found(tmp_path: Path, old: str, new: str, complaint: str | None) -> None:
    (tmp_path / "requirements.in").write_text(LIST.replace(old, new), "utf-8")
    (tmp_path / "requirements.txt").write_text(COMPILED.replace(old, new), "utf-8")

    found = complaints(tmp_path, "requirements")
    assert complaint in found if complaint else not found
