"""Runs a release of the official conformance suite, and reads its results.

The suite prints a summary and writes the checks of each scenario to a file; its exit code counts only failed checks of
scored scenarios. `Report.complaints` is stricter: it includes recommendations and skipped checks.
"""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.javascript import node

ALPHA: Final = "conformance-0.2"
STABLE: Final = "conformance-0.1"
"""The names of the two releases in tests/clients/package.json."""
_PATIENCE: Final = Path(__file__).with_name("patience.cjs")
_FOLDER: Final = re.compile(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
_UNSCORED: Final = re.compile(r"^  [✓✗] (\S+) \(", re.MULTILINE)
_FINE: Final = frozenset({"SUCCESS", "INFO"})


@dataclass(frozen=True)
class Report:
    """Results of one run."""

    code: int
    said: str
    checks: Mapping[str, Sequence[Mapping[str, Any]]]
    """The checks of each scenario by name; empty if it was aborted."""

    @property
    def scored(self) -> set[str]:
        """The scenarios that count for a revision; all of them if a whole suite was run."""
        return self.checks.keys() - set(_UNSCORED.findall(self.said))

    def summary(self) -> str:
        """Return the numbers that docs/conformance.md shows."""
        found = Counter(check["status"] for name in self.scored for check in self.checks[name])
        return (
            f"{len(self.scored)} of {len(self.checks)} scenarios scored, with {found['SUCCESS']} checks passed, "
            f"{found['FAILURE']} failed, {found['WARNING']} warned"
        )

    def complaints(self, scenarios: Collection[str]) -> str:
        """Return a line for each check of `scenarios` that did not succeed, and for each scenario without checks."""
        lines = [
            *(f"{scenario}: was not completed" for scenario in scenarios if not self.checks.get(scenario)),
            *(
                f"{scenario}: {check['id']}: {check['status']}: {_reason(check)}"
                for scenario in scenarios
                for check in self.checks.get(scenario, ())
                if check["status"] not in _FINE
            ),
        ]
        return "\n".join(lines)


def _reason(check: Mapping[str, Any]) -> str:
    said = check.get("errorMessage") or check["description"]
    violations = check.get("details", {}).get("violations")  # violations of the protocol's schema have no other text
    return f"{said} {json.dumps(violations)}" if violations else said


async def run_suite(node_modules: Path, release: str, url: str, *arguments: str) -> Report:
    """Run `release` against the server at `url`, as its users do, but with more patience."""
    program = node_modules / release / "dist" / "index.js"
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        done = await node("--require", str(_PATIENCE), str(program), "server", "--url", url, *arguments, "-o", folder)
        report = Report(done.returncode, done.stdout + done.stderr, _read(Path(folder)))
    print(release, *arguments, "-", report.summary())  # shown by `pytest -rP`
    return report


def _read(folder: Path) -> dict[str, Any]:
    return {
        found[1]: json.loads(file.read_text("utf-8")) if (file := one / "checks.json").exists() else []
        for one in folder.iterdir()
        if (found := _FOLDER.fullmatch(one.name))
    }
