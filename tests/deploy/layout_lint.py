"""Checks what the files of a layout and the project that bootstrap.sh prepared have to agree about.

`cloud_run_lint` checks each file alone. Here: secrets, accounts and their roles, databases, the network, and how the
MCP server reaches the ticket API. What the project has is the state of the stand-in for gcloud after a first run.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import yaml

from shared.config import CloudSettings, IdentitySettings, Settings, StdioSettings, TicketApiSettings
from shared.environment import variables
from shared.storage.connections import CONNECTIONS
from shared.storage.database import resolve_url
from tests.deploy.cloud_run_lint import account, annotations, container, env, is_service, secrets

Json = dict[str, Any]

CLOUD_SQL: Final = "run.googleapis.com/cloudsql-instances"
NETWORK: Final = "run.googleapis.com/network-interfaces"
READ_SECRET: Final = "roles/secretmanager.secretAccessor"
USE_DATABASE: Final = "roles/cloudsql.client"
DEPLOYER: Final = {
    ("projects", "roles/run.developer"),
    ("projects", "roles/monitoring.viewer"),
    ("artifacts repositories", "roles/artifactregistry.writer"),
    ("iam service-accounts", "roles/iam.serviceAccountUser"),
    ("secrets", READ_SECRET),
}
"""What workflows may do; what a service or a job may do follows from its file."""
COLLECTOR: Final = {"roles/monitoring.metricWriter", "roles/telemetry.tracesWriter"}
"""What the collector needs that deploy.sh puts beside the MCP server in a layout for real use."""
SMOKE_KEY: Final = "mcp-smoke-key"
REGION: Final = re.compile(r"\b(?:africa|asia|australia|europe|me|northamerica|southamerica|us)-[a-z]+[0-9]+\b")
EXAMPLES: Final = (".md", "render.py")
"""These name a region as an example."""
SETTING: Final = re.compile(r"\bMCP_[A-Z][A-Z_]*[A-Z]\b")
MICRO_CONNECTIONS: Final = 25
"""Connections of db-f1-micro."""
KEPT_CONNECTIONS: Final = 5
"""Connections that PostgreSQL keeps for its administrators and for backups."""


@dataclass(frozen=True)
class Layout:
    """One layout: its files by name, the scripts and pages beside it, and its project."""

    files: Mapping[str, str]
    beside: Mapping[str, str]
    state: Json
    others: Sequence[Json]
    """The states of the projects of all layouts."""

    @cached_property
    def resources(self) -> dict[str, Json]:
        """Services and jobs by name."""
        return {name: yaml.safe_load(text) for name, text in self.files.items()}

    @property
    def door(self) -> Json:
        """The MCP server."""
        return self.resources["mcp-ticket-server"]

    def may(self, name: str, role: str, on: str) -> bool:
        """Return whether an account has a role on a resource."""
        return any([has_on, has_role, name_of(member)] == [on, role, name] for has_on, has_role, member in self.roles)

    @property
    def roles(self) -> list[list[str]]:
        """Each role that was granted: on what, which, to which member."""
        return list(self.state["roles"])

    def made(self, kind: str) -> set[str]:
        """Return the names of what was created of a kind."""
        return {key.removeprefix(f"{kind}/") for key in self.state["there"] if key.startswith(f"{kind}/")}

    def made_anywhere(self, kind: str) -> set[str]:
        """Return the names of what was created of a kind in any layout."""
        keys = {key for state in (self.state, *self.others) for key in state["there"]}
        return {key.removeprefix(f"{kind}/") for key in keys if key.startswith(f"{kind}/")}


def name_of(member: str) -> str:
    """Return the name of a member's account."""
    return member.removeprefix("serviceAccount:").partition("@")[0]


def complaints(layout: Layout) -> list[str]:
    """Return one sentence per fault."""
    return [sentence for rule in RULES for sentence in rule(layout)]


def settings_exist(layout: Layout) -> Iterator[str]:
    """A misspelt name in a page or script would be typed and ignored."""
    programs: tuple[type[Settings], ...] = (CloudSettings, StdioSettings, TicketApiSettings, IdentitySettings)
    known = {name for program in programs for field in program.model_fields for name in variables(program, field)}
    for file, text in {**layout.files, **layout.beside}.items():
        yield from (f"{file}: {name} is not a setting" for name in sorted(set(SETTING.findall(text)) - known))


def regions_are_variables(layout: Layout) -> Iterator[str]:
    """A layout is deployed in any region."""
    texts = {**layout.files, **{name: text for name, text in layout.beside.items() if not name.endswith(EXAMPLES)}}
    for file, text in texts.items():
        yield from (f"{file} names the region {region}" for region in REGION.findall(text))


def secrets_are_readable(layout: Layout) -> Iterator[str]:
    """Each secret exists and may be read by whoever reads it; nothing else was created or granted."""
    read = {(account(resource), secret) for resource in layout.resources.values() for secret in secrets(resource)}
    for name, secret in sorted(read):
        if secret not in layout.made("secrets"):
            yield f"secret {secret} is not created"
        elif not layout.may(name, READ_SECRET, f"secrets/{secret}"):
            yield f"{name} may not read secret {secret}"
    for secret in sorted(layout.made("secrets") - {secret for _, secret in read} - {SMOKE_KEY}):
        yield f"secret {secret} is created, and nothing reads it"


def accounts_are_the_ones_in_use(layout: Layout) -> Iterator[str]:
    """Each service and job has an account of its own, and none is left over."""
    used = [account(resource) for resource in layout.resources.values()]
    yield from (f"account {name} is used twice" for name in sorted({name for name in used if used.count(name) > 1}))
    made = layout.made("iam service-accounts") - {"deployer"}
    yield from (f"account {name} is not created" for name in sorted(set(used) - made))
    yield from (f"account {name} is created, and nothing uses it" for name in sorted(made - set(used)))


def roles_are_needed(layout: Layout) -> Iterator[str]:
    """An account may do what its file needs: use the database, read its secrets. Nothing else, and on nothing else."""
    needed = {("iam service-accounts/deployer", "roles/iam.workloadIdentityUser")}
    if "MCP_BROKER_URL" in env(layout.door):
        needed |= {(account(layout.door), role) for role in COLLECTOR}
    for resource in layout.resources.values():
        name = account(resource)
        if CLOUD_SQL in annotations(resource):
            needed.add((name, USE_DATABASE))
            if not layout.may(name, USE_DATABASE, "projects/my-project"):
                yield f"{name} may not use Cloud SQL"
        needed |= {(name, f"{READ_SECRET} on secrets/{secret}") for secret in secrets(resource)}
    for on, role, member in layout.roles:
        kind, _, _ = on.rpartition("/")
        is_deployer = name_of(member) == "deployer" and (kind, role) in DEPLOYER
        if is_deployer and (kind != "secrets" or on == f"secrets/{SMOKE_KEY}"):
            continue
        asked = {(name_of(member), role), (name_of(member), f"{role} on {on}"), (on, role)}
        if not asked & needed and role != "roles/run.invoker":
            yield f"{name_of(member)} needs no {role} on {on}"


def databases_are_prepared(layout: Layout) -> Iterator[str]:
    """A role that serves gets its rights from a job of the layout, at the instance that was created."""
    granted = {container(one)["args"][-1] for one in layout.resources.values() if not is_service(one)}
    for name, resource in layout.resources.items():
        instance = annotations(resource).get(CLOUD_SQL)
        reads = env(resource).get("MCP_DATABASE_URL")
        if (instance is None) != (reads is None):
            yield f"{name} has either a database or a way to it"
        if reads is None:
            continue
        if instance != "PROJECT_ID:REGION:tickets" or "tickets" not in layout.made("sql instances"):
            yield f"{name} uses {instance}, which is not created"
        url = layout.state["secrets"].get(reads["valueFrom"]["secretKeyRef"]["name"], ["postgresql://none@/x"])[0]
        role = resolve_url(url).username
        if is_service(resource) and role not in granted:
            yield f"no job grants rights to {role}"
        if not is_service(resource) and role != "ticket_owner":
            yield f"{name} does not run as the owner of the tables"


def connections_suffice(layout: Layout) -> Iterator[str]:
    """Each service may have one instance more than its maximum for a moment, and a job runs beside them."""
    flags = layout.state["there"].get("sql instances/tickets", {})
    most = int(
        dict(re.findall(r"(\w+)=(\d+)", flags.get("--database-flags", ""))).get("max_connections", MICRO_CONNECTIONS)
    )
    instances = 0
    for resource in layout.resources.values():
        if is_service(resource) and CLOUD_SQL in annotations(resource):
            instances += int(resource["metadata"]["annotations"]["run.googleapis.com/maxScale"]) + 1
    needed = instances * CONNECTIONS["postgresql"] + KEPT_CONNECTIONS
    if needed > most:
        yield f"up to {needed} connections, and the database allows {most}"


def networks_exist(layout: Layout) -> Iterator[str]:
    """What reads the address of Valkey is in the network that was created, and only private addresses go through it."""
    for name, resource in layout.resources.items():
        interfaces = json.loads(annotations(resource).get(NETWORK, "[]"))
        for interface in interfaces:
            if interface["network"] not in layout.made("compute networks"):
                yield f"{name}: network {interface['network']} is not created"
            if interface["subnetwork"] not in layout.made("compute networks subnets"):
                yield f"{name}: subnet {interface['subnetwork']} is not created"
            if annotations(resource).get("run.googleapis.com/vpc-access-egress") != "private-ranges-only":
                yield f"{name}: egress must be private-ranges-only"
        if "MCP_BROKER_URL" in env(resource) and not interfaces:
            yield f"{name} has no way to Valkey"


def ticket_api_is_closed(layout: Layout) -> Iterator[str]:
    """The MCP server proves who it is, and comes from inside if it has a network."""
    if "ticket-api" not in layout.resources:
        if "MCP_API_GOOGLE_IDENTITY" in env(layout.door):
            yield "an existing ticket API does not check Google identities"
        return
    said = {name: entry.get("value") for name, entry in env(layout.door).items()}
    if said.get("MCP_API_BASE_URL") != "https://ticket-api-PROJECT_NUMBER.REGION.run.app":
        yield "MCP_API_BASE_URL is not the address of ticket-api"
    if said.get("MCP_API_GOOGLE_IDENTITY") != "true":
        yield "MCP_API_GOOGLE_IDENTITY must be true: ticket-api checks it"
    invoker = f"{account(layout.door)}@$PROJECT_ID.iam.gserviceaccount.com"
    if not re.search(
        rf"ticket-api .*--role=roles/run\.invoker \\\n.*:{re.escape(invoker)}", layout.beside["deploy.sh"]
    ):
        yield "deploy.sh does not let the MCP server call ticket-api"
    ingress = layout.resources["ticket-api"]["metadata"]["annotations"]["run.googleapis.com/ingress"]
    if (ingress == "internal") != (NETWORK in annotations(layout.door)):
        yield f"ingress {ingress} of ticket-api does not fit the network of the MCP server"
    if ingress == "internal" and not {"run.app.", "*.run.app."} <= layout.made("dns record-sets"):
        yield "requests to run.app do not go through the network"


def names_exist(layout: Layout) -> Iterator[str]:
    """Scripts, pages and workflows name only secrets and accounts that some layout creates."""
    for file, text in layout.beside.items():
        named = {
            "secrets": set(re.findall(r"--secret=([a-z-]+)|secrets versions add ([a-z-]+)", text)),
            "iam service-accounts": set(re.findall(r"\b([a-z-]+)()@\$\{?(?:\{ *vars\.)?PROJECT_ID", text)),
        }
        for kind, found in named.items():
            for name in sorted({"".join(pair) for pair in found} - layout.made_anywhere(kind)):
                yield f"{file}: {name} of {kind} is created in no layout"


def samples_are_for_pilots(layout: Layout) -> Iterator[str]:
    """A layout whose instances share sessions is for real use."""
    job = layout.resources.get("ticket-api-migrate")
    is_pilot = "MCP_BROKER_URL" not in env(layout.door)
    if job is not None and (env(job)["MCP_SAMPLE_DATA"]["value"] == "none") == is_pilot:
        yield "MCP_SAMPLE_DATA must be none, except for a pilot"


def backups_are_on(layout: Layout) -> Iterator[str]:
    """A layout for real use can be restored to any moment of the last week."""
    flags = layout.state["there"].get("sql instances/tickets", {})
    needed = {"--backup-start-time", "--enable-point-in-time-recovery", "--deletion-protection"}
    if "MCP_BROKER_URL" in env(layout.door) and not needed <= flags.keys():
        yield "the database has no backups, or no point-in-time recovery"


RULES: Final[tuple[Callable[[Layout], Iterator[str]], ...]] = (
    settings_exist,
    regions_are_variables,
    secrets_are_readable,
    accounts_are_the_ones_in_use,
    roles_are_needed,
    databases_are_prepared,
    connections_suffice,
    networks_exist,
    ticket_api_is_closed,
    names_exist,
    samples_are_for_pilots,
    backups_are_on,
)
