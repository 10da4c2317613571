"""Writes the table of docs/licences.md: `python -m tests.image.licences`, then read the diff.

The packages are those of requirements-cloud.txt, which are all installed where the tests run, apart from a few for
other systems. The licences are those that gcp-deploy/sbom.py reads.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from packaging.requirements import Requirement

from tests.processes import ROOT

PAGE: Final = ROOT / "docs" / "licences.md"
SBOM: Final = ROOT / "gcp-deploy" / "sbom.py"
ALLOWED: Final = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"})
"""As SPDX names them. MPL-2.0 asks for the source of its own files only, and certifi is not changed here."""
ELSEWHERE: Final = MappingProxyType(
    {
        "async-timeout": "Apache-2.0",
        "httpx2-jsfetch": "BSD-3-Clause",
        "pywin32": "PSF-2.0",
    }
)
"""The licences of packages that are in no image, because their markers name other systems; read in their wheels."""
_TABLE: Final = re.compile(
    r"(?<=<!-- licences: python -m tests.image.licences -->\n).*?(?=<!-- /licences -->)", re.DOTALL
)


def pinned(compiled: str) -> dict[str, Requirement]:
    """Return the requirements of a compiled list, by name."""
    lines = (line.removesuffix("\\").strip() for line in compiled.splitlines() if re.match(r"[a-z]", line))
    return {one.name: one for one in map(Requirement, lines)}


def components() -> dict[str, dict[str, Any]]:
    """Return the Python packages beside these tests as the bill of materials lists them, by name."""
    printed = subprocess.run(
        [sys.executable, "-"], input=SBOM.read_text("utf-8"), capture_output=True, text=True, check=True, timeout=60
    ).stdout
    listed = json.loads(printed)["components"]
    return {one["name"]: one for one in listed if one["purl"].startswith("pkg:pypi/")}


def licences(compiled: str, known: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the licence of each package of a compiled list; an empty text for one without.

    Args:
        compiled: the text of the list.
        known: the components of a bill of materials, by name.
    """
    return {
        name: ELSEWHERE.get(name) or known.get(name, {}).get("licenses", [{"expression": ""}])[0]["expression"]
        for name in pinned(compiled)
    }


def refused(found: dict[str, str]) -> list[str]:
    """Return the packages whose licence is unknown or not allowed."""
    return [
        name
        for name, expression in found.items()
        if not expression or not set(re.split(r" (?:AND|OR|WITH) ", expression)) <= ALLOWED
    ]


def page(text: str) -> str:
    """Return the text of the page with its table as it is now."""
    compiled = (ROOT / "requirements-cloud.txt").read_text("utf-8")
    versions = {name: str(one.specifier).removeprefix("==") for name, one in pinned(compiled).items()}
    rows = [
        f"| {name} | {versions[name]} | {expression} | {'no' if name in ELSEWHERE else 'yes'} |\n"
        for name, expression in sorted(licences(compiled, components()).items())
    ]
    head = "| package | version | licence (SPDX) | in the image |\n|---|---|---|---|\n"
    return _TABLE.sub(lambda _: head + "".join(rows), text)


if __name__ == "__main__":
    Path(PAGE).write_text(page(PAGE.read_text("utf-8")), "utf-8")
