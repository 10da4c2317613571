"""The workflows: three linters of others with planted mistakes, and this project's own rules."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from bootstrap.development import LONG_PARTS
from tests.debian import PACKAGES
from tests.processes import ROOT

FOLDER: Final = ROOT / ".github" / "workflows"
TOOLS: Final = Path(sys.executable).parent
LINTERS: Final = {
    "zizmor": ("zizmor", "--offline", "--persona=auditor", "--quiet", "--no-progress"),
    "schema": ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
    "actionlint": ("actionlint", "-no-color"),
}
NAMES: Final = ("ci", "deploy", "image", "release", "rollback")
ACTIONS: Final = {
    "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1": {
        *("repository", "ref", "token", "ssh-key", "ssh-known-hosts", "ssh-strict", "ssh-user", "persist-credentials"),
        *("path", "clean", "filter", "sparse-checkout", "sparse-checkout-cone-mode", "fetch-depth", "fetch-tags"),
        *("show-progress", "lfs", "submodules", "set-safe-directory", "github-server-url", "allow-unsafe-pr-checkout"),
    },
    "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0": {"python-version", "architecture"},
    "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0": {
        *("name", "path", "if-no-files-found", "retention-days", "compression-level", "overwrite"),
        *("include-hidden-files", "archive"),
    },
    "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1": {"name", "path", "merge-multiple"},
    "google-github-actions/auth@7c6bc770dae815cd3e89ee6cdf493a5fab2cc093 # v3.0.0": {
        *("project_id", "workload_identity_provider", "service_account", "audience", "create_credentials_file"),
        *("export_environment_variables", "token_format", "access_token_lifetime"),
    },
    "google-github-actions/setup-gcloud@aa5489c8933f4cc7a4f7d45035b3b1440c9c10db # v3.0.1": {
        *("version", "project_id", "install_components", "skip_install", "cache"),
    },
}
"""Each action with inputs that its action.yml declares at this commit; all run on node24. Newest tags on 2026-11-30."""


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.yml").read_text("utf-8")


def workflow(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text_of(name)))


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in NAMES:
        yield from ((f"{name}: {job}", body) for job, body in workflow(name)["jobs"].items())


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    yield from ((job, step) for job, body in jobs() for step in body.get("steps", ()))


def linted(linter: str, root: Path) -> str:
    """Return what a linter says of the workflows of a checkout; nothing if they are fine."""
    environment = {**os.environ, "PATH": os.pathsep.join((str(TOOLS), os.environ["PATH"]))}
    program, *options = LINTERS[linter]
    files = sorted(str(file) for file in (root / ".github" / "workflows").iterdir())
    done = subprocess.run(
        [TOOLS / program, *options, *files],
        cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the workflows, and of the configuration of zizmor, in a repository."""
    (tmp_path / ".git").mkdir()
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    return tmp_path


@pytest.mark.parametrize("linter", LINTERS)
def test_the_linters_find_nothing(linter: str, copy: Path) -> None:
    assert linted(linter, copy) == ""


@pytest.mark.parametrize(
    ("linter", "name", "mistake", "found"),
    [
        ("zizmor", "ci", ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7"), "unpinned-uses"),
        ("zizmor", "ci", ("persist-credentials: false", "persist-credentials: true"), "artipacked"),
        ("zizmor", "rollback", ('"$REVISION"\n', '"${{ inputs.revision }}"\n'), "template-injection"),
        (
            "zizmor",
            "ci",
            ("    permissions:\n      contents: read\n", "    permissions: write-all\n"),
            "excessive-perm",
        ),
        ("zizmor", "release", ("permissions: {}\n", ""), "excessive-permissions"),
        ("zizmor", "ci", ("  pull_request:", "  pull_request_target:"), "dangerous-triggers"),
        ("schema", "deploy", ("timeout-minutes", "timeout-minute"), "'timeout-minute' was unexpected"),
        ("schema", "deploy", ("      id-token: write", "      id-tokens: write"), "id-tokens"),
        ("actionlint", "deploy", ("steps.before.outputs", "steps.earlier.outputs"), "earlier"),
        ("actionlint", "deploy", ("needs.image.outputs.image", "needs.images.outputs.image"), "images"),
        ("actionlint", "release", ('release create "$GITHUB_REF_NAME"', "release create $GITHUB_REF_NAME"), "SC2086"),
    ],
)
def test_the_linters_find_what_they_are_for(
    copy: Path, linter: str, name: str, mistake: tuple[str, str], found: str
) -> None:
    file = copy / ".github" / "workflows" / f"{name}.yml"
    text = file.read_text("utf-8")
    assert mistake[0] in text
    file.write_text(text.replace(*mistake), "utf-8")

    assert found in linted(linter, copy)


def test_every_action_is_pinned_by_a_commit_that_was_looked_up_and_names_its_version() -> None:
    used = {line.partition("uses: ")[2] for name in NAMES for line in text_of(name).splitlines() if "uses: " in line}

    assert {one for one in used if not one.startswith("./.github/workflows/")} == set(ACTIONS)
    assert [one for one in ACTIONS if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


def test_actions_get_inputs_that_they_declare() -> None:
    """No linter knows the inputs of an action that is pinned by its commit."""
    declared = {action.partition(" ")[0]: inputs for action, inputs in ACTIONS.items()}
    unknown = {
        (job, given) for job, step in steps() for given in step.get("with", ()) if given not in declared[step["uses"]]
    }

    assert unknown == set()


def test_jobs_have_the_least_rights_and_end_in_time() -> None:
    for name in NAMES:
        assert workflow(name)["permissions"] == {}, "each job names its own"
    rights = {job: body["permissions"] for job, body in jobs()}
    assert {job for job, given in rights.items() if "contents" not in given} == set()
    written = {(job, right) for job, given in rights.items() for right, level in given.items() if level == "write"}
    assert {job for job, right in written if right != "id-token"} == {"release: release"}
    signed_in = {job for job, step in steps() if step.get("uses", "").startswith("google-github-actions/auth@")}
    calls_them = {job for job, body in jobs() if body.get("uses", "").endswith(("/image.yml", "/deploy.yml"))}
    assert {job for job, right in written if right == "id-token"} == signed_in | calls_them
    assert {job for job, body in jobs() if "uses" not in body and not body["timeout-minutes"] <= 90} == set()


def test_no_checkout_leaves_its_token_behind_and_no_job_has_a_secret() -> None:
    checkouts = [step for _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]

    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []
    assert [name for name in NAMES if "secrets." in text_of(name)] == [], "the project of Google keeps them"


def test_what_moves_traffic_is_approved_and_alone() -> None:
    upgrade, rollback = workflow("deploy")["jobs"]["upgrade"], workflow("rollback")["jobs"]["rollback"]

    assert (upgrade["environment"], rollback["environment"]) == ("production", "rollback")
    assert upgrade["concurrency"] == {"group": "traffic", "cancel-in-progress": False}
    assert rollback["concurrency"] == {"group": "traffic", "cancel-in-progress": True}
    assert workflow("release")["jobs"]["release"]["needs"] == ["check", "package", "image"]


def test_what_workflows_name_exists_where_it_is_created_and_documented() -> None:
    text = "".join(text_of(name) for name in NAMES)
    page = (ROOT / "gcp-deploy" / "DEPLOYING.md").read_text("utf-8")
    bootstrap = (ROOT / "gcp-deploy" / "bootstrap.sh").read_text("utf-8")
    upgraded = workflow("deploy")["jobs"]["upgrade"]["env"]

    filled_in = importlib.import_module("gcp-deploy.render").VARIABLES
    assert set(upgraded) - {"LAYOUT"} == set(filled_in), "all that a file of a layout may need"
    assert {name for name in re.findall(r"vars\.(\w+)", text) if f"| `{name}` |" not in page} == set()
    for environment in re.findall(r"environment: (\w+)", text):
        assert f"`{environment}`" in page
    (account,) = set(re.findall(r"service_account: (\w+)@", text))
    (pool, provider) = set(re.findall(r"workloadIdentityPools/([\w-]+)/providers/([\w-]+)", text)).pop()
    assert f"account {account}\n" in bootstrap
    assert f"workload-identity-pools create {pool} " in bootstrap
    assert f"providers create-oidc {provider} " in bootstrap
    for secret in re.findall(r"--secret=([\w-]+)", (ROOT / "gcp-deploy" / "upgrade.sh").read_text("utf-8")):
        assert f"secret {secret} " in bootstrap


def test_the_page_names_every_workflow_and_the_defaults_of_the_canary() -> None:
    page = (ROOT / "gcp-deploy" / "DEPLOYING.md").read_text("utf-8")
    program = (ROOT / "gcp-deploy" / "canary.py").read_text("utf-8")

    assert [name for name in NAMES if name != "image" and f"`{name}.yml`" not in page] == []
    said = {"max-error-ratio": "1 %", "max-p95": "1 s", "min-requests": "200", "max-blind": "60 s"}
    coded = dict(re.findall(r'\("--([\w-]+)", ([\d.]+),', program))
    assert {name: coded[name] for name in said} == {
        "max-error-ratio": "0.01",
        "max-p95": "1.0",
        "min-requests": "200",
        "max-blind": "60.0",
    }
    assert {name for name, value in said.items() if f"`--{name}` ({value})" not in page} == set()
    assert coded["watch"] == "600.0"
    assert "at least 10 minutes and 200 requests" in page


# ---- CI runs what the documents say --------------------------------------------------------------------------------


def test_ci_runs_every_check_of_ci_run_in_the_named_parts() -> None:
    commands = re.findall(r"^python3 run.py (.*)$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    assert commands == ["test", "mutants", "test --long"]
    pages = "".join((ROOT / name).read_text("utf-8") for name in ("CONTRIBUTING.md", "README.md"))
    assert [one for one in commands if f"`python3 run.py {one}`" not in pages] == []

    checks = workflow("ci")["jobs"]["check"]["strategy"]["matrix"]["check"]

    assert checks == ["test", "mutants", *(f"test --long {part}" for part in LONG_PARTS)]


def test_ci_runs_on_three_pythons_the_last_as_in_the_image() -> None:
    matrix = workflow("ci")["jobs"]["check"]["strategy"]["matrix"]
    images = {one["python"]: one["image"] for one in matrix["include"]}

    assert matrix["python"] == [*images] == ["3.11", "3.12", "3.13"]
    for python, image in images.items():
        assert re.fullmatch(rf"python:{python}\.\d+-slim-trixie@sha256:[0-9a-f]{{64}}", image)
    assert f"FROM {images['3.13']} AS base" in (ROOT / "Dockerfile").read_text("utf-8")


def test_ci_installs_the_packages_of_the_tests() -> None:
    installed = re.search(r"apt-get install -y --no-install-recommends git \\\n *(.+)\n", text_of("ci"))
    assert installed

    assert set(installed[1].split()) == set(PACKAGES.values())
    listed = re.search(r"programs=\((.+)\)", (ROOT / ".ci" / "run").read_text("utf-8"))
    assert listed
    assert set(listed[1].split()) == set(PACKAGES.values())
