"""bootstrap.sh creates what is missing, once; deploy.sh runs the jobs before the services. With a gcloud stand-in."""

import json
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest

from shared.storage.database import resolve_url
from tests.deploy.project import Project, Projects
from tests.deploy.test_cloud_run import FOLDER, LAYOUTS, VALUES

GENERATED: Final = {
    "pilot": {"mcp-server-key", "ticket-api-key", "ticket-api-database-url", "ticket-owner-database-url"},
    "production": {
        *("mcp-broker-url", "mcp-identity-database-url", "mcp-identity-keys", "mcp-operator-key"),
        *("mcp-request-state-keys", "ticket-api-key", "ticket-api-database-url", "ticket-owner-database-url"),
    },
    "existing-api": {
        *("mcp-broker-url", "mcp-identity-database-url", "mcp-identity-keys", "mcp-operator-key"),
        *("mcp-request-state-keys", "ticket-owner-database-url"),
    },
}
BY_HAND: Final = {
    "pilot": {"mcp-smoke-key"},
    "production": {"mcp-smoke-key", "mcp-oauth-client-secret"},
    "existing-api": {"mcp-smoke-key", "mcp-oauth-client-secret", "existing-api-key"},
}


pytestmark = pytest.mark.xdist_group("bootstrap")  # which shares the three projects


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def values_of(project: Project) -> Iterator[str]:
    """Yield each secret, and each password in one."""
    for versions in project.state["secrets"].values():
        for value in versions:
            yield value
            if value.startswith("postgresql"):
                yield str(resolve_url(value).password)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_first_run_creates_everything_and_a_second_one_nothing(layout: str, projects: Projects) -> None:
    project, first = projects[layout]
    state, changes = project.state, project.changes

    second = project.bootstrap(layout)

    assert (first.returncode, first.stderr) == (0, "")
    assert set(state["secrets"]) == GENERATED[layout]
    assert {f"secrets/{name}" for name in BY_HAND[layout]} <= state["there"].keys()
    assert set(re.findall(r"versions add (\S+)", first.stdout)) == BY_HAND[layout]
    assert (second.returncode, second.stderr) == (0, "")
    assert "Missing" not in second.stdout
    assert (project.state, project.changes) == (state, changes)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_secret_is_printed_or_stands_in_an_argument(layout: str, projects: Projects) -> None:
    project, run = projects[layout]

    seen = f"{run.stdout} {run.stderr} {project.calls}"
    secrets = list(values_of(project))
    assert len(secrets) >= len(GENERATED[layout])
    assert [secret for secret in secrets if secret in seen] == []
    keys = [secret for secret in secrets if re.fullmatch(r"[0-9a-f]{64}", secret)]
    assert len(keys) == len(set(keys)) >= 4


def test_the_plan_names_each_change_and_is_the_order_of_the_changes(projects: Projects) -> None:
    _, run = projects["production"]

    planned = re.findall(r"^  (.+)$", run.stdout, re.MULTILINE)
    done = re.findall(r"^\[\d+/\d+\] (.+)$", run.stdout, re.MULTILINE)
    assert planned == done
    assert {"network tickets", "subnet tickets", "secret mcp-broker-url", "database tickets"} <= set(planned)


@pytest.mark.parametrize("said", ["", "n\n", "\n", "yes\n"])
def test_without_a_yes_nothing_changes(said: str, project: Project) -> None:
    run = project.bootstrap("production", said=said)

    assert run.returncode == 1
    assert "Nothing was changed." in run.stdout
    assert (project.changes, project.state) == (0, {})


@pytest.mark.parametrize(
    "interrupted_at",
    [
        "secrets versions add ticket-owner-database-url",  # the role has its password already
        *(
            pytest.param(command, marks=pytest.mark.long)
            for command in (
                "services enable",
                "dns record-sets create",
                "sql users assign-roles mcp_server",
                "secrets add-iam-policy-binding ticket-api-key",
                "iam workload-identity-pools providers",
            )
        ),
    ],
)
def test_a_run_after_an_interruption_finishes(interrupted_at: str, project: Project, projects: Projects) -> None:
    broken = project.bootstrap("production", "--yes", STANDIN_FAIL_AT=interrupted_at)
    rest = project.bootstrap("production", "--yes")

    assert broken.returncode != 0
    assert "connection lost" in broken.stderr
    assert (rest.returncode, rest.stderr) == (0, "")
    whole, _ = projects["production"]
    assert project.state["there"].keys() == whole.state["there"].keys()
    assert sorted(project.state["roles"]) == sorted(whole.state["roles"])
    assert project.state["secrets"].keys() == whole.state["secrets"].keys()
    assert {len(versions) for versions in project.state["secrets"].values()} == {1}
    assert passwords(project)


def passwords(project: Project) -> bool:
    """Whether each role of the database has the password that its secret names."""
    urls = [versions[0] for versions in project.state["secrets"].values() if versions[0].startswith("postgresql")]
    roles = {resolve_url(url).username: resolve_url(url).password for url in urls}
    return roles == {name: project.state["there"][f"sql users/{name}"]["--password"] for name in roles}


def test_a_pilot_grows_into_production(project: Project) -> None:
    project.bootstrap("pilot", "--yes")
    before = project.state["secrets"]["ticket-api-key"]
    project.bootstrap("production", "--yes")

    database = project.state["there"]["sql instances/tickets"]
    assert database["--tier"] == "db-custom-1-3840"
    assert database["--enable-point-in-time-recovery"]
    assert project.state["secrets"]["ticket-api-key"] == before


def test_the_database_urls_reach_the_socket_of_cloud_sql_as_roles_that_bypass_nothing(projects: Projects) -> None:
    project, _ = projects["production"]

    for secret, role in (("ticket-api-database-url", "ticket_api"), ("mcp-identity-database-url", "mcp_server")):
        url = resolve_url(project.state["secrets"][secret][0])
        _, given = url.get_dialect()().create_connect_args(url)
        assert given == {
            "host": f"/cloudsql/my-project:{VALUES['REGION']}:tickets",
            "user": role,
            "password": url.password,
            "database": "tickets",
        }
        assert project.state["there"][f"sql users/{role}"]["--revoke-existing-roles"]
    assert "--revoke-existing-roles" not in project.state["there"]["sql users/ticket_owner"]
    assert project.state["secrets"]["mcp-broker-url"] == ["redis://10.8.0.5:6379"]


def test_without_github_there_is_no_way_in_for_workflows(project: Project) -> None:
    project.bootstrap("pilot", "--yes", GITHUB_REPOSITORY_ID="", GITHUB_OWNER_ID="")

    assert not [name for name in project.state["there"] if "workload" in name or "deployer" in name or "smoke" in name]


def test_only_the_main_branch_and_releases_of_one_repository_act_as_the_deployer(projects: Projects) -> None:
    project, _ = projects["production"]

    provider = project.state["there"]["iam workload-identity-pools providers/github-actions"]
    assert provider["--attribute-condition"].split(" && ") == [
        "assertion.repository_id == '1234'",
        "assertion.repository_owner_id == '99'",
        "(assertion.ref == 'refs/heads/main' || assertion.ref.startsWith('refs/tags/v'))",
    ]
    members = [member for on, _, member in project.state["roles"] if on == "iam service-accounts/deployer"]
    assert [member.rpartition("/")[2] for member in members] == ["1234"]


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        ((), {}),
        (("staging",), {}),
        (("pilot", "--force"), {}),
        (("pilot", "--yes", "more"), {}),
        (("pilot", "--yes"), {"REGION": ""}),
        (("pilot", "--yes"), {"GITHUB_REPOSITORY_ID": "acme/tickets"}),
        (("pilot", "--yes"), {"GITHUB_OWNER_ID": ""}),
    ],
)
def test_a_wrong_command_line_changes_nothing(
    arguments: tuple[str, ...], variables: dict[str, str], project: Project
) -> None:
    run = project.run([str(FOLDER / "bootstrap.sh"), *arguments], "", {"GITHUB_REPOSITORY_ID": "1", **variables})

    assert (run.returncode, project.changes) == (2, 0)
    assert "usage: " in run.stderr


@pytest.mark.parametrize("layout", LAYOUTS)
def test_jobs_run_before_the_services_and_only_the_mcp_server_may_call_the_ticket_api(
    layout: str, projects: Projects
) -> None:
    project, _ = projects[layout]
    known = len(project.calls)

    run = project.deploy(layout)

    assert (run.returncode, run.stderr) == (0, "")
    steps = [re.sub(r".*/|\.yaml", "", call[3]) for call in project.calls[known:] if call[0] == "run"]
    jobs = [name for name in ("ticket-api-migrate", "identity-migrate") if (FOLDER / layout / f"{name}.yaml").exists()]
    has_api = layout != "existing-api"
    assert steps == [*(job for one in jobs for job in (one, one)), *["ticket-api"] * 2 * has_api, "mcp-ticket-server"]
    invokers = [member for on, role, member in project.state["roles"] if role == "roles/run.invoker"]
    assert invokers == ["serviceAccount:mcp-server@my-project.iam.gserviceaccount.com"] * has_api
    door = project.state["there"]["run services/mcp-ticket-server"]["file"]
    assert f"image: {VALUES['IMAGE']}\n" in door
    assert ("- name: collector\n" in door) == (layout != "pilot"), "a pilot sends no metrics"


def test_nothing_is_deployed_while_a_value_is_missing(projects: Projects) -> None:
    project, _ = projects["production"]
    before = project.state

    run = project.deploy("production", DOMAIN="")

    assert run.returncode == 2
    assert "DOMAIN must be" in run.stderr
    assert project.state == before


def test_shellcheck_finds_nothing() -> None:
    shellcheck = shutil.which("shellcheck", path=sysconfig.get_path("scripts"))
    assert shellcheck is not None
    scripts = sorted(map(str, FOLDER.rglob("*.sh")))

    result = subprocess.run([shellcheck, *scripts], capture_output=True, encoding="utf-8", timeout=60, check=False)

    assert len(scripts) >= 2
    assert (result.stdout, result.returncode) == ("", 0)


def discovered(api: str) -> dict[str, Any]:
    """Return Google's schemas of an API."""
    document = files("googleapiclient") / "discovery_cache" / "documents" / f"{api}.json"
    return dict(json.loads(document.read_text("utf-8"))["schemas"])


def test_the_rules_of_the_registry_are_google_s_and_keep_what_a_rollback_needs() -> None:
    """In gcloud's file `action: {type: Keep}` stands for `action: KEEP` of the API."""
    keep, delete = json.loads((FOLDER / "registry-cleanup.json").read_text("utf-8"))
    schemas = discovered("artifactregistry.v1")
    condition = schemas["CleanupPolicyCondition"]["properties"]

    assert {keep["action"]["type"].upper(), delete["action"]["type"].upper()} == {"KEEP", "DELETE"}
    assert keep["mostRecentVersions"].keys() <= schemas["CleanupPolicyMostRecentVersions"]["properties"].keys()
    assert keep["mostRecentVersions"]["keepCount"] >= 10
    assert delete["condition"].keys() <= condition.keys()
    assert delete["condition"]["tagState"].upper() in condition["tagState"]["enum"]
    assert re.fullmatch(r"\d+s", delete["condition"]["olderThan"])


def test_what_is_read_of_the_database_is_a_field_of_google_s() -> None:
    script = (FOLDER / "bootstrap.sh").read_text("utf-8")
    schemas = discovered("sqladmin.v1")

    (path,) = set(re.findall(r"value\((settings\.[\w.]+)\)", script))
    name = "DatabaseInstance"
    for field in path.split("."):
        found = schemas[name]["properties"][field]
        name = found.get("$ref", "")
    assert found["type"] == "boolean"
