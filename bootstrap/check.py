"""Checks the environment that runs it: every pin is installed, whole, and can be imported. Prints what is wrong.

    PYTHON -I bootstrap/check.py REQUIREMENTS

Exit code 0 and the folders of the distributions, or 1 and one line for each problem. That pip ended well is not enough:
it may have installed somewhere else.
"""

import importlib
import re
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from pathlib import Path
from typing import Final

from pip._vendor.packaging.markers import Marker

_PIN: Final = re.compile(
    r"^(?P<name>[\w.-]+)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)(?: *; *(?P<marker>[^\\\n]+))?", re.MULTILINE
)
_NOT_IMPORTED: Final = frozenset({"setuptools"})
"""It cannot be imported once anything has imported the `distutils` of Python, and nothing here imports it."""
_NOT_MODULES: Final = re.compile(r"\W|^_|^tests?$|^docs?$|^examples?$|^scripts?$|^bin$")


def pins(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the version of every pin that applies to this Python and platform."""
    for pin in _PIN.finditer(text):
        if not pin["marker"] or Marker(pin["marker"].strip()).evaluate():
            yield pin["name"], pin["version"]


def problems(found: Distribution, version: str) -> Iterator[str]:
    """Yield what is wrong with one installed distribution."""
    name = found.metadata["Name"]
    if found.version != version:
        yield f"{name} is {found.version}, not {version}"
        return
    files = files_of(found)
    for file in files:
        if not _is_whole(Path(str(file.locate())), file.size):
            yield f"{name} lacks {file}, or a part of it"
            return
    if name in _NOT_IMPORTED:
        return
    yield from _import_problems(name, {file.parts[0].removesuffix(".py") for file in files if file.suffix == ".py"})


def files_of(found: Distribution) -> list[PackagePath]:
    """Return the files of a distribution that lie among the packages; its scripts lie elsewhere."""
    return [file for file in found.files or [] if ".." not in file.parts]


def _is_whole(path: Path, size: int | None) -> bool:
    return path.exists() and (size is None or path.stat().st_size == size)


def _import_problems(name: str, modules: set[str]) -> Iterator[str]:
    for module in sorted(modules):
        if not _NOT_MODULES.search(module):
            try:
                importlib.import_module(module)
            except Exception as error:  # noqa: BLE001 - whatever its code does, it is what the server would meet
                yield f"{name} cannot be imported: {error!r}"


def main(requirements: str) -> int:
    """Check all pins; return the exit code."""
    warnings.simplefilter("ignore")
    wrong: list[str] = []
    right: list[str] = []
    for name, version in pins(Path(requirements).read_text("utf-8")):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            wrong.append(f"{name} is not installed")
            continue
        wrong.extend(problems(found, version))
        right.extend({file.parts[0] for file in files_of(found) if file.parts[0].endswith(".dist-info")})
    print("\n".join(wrong or right))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
