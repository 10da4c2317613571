"""Each package of the image has a licence that is allowed, and is listed; the bill of materials has its form."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.image.licences import ALLOWED, ELSEWHERE, PAGE, SBOM, components, licences, page, pinned, refused
from tests.processes import ROOT


def compiled() -> str:
    return (ROOT / "requirements-cloud.txt").read_text("utf-8")


def test_the_page_lists_every_package_with_its_licence() -> None:
    text = PAGE.read_text("utf-8")

    assert page(text) == text, "run `python -m tests.image.licences`, then read the diff"
    assert all(f"| {name} | " in text for name in pinned(compiled()))
    assert all(name in text for name in ALLOWED)


def test_every_licence_is_allowed() -> None:
    assert refused(licences(compiled(), components())) == []


@pytest.mark.parametrize("expression", ["GPL-3.0-only", "MIT AND GPL-3.0-only", "LicenseRef-Proprietary", ""])
def test_another_licence_is_refused(expression: str) -> None:
    known: dict[str, dict[str, Any]] = {"planted": {"licenses": [{"expression": expression}]}}

    assert refused(licences("planted==1.0 \\\n", known)) == ["planted"]
    assert refused(licences("planted==1.0 \\\n", {})) == ["planted"], "not installed, so nothing is known about it"


def test_what_is_said_not_to_be_in_the_image_is_for_other_systems() -> None:
    found = pinned(compiled())
    image = {"sys_platform": "linux", "python_full_version": "3.13.16", "platform_python_implementation": "CPython"}

    for name in ELSEWHERE:
        marker = found[name].marker
        assert marker is not None
        assert not marker.evaluate({**image, "implementation_name": "cpython"})


def test_the_bill_of_materials_has_the_form_of_cyclonedx_and_is_the_same_each_time() -> None:
    first, second = (
        subprocess.run(
            [sys.executable, "-"], input=SBOM.read_text("utf-8"), capture_output=True, text=True, check=True, timeout=60
        ).stdout
        for _ in range(2)
    )
    bill = json.loads(first)

    assert first == second
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert len({one["bom-ref"] for one in bill["components"]}) == len(bill["components"])
    assert all(one["name"] and one["version"] and one["purl"] == one["bom-ref"] for one in bill["components"])
    assert "pkg:pypi/mcp@" in first
