"""`gcp-deploy/monitoring/apply.sh` with stand-ins for gcloud and curl, which keep what they are given."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.deploy.alert_rules import FOLDER

SCRIPT: Final = FOLDER / "apply.sh"
CHANNEL: Final = "projects/example/notificationChannels/42"
ARGUMENTS: Final = ("example", "mcp.example.com", CHANNEL)
LIMIT_S: Final = 60
STAND_IN: Final = f"""\
#!{sys.executable}
import json, os, pathlib, sys

program, arguments = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
path = pathlib.Path(os.environ["CLOUD"])
cloud = json.loads(path.read_text())
cloud["calls"].append([program, *arguments])


def option(name):
    return next(one.removeprefix(name) for one in arguments if one.startswith(name))


if program == "curl":
    body = json.loads(pathlib.Path(arguments[arguments.index("--data") + 1].removeprefix("@")).read_text())
    cloud["tokens"].append(sys.stdin.read())
    name = arguments[-1].partition("/v3/")[2]
    name = name + "/7" if "POST" in arguments else name
    cloud["uptime"][name] = body
elif arguments[:2] == ["auth", "print-access-token"]:
    print("the-token")
else:
    kind, verb = arguments[1:3]
    if verb.startswith("list"):
        print(*(f"{{name}}\\t{{one['displayName']}}" for name, one in cloud[kind].items()), sep="\\n")
    else:
        file = option("--policy-from-file=" if kind == "policies" else "--config-from-file=")
        one = json.loads(pathlib.Path(file).read_text())
        name = arguments[3] if verb == "update" else one.get("name", f"projects/example/{{kind}}/{{len(cloud[kind])}}")
        assert (name in cloud[kind]) == (verb == "update")
        cloud[kind][name] = one
path.write_text(json.dumps(cloud))
"""


class Cloud:
    """A folder with the stand-ins, and the project that they change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state = folder / "state.json"
        self._state.write_text(json.dumps({"policies": {}, "dashboards": {}, "uptime": {}, "calls": [], "tokens": []}))
        for program in ("gcloud", "curl"):
            path = folder / program
            path.write_text(STAND_IN)
            path.chmod(0o755)

    @property
    def state(self) -> dict[str, Any]:
        """What the project has now."""
        return dict(json.loads(self._state.read_text()))

    def put(self, kind: str, name: str, one: dict[str, Any]) -> None:
        """Add something to the project."""
        state = self.state
        state[kind][name] = one
        self._state.write_text(json.dumps(state))

    def apply(self, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        """Run the script."""
        environment = {**os.environ, "PATH": f"{self._folder}:{os.environ['PATH']}", "CLOUD": str(self._state)}
        command = ["bash", str(SCRIPT), *arguments]
        return subprocess.run(
            command, input=answer, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def test_it_creates_everything_once_and_updates_it_the_next_time(cloud: Cloud) -> None:
    first = cloud.apply(*ARGUMENTS, answer="y\n")
    created = cloud.state
    second = cloud.apply(*ARGUMENTS, "--yes")

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    policies = [*FOLDER.glob("policies/*.json"), *FOLDER.glob("google-policies/*.json")]
    assert len(created["policies"]) == len(policies) == first.stdout.count("create ") - 2
    assert second.stdout.count("update ") == len(policies) + 2
    assert "create" not in second.stdout
    for kind in ("policies", "dashboards", "uptime"):
        assert cloud.state[kind] == created[kind]
    text = json.dumps([created["policies"], created["dashboards"], created["uptime"]])
    assert all(placeholder not in text for placeholder in ("NOTIFICATION_CHANNEL", "PROJECT_ID", "DOMAIN"))
    assert {one["notificationChannels"][0] for one in created["policies"].values()} == {CHANNEL}
    (check,) = created["uptime"].values()
    assert check["monitoredResource"]["labels"] == {"project_id": "example", "host": "mcp.example.com"}


def test_a_policy_of_an_earlier_release_is_named_and_left_alone(cloud: Cloud) -> None:
    cloud.put("policies", "projects/example/policies/old", {"displayName": "ticket-server/Old"})

    done = cloud.apply(*ARGUMENTS, "--yes")

    assert done.returncode == 0, done.stderr
    assert "leave  ticket-server/Old, which is in no file any more: projects/example/policies/old\n" in done.stdout
    assert done.stdout.count("leave") == 1
    assert cloud.apply(*ARGUMENTS, "--yes").stdout.count("leave") == 1
    assert cloud.state["policies"]["projects/example/policies/old"] == {"displayName": "ticket-server/Old"}


def test_the_token_is_never_an_argument(cloud: Cloud) -> None:
    done = cloud.apply(*ARGUMENTS, "--yes")

    assert cloud.state["tokens"] == ['header = "authorization: Bearer the-token"\n']
    assert "the-token" not in json.dumps(cloud.state["calls"]) + done.stdout + done.stderr


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_without_a_yes_nothing_is_changed(cloud: Cloud, answer: str) -> None:
    done = cloud.apply(*ARGUMENTS, answer=answer)

    assert done.returncode == 1
    assert "create slo/AvailabilityBurnsFast" in done.stdout
    assert not any({"create", "update", "curl"} & set(call) for call in cloud.state["calls"])


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ARGUMENTS[:2],
        ("example", "mcp.example.com", "42"),
        ("example", "https://mcp.example.com/|e id", CHANNEL),
        ("Example!", "mcp.example.com", CHANNEL),
        (*ARGUMENTS, "--no"),
        (*ARGUMENTS, "--yes", "more"),
    ],
    ids=" ".join,
)
def test_other_arguments_are_refused_before_anything_is_asked(cloud: Cloud, arguments: tuple[str, ...]) -> None:
    done = cloud.apply(*arguments)

    assert done.returncode == 2
    assert "usage: apply.sh" in done.stderr
    assert cloud.state["calls"] == []


def test_shellcheck_has_nothing_to_say_and_finds_a_planted_mistake(tmp_path: Path) -> None:
    program = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    assert program is not None
    planted = tmp_path / "planted.sh"
    planted.write_text(SCRIPT.read_text("utf-8").replace("awk -F ", "awk $1 -F "))

    done = [subprocess.run([program, str(path)], check=False, timeout=LIMIT_S) for path in (SCRIPT, planted)]

    assert [one.returncode for one in done] == [0, 1]
