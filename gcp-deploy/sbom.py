"""Prints the bill of materials of the environment it runs in, as CycloneDX 1.6 JSON: for the image, run it inside.

    docker run --rm --interactive IMAGE python - < gcp-deploy/sbom.py > sbom.cdx.json

Lists Python, the packages beside it and, on Debian, the installed packages of the system. It uses only the standard
library, names no time and no random number, and so prints the same for the same image.

Sources: CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/); package URLs (https://github.com/package-url/purl-spec);
licences as SPDX expressions, from `License-Expression` (PEP 639), the trove classifiers or the field `License`.
"""

import json
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

DPKG: Final = Path("/var/lib/dpkg/status")
OF_CLASSIFIER: Final = MappingProxyType(
    {
        "Apache Software License": "Apache-2.0",
        "BSD License": "BSD-3-Clause",
        "ISC License (ISCL)": "ISC",
        "MIT License": "MIT",
        "MIT No Attribution License (MIT-0)": "MIT-0",
        "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
        "Python Software Foundation License": "PSF-2.0",
    }
)
OF_WORDS: Final = MappingProxyType(
    {"Apache 2.0": "Apache-2.0", "MIT license": "MIT", "3-Clause BSD License": "BSD-3-Clause"}
)
_SPDX: Final = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")


def licence(package: Distribution) -> str:
    """Return the SPDX expression of a package's licence, or an empty text if its metadata has none."""
    metadata = package.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classifiers = [text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier", []) if "License ::" in text]
    if known := sorted({OF_CLASSIFIER[text] for text in classifiers if text in OF_CLASSIFIER}):
        return " OR ".join(known)
    words = "".join(metadata.get_all("License", []))
    words = OF_WORDS.get(words, words)
    return words if _SPDX.fullmatch(words) else ""


def packages() -> Iterator[dict[str, Any]]:
    """Yield a component for each package that this Python can import."""
    for package in distributions():
        name = re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()
        expression = licence(package)
        yield component("library", name, package.version, f"pkg:pypi/{name}@{package.version}", expression)


def system() -> Iterator[dict[str, Any]]:
    """Yield a component for each installed Debian package, if this is Debian; their licences are in /usr/share/doc."""
    entries = DPKG.read_text("utf-8").split("\n\n") if DPKG.exists() else []
    for entry in entries:
        fields = dict(re.findall(r"^(Package|Version|Architecture|Status): (.*)$", entry, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={fields['Architecture']}"
            yield component("library", name, version, purl, "")


def component(kind: str, name: str, version: str, purl: str, expression: str) -> dict[str, Any]:
    """Return a component as CycloneDX writes it."""
    named = {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return named | ({"licenses": [{"expression": expression}]} if expression else {})


def bill() -> dict[str, Any]:
    """Return the bill of materials of this environment."""
    version = platform.python_version()
    python = component("platform", "python", version, f"pkg:generic/python@{version}", "PSF-2.0")
    found = {one["bom-ref"]: one for one in (python, *packages(), *system())}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "mcp-ticket-server"}},
        "components": sorted(found.values(), key=lambda one: one["bom-ref"]),
    }


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)
