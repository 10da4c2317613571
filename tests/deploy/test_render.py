"""render.py fills in every file of every layout, and refuses to print one with a value that is missing or wrong."""

import subprocess
import sys
from typing import Final

import pytest
import yaml

from tests.deploy.test_cloud_run import DOOR, FILES, FOLDER, JOB, VALUES, text_of


def render(file: str, *options: str, **values: str) -> subprocess.CompletedProcess[str]:
    """Run the program with VALUES, changed by `values`; an empty value is not set."""
    environment = {name: value for name, value in (VALUES | values).items() if value}
    command = [sys.executable, "-I", str(FOLDER / "render.py"), str(FOLDER / file), *options]
    return subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", errors="strict", timeout=30, check=False
    )


@pytest.mark.parametrize("file", FILES)
def test_every_placeholder_is_filled_in_and_nothing_else_changes(file: str) -> None:
    rendered = render(file)

    assert (rendered.returncode, rendered.stderr) == (0, "")
    expected = text_of(file).replace(
        "OAUTH_CLIENT_ID\n              value: OAUTH_CLIENT_ID", "OAUTH_CLIENT_ID\n              value: @"
    )
    for name in ("PROJECT_NUMBER", "PROJECT_ID", "REGION", "IMAGE", "API_URL", "DOMAIN"):
        expected = expected.replace(name, VALUES[name])
    assert rendered.stdout == expected.replace("value: @", f"value: {VALUES['OAUTH_CLIENT_ID']}")


WRONG: Final = {
    "PROJECT_ID": ["", "X", "my project", "my-project\nevil: true"],
    "PROJECT_NUMBER": ["", "my-project"],
    "REGION": ["", "nowhere", "europe-west1-b"],
    "IMAGE": [
        "",
        "europe-west1-docker.pkg.dev/my-project/apps/mcp-ticket-server:latest",
        "gcr.io/my-project/mcp-ticket-server@sha256:" + "0" * 64,
        "europe-west1-docker.pkg.dev/my-project/apps/mcp-ticket-server@sha256:0",
    ],
    "DOMAIN": ["", "localhost", "https://tickets.example.com", "my_tickets.example\n"],
    "OAUTH_CLIENT_ID": ["", "GOCSPX-the-secret"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_value_that_is_missing_or_wrong_is_named_and_not_shown(name: str, value: str) -> None:
    refused = render(DOOR, **{name: value})

    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"{name} must be " in refused.stderr
    assert not value or value not in refused.stderr


def test_a_value_that_a_file_does_not_need_need_not_be_set() -> None:
    assert render(JOB, DOMAIN="", API_URL="", OAUTH_CLIENT_ID="").returncode == 0
    assert render("existing-api/mcp-ticket-server.yaml", API_URL="").returncode == 2


def test_a_canary_gets_an_address_and_no_requests() -> None:
    options = ("--serving", "mcp-ticket-server-00041-abc", "--tag", "sha-0123abc")

    service = yaml.safe_load(render(DOOR, *options).stdout)

    assert service["spec"]["traffic"] == [
        {"revisionName": "mcp-ticket-server-00041-abc", "percent": 100},
        {"latestRevision": True, "percent": 0, "tag": "sha-0123abc"},
    ]
    assert service["spec"]["template"] == yaml.safe_load(render(DOOR).stdout)["spec"]["template"]


@pytest.mark.parametrize(
    ("file", "options", "sentence"),
    [
        (JOB, ("--serving", "a", "--tag", "b"), "only a service has traffic"),
        (DOOR, ("--serving", "a: b", "--tag", "b"), "a revision and a tag have"),
        (DOOR, ("--serving", "a", "--tag", "B\n"), "a revision and a tag have"),
        (DOOR, ("--tag", "b"), "--serving and --tag belong together"),
        ("no-such-file.yaml", (), "No such file"),
    ],
)
def test_traffic_that_cannot_be_split_is_refused(file: str, options: tuple[str, ...], sentence: str) -> None:
    refused = render(file, *options)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert sentence in refused.stderr
