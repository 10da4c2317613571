"""The scripts that ship a change, go back and build the image, with a stand-in for gcloud and a real server."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.platform import SERVICE, Platform, Revision, exposed, prometheus
from tests.processes import KEY, ROOT, environment, http_door

FOLDER: Final = ROOT / "gcp-deploy"
IMAGE: Final = f"europe-west1-docker.pkg.dev/a-project/apps/mcp-ticket-server@sha256:{'0' * 64}"
VALUES: Final = {
    "PROJECT_ID": "a-project",
    "PROJECT_NUMBER": "123",
    "REGION": "europe-west1",
    "IMAGE": IMAGE,
    "DOMAIN": "tickets.example.com",
    "OAUTH_CLIENT_ID": "1-a.apps.googleusercontent.com",
}
HASTE: Final = ("--every", "0.3", "--watch", "1.5", "--min-requests", "100", "--deadline", "20")
CLOSED: Final = "http://127.0.0.1:9"


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    platform = Platform(tmp_path)
    platform.change(key=KEY)
    return platform


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that works: both revisions."""
    with http_door(tmp_path_factory.mktemp("door")) as (address, _):
        yield address


def run(platform: Platform, script: str, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
    """Run a script of gcp-deploy."""
    env = environment(PATH=platform.path()) | values
    command = [str(FOLDER / script), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=90)


def upgrade(platform: Platform, url: str, *, metrics: str = CLOSED, **values: str) -> tuple[int, str]:
    """Upgrade the layout `production`; returns the exit code and the output."""
    given = VALUES | {"SERVER_URL": url, "CANARY_URL": url, "PROMETHEUS_URL": metrics} | values
    patience = "1" if metrics == CLOSED else "20"
    done = run(platform, "upgrade.sh", "production", *HASTE, "--max-blind", patience, **given)
    return done.returncode, done.stdout + done.stderr


def changes(platform: Platform) -> list[str]:
    """Return the commands that changed something, without options and folders."""
    words = [
        [Path(word).name for word in call.split() if not word.startswith("--")] for call in platform.read()["calls"]
    ]
    return [" ".join(call[1:]) for call in words if call[0] == "run" and "describe" not in call]


@pytest.mark.debian("prometheus")
def test_a_change_is_migrated_staged_tried_and_released_in_this_order(platform: Platform, door: str) -> None:
    revisions = (Revision("old"), Revision("new"))
    with exposed(platform, *revisions) as target, prometheus(platform.folder, target) as metrics:
        code, said = upgrade(platform, door, metrics=metrics)

    assert code == 0, said
    assert changes(platform) == [
        "jobs replace ticket-api-migrate.yaml",
        "jobs execute ticket-api-migrate",
        "jobs replace identity-migrate.yaml",
        "jobs execute identity-migrate",
        "services replace ticket-api.yaml",
        "services update-traffic ticket-api",
        "services replace collected.yaml",
        "services update-traffic mcp-ticket-server",
        "services update-traffic mcp-ticket-server",
    ]
    assert platform.read()["services"][SERVICE]["has_collector"], "otherwise the next canary has no metrics"
    assert platform.divisions() == ["new=5,old=95", "new=100"]
    for service in (SERVICE, "ticket-api"):
        assert platform.shares(service) == {"new": 100}
        assert platform.tags(service)["previous"] == "old"
    assert said.count("serves HTTP+SSE.") == 2, "before and after"

    back = run(platform, "rollback.sh", "production", REGION="europe-west1")
    assert back.returncode == 0
    assert [platform.shares(service) for service in (SERVICE, "ticket-api")] == [{"old": 100}] * 2


@pytest.mark.parametrize(
    ("refused", "key", "last"),
    [
        (["jobs execute identity-migrate"], KEY, "jobs execute identity-migrate"),
        ([], "not-the-key-of-this-server-0123456789", "services update-traffic ticket-api"),
        (["services replace"], KEY, "services replace ticket-api.yaml"),
    ],
    ids=["migration", "smoke-test", "start"],
)
def test_a_step_that_fails_puts_everything_back(
    platform: Platform, door: str, refused: list[str], key: str, last: str
) -> None:
    platform.change(refused=refused, key=key)

    code, said = upgrade(platform, door)

    assert code != 0
    assert said.rstrip().endswith("The upgrade failed; the lines above say why.")
    assert changes(platform)[-1] == last
    assert "new=5,old=95" not in platform.divisions()
    assert [platform.shares(service) for service in (SERVICE, "ticket-api")] == [{"old": 100}] * 2
    assert key not in said


def test_a_canary_that_aborts_takes_the_ticket_api_with_it(platform: Platform, door: str) -> None:
    code, said = upgrade(platform, door, metrics=CLOSED)  # metrics that do not come are an abort

    assert code == 1
    assert "Aborted: new: Prometheus has not answered" in said
    assert platform.divisions() == ["new=5,old=95", "old=100"]
    assert platform.shares("ticket-api") == {"old": 100}


def test_ctrl_c_puts_everything_back(platform: Platform, door: str) -> None:
    values = VALUES | {"SERVER_URL": door, "CANARY_URL": door, "PROMETHEUS_URL": CLOSED}
    command = [str(FOLDER / "upgrade.sh"), "production", "--every=60"]
    env = environment(PATH=platform.path()) | values
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout
        for line in running.stdout:
            if "new has 5 %" in line:
                os.killpg(running.pid, signal.SIGINT)  # as a terminal does
        code = running.wait(30)

    assert code == 130
    assert [platform.shares(service) for service in (SERVICE, "ticket-api")] == [{"old": 100}] * 2


@pytest.mark.parametrize(("name", "value"), [("DOMAIN", ""), ("IMAGE", "europe-west1-docker.pkg.dev/a/b/c:latest")])
def test_nothing_is_changed_while_a_value_is_missing_or_wrong(
    platform: Platform, door: str, name: str, value: str
) -> None:
    code, said = upgrade(platform, door, **{name: value})

    assert code == 2
    assert f"{name} must be" in said
    assert changes(platform) == []


def test_a_pilot_is_not_upgraded_by_canary_as_it_has_no_metrics(platform: Platform) -> None:
    done = run(platform, "upgrade.sh", "pilot", **VALUES)

    assert (done.returncode, changes(platform)) == (2, [])
    assert "use deploy.sh" in done.stderr


def test_a_rollback_of_a_layout_without_a_ticket_api_and_to_a_named_revision(platform: Platform) -> None:
    platform.set_service(tags={"previous": "older"})

    assert run(platform, "rollback.sh", "existing-api", REGION="europe-west1").returncode == 0
    assert platform.shares() == {"older": 100}

    named = run(platform, "rollback.sh", "production", "ticket-api", "oldest", REGION="europe-west1")
    assert named.returncode == 0
    assert platform.shares("ticket-api") == {"oldest": 100}
    unnamed = run(platform, "rollback.sh", "existing-api", SERVICE, "", REGION="europe-west1")
    assert unnamed.returncode == 0, "the workflow passes an empty revision"


DOCKER: Final = """#!/bin/bash
echo "docker $1" >>"{folder}/docker.log"
[[ $1 != push ]] || touch "{folder}/pushed"
"""
REGISTRY: Final = """#!/bin/bash
[[ $1 != artifacts ]] || {{ [[ -e "{folder}/pushed" ]] && echo sha256:abc; }}
"""


def test_an_image_is_built_once(platform: Platform) -> None:
    platform.install("docker", DOCKER.format(folder=platform.folder))
    platform.install("gcloud", REGISTRY.format(folder=platform.folder))
    values = {"PROJECT_ID": "a-project", "REGION": "europe-west1"}

    images = [run(platform, "image.sh", **values).stdout for _ in range(2)]

    assert images == ["europe-west1-docker.pkg.dev/a-project/apps/mcp-ticket-server@sha256:abc\n"] * 2
    assert (platform.folder / "docker.log").read_text("utf-8") == "docker build\ndocker push\n"
