"""Each layout agrees with the project that bootstrap.sh prepares for it; each rule of the lint finds its fault."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.deploy.layout_lint import RULES, Layout, complaints
from tests.deploy.project import Projects
from tests.deploy.test_cloud_run import FOLDER, LAYOUTS
from tests.processes import ROOT

pytestmark = pytest.mark.xdist_group("bootstrap")  # which shares the three projects

TEXTS: Final = {".sh", ".md", ".py", ".json", ".yaml", ".toml"}
Change = Callable[[dict[str, str], dict[str, str], Any], object]
"""Plants a fault in the files of a layout, in what is beside it, or in the state of its project."""


def layout_of(name: str, projects: Projects, change: Change | None = None) -> Layout:
    files = {path.stem: path.read_text("utf-8") for path in (FOLDER / name).glob("*.yaml")}
    beside = {
        path.relative_to(FOLDER).as_posix(): path.read_text("utf-8") for path in FOLDER.rglob("*") if is_beside(path)
    }
    beside |= {path.name: path.read_text("utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml")}
    state = copy.deepcopy(projects[name][0].state)
    if change is not None:
        change(files, beside, state)
    return Layout(files, beside, state, [project.state for project, _ in projects.values()])


def is_beside(path: Path) -> bool:
    """Whether a file belongs to no layout: a script, a page, what monitors."""
    return path.suffix in TEXTS and path.relative_to(FOLDER).parts[0] not in LAYOUTS


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_agrees_with_its_project(name: str, projects: Projects) -> None:
    assert complaints(layout_of(name, projects)) == []


def text(file: str, right: str, wrong: str) -> Change:
    """Replace a piece of a file once."""

    def change(files: dict[str, str], beside: dict[str, str], _: Any) -> None:
        place = files if file in files else beside
        assert right in place[file]
        place[file] = place[file].replace(right, wrong, 1)

    return change


def without(key: str) -> Change:
    """Leave a resource out of the project."""
    return lambda _files, _beside, state: state["there"].pop(key)


def revoked(on: str, role: str, account: str) -> Change:
    """Take a role away."""
    member = f"serviceAccount:{account}@my-project.iam.gserviceaccount.com"
    return lambda _files, _beside, state: state["roles"].remove([on, role, member])


def granted(on: str, role: str, account: str) -> Change:
    """Give a role."""
    member = f"serviceAccount:{account}@my-project.iam.gserviceaccount.com"
    return lambda _files, _beside, state: state["roles"].append([on, role, member])


def created(key: str) -> Change:
    """Create a resource that nothing needs."""
    return lambda _files, _beside, state: state["there"].update({key: {}})


ACCESSOR: Final = "roles/secretmanager.secretAccessor"
DOOR: Final = "mcp-ticket-server"
PROJECT: Final = "projects/my-project"
FAULTS: Final[list[tuple[str, Change, str]]] = [
    ("production", text("README.md", "MCP_", "MCP_NO_SUCH_"), "is not a setting"),
    ("production", text("deploy.sh", "jobs", "jobs MCP_ALOWED_HOSTS"), "deploy.sh: MCP_ALOWED_HOSTS is not a setting"),
    ("pilot", text(DOOR, ".REGION.", ".asia-northeast1."), "mcp-ticket-server names the region asia-northeast1"),
    ("pilot", text("bootstrap.sh", '--location="$REGION"', "--location=us-east1"), "bootstrap.sh names the region us-"),
    ("production", text(DOOR, "name: mcp-broker-url", "name: mcp-broker"), "secret mcp-broker is not created"),
    ("production", without("secrets/mcp-operator-key"), "secret mcp-operator-key is not created"),
    ("production", revoked("secrets/mcp-broker-url", ACCESSOR, "mcp-server"), "mcp-server may not read secret mcp-br"),
    ("existing-api", created("secrets/ticket-api-key"), "secret ticket-api-key is created, and nothing reads it"),
    ("production", text("ticket-api", "ticket-api@", "mcp-server@"), "account mcp-server is used twice"),
    ("production", without("iam service-accounts/identity-migrate"), "account identity-migrate is not created"),
    ("existing-api", created("iam service-accounts/ticket-api"), "account ticket-api is created, and nothing uses it"),
    ("production", revoked(PROJECT, "roles/cloudsql.client", "mcp-server"), "mcp-server may not use Cloud SQL"),
    ("production", granted(PROJECT, "roles/editor", "mcp-server"), "mcp-server needs no roles/editor on projects"),
    ("production", granted(PROJECT, "roles/owner", "deployer"), "deployer needs no roles/owner"),
    ("production", granted(PROJECT, "roles/run.admin", "deployer"), "deployer needs no roles/run.admin"),
    ("pilot", granted(PROJECT, "roles/cloudsql.client", "mcp-server"), "mcp-server needs no roles/cloudsql.client"),
    ("pilot", granted(PROJECT, "roles/telemetry.tracesWriter", "mcp-server"), "mcp-server needs no roles/telemetry"),
    ("production", granted("secrets/ticket-api-key", ACCESSOR, "deployer"), "deployer needs no"),
    ("production", granted("secrets/mcp-broker-url", ACCESSOR, "ticket-api"), "ticket-api needs no"),
    ("production", text("identity-migrate", "mcp_server", "mcp"), "no job grants rights to mcp_server"),
    ("production", text("ticket-api", "PROJECT_ID:REGION:tickets", "PROJECT_ID:REGION:other"), "which is not created"),
    ("production", text(DOOR, "cloudsql-instances", "description"), "has either a database or a way to it"),
    ("production", text("identity-migrate", "ticket-owner-data", "mcp-identity-data"), "does not run as the owner"),
    ("production", text("ticket-api", 'maxScale: "4"', 'maxScale: "9"'), "connections, and the database allows 200"),
    ("pilot", text("ticket-api", 'maxScale: "1"', 'maxScale: "2"'), "up to 35 connections, and the database allows 25"),
    ("production", text(DOOR, '"network":"tickets"', '"network":"default"'), "network default is not created"),
    ("production", text(DOOR, '"subnetwork":"tickets"', '"subnetwork":"other"'), "subnet other is not created"),
    ("production", text(DOOR, "private-ranges-only", "all-traffic"), "egress must be private-ranges-only"),
    ("existing-api", text(DOOR, "network-interfaces", "description"), "mcp-ticket-server has no way to Valkey"),
    ("production", text(DOOR, "value: https://ticket-api-", "value: https://tickets-"), "is not the address of "),
    ("pilot", text(DOOR, "MCP_API_GOOGLE_IDENTITY\n              value: \"true\"", "MCP_API_GOOGLE_IDENTITY\n"
                   "              value: \"false\""), "MCP_API_GOOGLE_IDENTITY must be true"),
    ("existing-api", text(DOOR, "MCP_ALLOW_PRIVATE", "MCP_API_GOOGLE_IDENTITY"), "does not check Google identities"),
    ("production", text("deploy.sh", "roles/run.invoker", "roles/run.viewer"), "does not let the MCP server call"),
    ("production", text("ticket-api", "ingress: internal", "ingress: all"), "ingress all of ticket-api does not fit"),
    ("pilot", text("ticket-api", "ingress: all", "ingress: internal"), "ingress internal of ticket-api does not fit"),
    ("pilot", text("deploy.sh", "mcp-server@", "mcp-serve@"), "mcp-serve of iam service-accounts is created in no lay"),
    ("production", text("README.md", "--secret=mcp-identity-keys", "--secret=mcp-keys"), "mcp-keys of secrets is cr"),
    ("production", text("upgrade.sh", "--secret=mcp-smoke-key", "--secret=smoke-key"), "smoke-key of secrets is creat"),
    ("production", without("dns record-sets/*.run.app."), "requests to run.app do not go through the network"),
    ("production", text("ticket-api-migrate", "value: none", "value: en"), "MCP_SAMPLE_DATA must be none"),
    ("production", lambda _files, _beside, state: state["there"]["sql instances/tickets"].pop(
        "--enable-point-in-time-recovery"), "no point-in-time recovery"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "sentence"), FAULTS)
def test_a_planted_fault_is_found(name: str, change: Change, sentence: str, projects: Projects) -> None:
    found = complaints(layout_of(name, projects, change))

    assert any(sentence in complaint for complaint in found), found


def test_every_rule_finds_one_of_the_faults(projects: Projects) -> None:
    faulty = [layout_of(name, projects, change) for name, change, _ in FAULTS]

    assert [rule.__name__ for rule in RULES if not any(list(rule(layout)) for layout in faulty)] == []
