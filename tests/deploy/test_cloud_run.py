"""The files of each layout are valid for Cloud Run and for our programs; each rule of the lint finds its fault."""

import os
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from auth.__main__ import cli
from shared.config import CloudSettings, IdentitySettings, Settings, TicketApiSettings, load
from shared.identity import GOOGLE
from tests.deploy.cloud_run_lint import RULES, complaints, container, env, settings
from tests.processes import ROOT
from ticket_api.__main__ import parser

FOLDER: Final = ROOT / "gcp-deploy"
LAYOUTS: Final = ("pilot", "production", "existing-api")
FILES: Final = [f"{layout}/{path.name}" for layout in LAYOUTS for path in sorted((FOLDER / layout).glob("*.yaml"))]
PILOT: Final = "pilot/mcp-ticket-server.yaml"
DOOR: Final = "production/mcp-ticket-server.yaml"
EXISTING: Final = "existing-api/mcp-ticket-server.yaml"
TICKET_API: Final = "production/ticket-api.yaml"
JOB: Final = "production/ticket-api-migrate.yaml"
KEY: Final = "0123456789abcdef" * 4
VALUES: Final = {
    "PROJECT_ID": "my-project",
    "PROJECT_NUMBER": "123456789",
    "REGION": "europe-west1",
    "IMAGE": f"europe-west1-docker.pkg.dev/my-project/apps/mcp-ticket-server@sha256:{'0' * 64}",
    "DOMAIN": "tickets.example.com",
    "API_URL": "https://api.example.com/v1",
    "OAUTH_CLIENT_ID": "123-abc.apps.googleusercontent.com",
}
DATABASE_URL: Final = "postgresql://role:secret@/tickets?host=/cloudsql/my-project:europe-west1:tickets"
OWN_FORM: Final = {"MCP_DATABASE_URL": DATABASE_URL, "MCP_BROKER_URL": "redis://10.8.0.5:6379"}
"""Secrets that are no keys."""
EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - nothing is bound here


def text_of(file: str) -> str:
    return (FOLDER / file).read_text("utf-8")


def resource_of(file: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text_of(file)))


@pytest.fixture
def on_cloud_run(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set the environment of a Cloud Run container without settings."""
    for name in os.environ:
        if name.startswith("MCP_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(Settings, "dotenv_path", Path("no such file"))
    monkeypatch.setenv("K_SERVICE", "any")
    monkeypatch.setenv("PORT", "8080")
    return monkeypatch


def as_cloud_run_starts(file: str, environment: pytest.MonkeyPatch) -> Settings:
    """Return the settings that the program reads when started as `file` says; each secret is a key, or has a form."""
    text = text_of(file)
    for name in sorted(VALUES, key=len, reverse=True):
        text = (
            text.replace(name, VALUES[name])
            if name != "OAUTH_CLIENT_ID"
            else text.replace(f" {name}", f" {VALUES[name]}")
        )
    resource = yaml.safe_load(text)
    for name, entry in env(resource).items():
        environment.setenv(name, entry.get("value", OWN_FORM.get(name, KEY)))
    return load(settings(resource))


@pytest.mark.parametrize("file", FILES)
def test_cloud_run_takes_the_file_and_so_do_our_rules(file: str) -> None:
    assert complaints(text_of(file)) == []


SHAPES: Final = [
    (DOOR, "timeoutSeconds: 1000", "timeoutSecond: 1000", "'timeoutSecond' was unexpected"),
    (DOOR, "timeoutSeconds: 1000", "timeoutSeconds: 4000", "4000 is greater than the maximum of 3600"),
    (DOOR, 'maxScale: "10"', "maxScale: 10", "10 is not of type 'string'"),
    (DOOR, "containerConcurrency: 1000", 'containerConcurrency: "1000"', "'1000' is not of type 'integer'"),
    (DOOR, "              path: /health\n", "              path: /health\n              scheme: HTTP\n", "'scheme'"),
    (DOOR, "                  name: mcp-broker-url\n                  key: \"1\"\n", "                  name: x\n",
     "'key' is a required"),
    (DOOR, "      serviceAccountName: mcp-server@PROJECT_ID.iam.gserviceaccount.com\n", "", "'serviceAccountName'"),
    (TICKET_API, "              cpu: \"1\"\n", "", "'cpu' is a required property"),
    (JOB, 'timeoutSeconds: "300"', "timeoutSeconds: 300", "300 is not of type 'string'"),
    (JOB, "maxRetries: 0", "maxRetries: 3", "0 was expected"),
    (JOB, "taskCount: 1", "taskCount: 2", "1 was expected"),
    (JOB, "taskCount: 1", "tasks: 1", "'tasks' was unexpected"),
]  # fmt: skip
FAULTS: Final = [
    (DOOR, "cpu-throttling:", "cpu-throtling:", "run.googleapis.com/cpu-throtling is accepted on nowhere"),
    (DOOR, "run.googleapis.com/ingress: all", "run.googleapis.com/sessionAffinity: all", "accepted on Revision"),
    (JOB, "run.googleapis.com/execution-environment", "run.googleapis.com/cpu-throttling", "not on Execution"),
    (DOOR, "image: IMAGE", "image: gcr.io/PROJECT_ID/mcp-ticket-server:latest", "is not the IMAGE that render.py"),
    (TICKET_API, "ticket-api@PROJECT_ID.iam", "1-compute@developer", "is not a service account made for this service"),
    (JOB, "ticket-api-migrate@PROJECT_ID.iam", "1-compute@developer", "is not a service account made for this job"),
    (DOOR, "          startupProbe:", "          readinessProbe:", "startupProbe does not ask /started"),
    (DOOR, "path: /started", "path: /health", "startupProbe does not ask /started"),
    (DOOR, "path: /health", "path: /ready", "livenessProbe does not ask /health"),
    (DOOR, "failureThreshold: 48", "failureThreshold: 10", "allows 50 s, but through a VPC a start may take 180"),
    (DOOR, "failureThreshold: 48", "failureThreshold: 49", "allows 245 s, and Cloud Run at most 240"),
    (TICKET_API, "timeoutSeconds: 5", "timeoutSeconds: 90", "livenessProbe takes longer than its period"),
    (DOOR, "            limits:", "            requests:\n              cpu: 500m\n            limits:", "requests"),
    (DOOR, 'cpu: "1"', "cpu: 500m", "a whole processor or more"),
    (PILOT, 'maxScale: "1"', 'maxScale: "2"', "maxScale must be 1 while no MCP_BROKER_URL is set"),
    (DOOR, "name: MCP_BROKER_URL", "name: MCP_MCP_API_KEY", "maxScale must be 1 while no MCP_BROKER_URL is set"),
    (DOOR, 'cpu-throttling: "false"', 'cpu-throttling: "true"', "several instances work between requests"),
    (EXISTING, 'cpu-throttling: "false"', 'cpu-throttling: "true"', "several instances work between requests"),
    (DOOR, 'run.googleapis.com/minScale: "1"', "run.googleapis.com/client-name: us", "minScale is not set"),
    (
        DOOR,
        'run.googleapis.com/startup-cpu-boost: "true"',
        'autoscaling.knative.dev/minScale: "1"',
        "minScale on the revision would outlive it",
    ),
    (TICKET_API, 'iam-disabled: "false"', 'iam-disabled: "true"', "invoker-iam-disabled must be false"),
    (DOOR, 'iam-disabled: "true"', 'iam-disabled: "false"', "invoker-iam-disabled must be true"),
    (DOOR, "ingress: all", "ingress: internal", "ingress is not what clients of this service need"),
    (DOOR, "name: MCP_MAX_SESSIONS", "name: MCP_MAX_SESSION", "MCP_MAX_SESSION is not a setting"),
    (JOB, "name: MCP_SAMPLE_DATA", "name: MCP_SAMPLE", "MCP_SAMPLE_DATA is not set"),
    (DOOR, "name: MCP_API_BASE_URL", "name: MCP_ALLOWED_ORIGINS", "MCP_API_BASE_URL is not set"),
    (DOOR, "name: MCP_IDENTITY_KEYS", "name: MCP_REQUEST_STATE_KEYS", "neither MCP_MCP_API_KEY nor MCP_IDENTITY_KEYS"),
    (DOOR, "name: MCP_MAX_SESSIONS", "name: PORT", "PORT is set by Cloud Run"),
    (TICKET_API, "name: MCP_DATABASE_URL", "name: MCP_BROKER_URL", "MCP_DATABASE_URL is not set"),
    (DOOR, 'mcp-broker-url\n                  key: "1"', "mcp-broker-url\n                  key: api_key", "'api_key'"),
    (DOOR, 'mcp-broker-url\n                  key: "1"', "mcp-broker-url\n                  key: latest", "'latest'"),
    (PILOT, 'name: MCP_MAX_SESSIONS\n              value: "150"', "name: MCP_DATABASE_URL\n              value: x",
     "MCP_DATABASE_URL: secrets, and nothing else, must come from Secret Manager"),
    (DOOR, "timeoutSeconds: 1000", "timeoutSeconds: 983", "timeoutSeconds must be 984 or more"),
    (DOOR, 'value: "840"', 'value: "3240"', "timeoutSeconds must be 3624 or more"),
    (DOOR, 'value: "800"', 'value: "1000"', "MCP_MAX_SESSIONS must leave room"),
    (PILOT, "name: MCP_MAX_SESSIONS", "name: MCP_MAX_SESSIONS_PER_PRINCIPAL", "MCP_MAX_SESSIONS must leave room"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "right", "wrong", "sentence"), [*SHAPES, *FAULTS])
def test_a_planted_fault_is_found(file: str, right: str, wrong: str, sentence: str) -> None:
    assert right in text_of(file)

    found = complaints(text_of(file).replace(right, wrong, 1))

    assert any(sentence in complaint for complaint in found), found


def test_every_rule_finds_one_of_the_faults() -> None:
    faulty = [yaml.safe_load(text_of(file).replace(right, wrong, 1)) for file, right, wrong, _ in FAULTS]

    idle = [rule.__name__ for rule in RULES if not any(list(rule(resource)) for resource in faulty)]

    assert idle == []


def test_the_pilot_starts_with_its_file(on_cloud_run: pytest.MonkeyPatch) -> None:
    read = as_cloud_run_starts(PILOT, on_cloud_run)

    assert isinstance(read, CloudSettings)
    assert read.accepted_hosts == (
        "mcp-ticket-server-123456789.europe-west1.run.app",
        "*---mcp-ticket-server-123456789.europe-west1.run.app",
    )
    assert str(read.api_base_url) == "https://ticket-api-123456789.europe-west1.run.app/"
    assert (read.host, read.port, read.cloud_run_timeout, read.max_sessions) == (EVERY_ADDRESS, 8080, 840, 150)
    assert read.api_google_identity
    assert read.mcp_api_key is not None


@pytest.mark.parametrize("file", [DOOR, EXISTING])
def test_production_starts_with_its_file(file: str, on_cloud_run: pytest.MonkeyPatch) -> None:
    read = as_cloud_run_starts(file, on_cloud_run)

    assert isinstance(read, CloudSettings)
    assert str(read.public_url) == "https://tickets.example.com/"
    assert read.accepted_hosts == (
        "tickets.example.com",
        "mcp-ticket-server-123456789.europe-west1.run.app",
        "*---mcp-ticket-server-123456789.europe-west1.run.app",
    )
    assert read.sign_in_issuers == {GOOGLE: frozenset()}
    assert not read.mcp_api_key, "one key for all clients is for a pilot"
    assert all((read.broker_url, read.operator_key, read.identity_keys, read.request_state_keys, read.api_key))
    if file == DOOR:
        assert str(read.api_base_url) == "https://ticket-api-123456789.europe-west1.run.app/"
        assert read.api_google_identity
    else:
        assert str(read.api_base_url) == "https://api.example.com/v1"
        assert not read.api_google_identity


def test_the_existing_api_may_have_a_private_address(
    on_cloud_run: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VALUES, "API_URL", "http://10.1.2.3:3000")

    assert str(getattr(as_cloud_run_starts(EXISTING, on_cloud_run), "api_base_url", "")) == "http://10.1.2.3:3000/"


@pytest.mark.parametrize("file", ["pilot/ticket-api.yaml", TICKET_API])
def test_the_ticket_api_starts_with_its_file(file: str, on_cloud_run: pytest.MonkeyPatch) -> None:
    read = as_cloud_run_starts(file, on_cloud_run)

    assert isinstance(read, TicketApiSettings)
    assert (read.host, read.port) == (EVERY_ADDRESS, 8080)
    assert container(resource_of(file))["command"] == ["python"]
    assert container(resource_of(file))["args"] == ["-m", "ticket_api"]


@pytest.mark.parametrize(("layout", "samples"), [("pilot", "en"), ("production", "none")])
def test_the_first_job_creates_tickets_only_for_a_pilot(
    layout: str, samples: str, on_cloud_run: pytest.MonkeyPatch
) -> None:
    file = f"{layout}/ticket-api-migrate.yaml"

    assert as_cloud_run_starts(file, on_cloud_run).sample_data == samples
    read = parser().parse_args(container(resource_of(file))["args"][2:])
    assert (read.command, read.grant_to) == ("migrate", "ticket_api")


@pytest.mark.parametrize("layout", ["production", "existing-api"])
def test_the_second_job_creates_the_identity_store_for_the_role_that_serves(
    layout: str, on_cloud_run: pytest.MonkeyPatch
) -> None:
    file = f"{layout}/identity-migrate.yaml"

    assert isinstance(as_cloud_run_starts(file, on_cloud_run), IdentitySettings)
    assert container(resource_of(file))["args"] == ["-m", "auth", "migrate", "--grant-to", "mcp_server"]
    assert cli.commands["migrate"].params[0].opts == ["--grant-to"]
