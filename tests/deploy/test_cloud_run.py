"""The service files are valid for Cloud Run and for our programs; each rule of the lint finds its fault."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
import yaml

from auth.__main__ import cli
from auth.authorization_server.identity_provider.provider import callback_path
from shared.config import CloudSettings, Settings, TicketApiSettings, load
from shared.identity import GOOGLE
from shared.storage.database import resolve_url
from tests.deploy.cloud_run_lint import RULES, complaints, container, env, settings
from ticket_api.__main__ import parser

FOLDER: Final = Path(__file__).resolve().parents[2] / "gcp-deploy"
DOOR: Final = "cloud-run-service.yaml"
TICKET_API: Final = "ticket-api-service.yaml"
FILES: Final = (DOOR, TICKET_API)
KEY: Final = "0123456789abcdef" * 4
SECRETS_OF_KEYS: Final = MappingProxyType({
    "MCP_IDENTITY_KEYS": "mcp-identity-keys",
    "MCP_DATABASE_URL": "mcp-identity-database-url",
})  # fmt: skip
"""What section 9 of the README adds."""
EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - nothing is bound here


def text_of(file: str) -> str:
    return (FOLDER / file).read_text("utf-8")


def service_of(file: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text_of(file)))


def database_url() -> str:
    """Return the URL of the serving role, as the README stores it in the secret."""
    (form,) = re.findall(r"'(postgresql://[^']+)'", text_of("README.md"))
    assert 'database_url ticket_api "$APP_PASSWORD" |' in text_of("README.md")
    return str(form % ("ticket_api", "secret", "my-project:asia-northeast1:tickets"))


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


def as_cloud_run_starts_it(file: str, environment: pytest.MonkeyPatch) -> Settings:
    """Return the settings that the program reads when started as `file` specifies."""
    return as_cloud_run_starts(service_of(file), environment, {})


def as_cloud_run_starts(
    service: dict[str, Any], environment: pytest.MonkeyPatch, further_secrets: Mapping[str, str]
) -> Settings:
    """Return the settings that the program reads when started as `service` specifies."""
    secrets = {"ticket-api-database-url": database_url(), "mcp-server-key": KEY, "ticket-api-key": KEY[::-1]}
    secrets |= further_secrets
    for name, entry in env(service).items():
        value = entry["value"] if "value" in entry else secrets[entry["valueFrom"]["secretKeyRef"]["name"]]
        environment.setenv(name, value.replace("PROJECT_NUMBER", "123456789"))
    return load(settings(service))


@pytest.mark.parametrize("file", FILES)
def test_cloud_run_takes_the_file_and_so_do_our_rules(file: str) -> None:
    assert complaints(text_of(file)) == []


SHAPES: Final = [
    (DOOR, "timeoutSeconds: 1000", "timeoutSecond: 1000", "'timeoutSecond' was unexpected"),
    (DOOR, "timeoutSeconds: 1000", "timeoutSeconds: 4000", "4000 is greater than the maximum of 3600"),
    (DOOR, 'maxScale: "1"', "maxScale: 1", "1 is not of type 'string'"),
    (DOOR, "containerConcurrency: 200", 'containerConcurrency: "200"', "'200' is not of type 'integer'"),
    (DOOR, "              path: /health\n", "              path: /health\n              scheme: HTTP\n", "'scheme'"),
    (DOOR, "                  key: \"1\"\n            # Sent to", "            # Sent to", "'key' is a required"),
    (DOOR, "      serviceAccountName: mcp-server@PROJECT_ID.iam.gserviceaccount.com\n", "", "'serviceAccountName'"),
    (TICKET_API, "              cpu: \"1\"\n", "", "'cpu' is a required property"),
]  # fmt: skip
FAULTS: Final = [
    (DOOR, "cpu-throttling:", "cpu-throtling:", "run.googleapis.com/cpu-throtling is accepted on nowhere"),
    (DOOR, "run.googleapis.com/ingress: all", "run.googleapis.com/sessionAffinity: all", "accepted on Revision"),
    (DOOR, "asia-northeast1-docker.pkg.dev/PROJECT_ID/apps", "gcr.io/PROJECT_ID", "is not in Artifact Registry"),
    (DOOR, "mcp-ticket-server:VERSION", "mcp-ticket-server:latest", "has no tag that stays"),
    (TICKET_API, "mcp-ticket-server:VERSION", "mcp-ticket-server", "has no tag that stays"),
    (TICKET_API, "ticket-api@PROJECT_ID.iam", "1-compute@developer", "is not a service account made for this"),
    (DOOR, "          startupProbe:", "          readinessProbe:", "startupProbe does not ask /health"),
    (TICKET_API, "timeoutSeconds: 5", "timeoutSeconds: 90", "livenessProbe takes longer than its period"),
    (DOOR, "            limits:", "            requests:\n              cpu: 500m\n            limits:", "requests"),
    (DOOR, 'cpu: "1"', "cpu: 500m", "a whole processor or more"),
    (DOOR, 'maxScale: "1"', 'maxScale: "2"', "maxScale must be 1 while no MCP_BROKER_URL is set"),
    (DOOR, 'run.googleapis.com/minScale: "0"', "run.googleapis.com/client-name: us", "minScale is not set"),
    (
        DOOR,
        'run.googleapis.com/startup-cpu-boost: "true"',
        'autoscaling.knative.dev/minScale: "1"',
        "minScale on the revision would outlive it",
    ),
    (DOOR, "name: MCP_MAX_SESSIONS", "name: MCP_MAX_SESSION", "MCP_MAX_SESSION is not a setting"),
    (DOOR, "name: MCP_API_BASE_URL", "name: MCP_ALLOWED_HOSTS", "MCP_API_BASE_URL is not set"),
    (DOOR, "name: MCP_MAX_SESSIONS", "name: PORT", "PORT is set by Cloud Run"),
    (TICKET_API, "name: MCP_DATABASE_URL", "name: MCP_BROKER_URL", "MCP_DATABASE_URL is not set"),
    (DOOR, 'key: "1"\n            # Sent to', "key: api_key\n            # Sent to", "'api_key' is not the number"),
    (DOOR, 'key: "1"\n            # Sent to', "key: latest\n            # Sent to", "'latest' is not the number"),
    (DOOR, 'name: MCP_MAX_SESSIONS\n              value: "150"', "name: MCP_DATABASE_URL\n              value: x",
     "MCP_DATABASE_URL: secrets, and nothing else, must come from Secret Manager"),
    (DOOR, "timeoutSeconds: 1000", "timeoutSeconds: 983", "timeoutSeconds must be 984 or more"),
    (DOOR, 'value: "840"', 'value: "3240"', "timeoutSeconds must be 3624 or more"),
    (DOOR, 'value: "150"', 'value: "200"', "MCP_MAX_SESSIONS must leave room"),
    (DOOR, "name: MCP_MAX_SESSIONS", "name: MCP_MAX_SESSIONS_PER_PRINCIPAL", "MCP_MAX_SESSIONS must leave room"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "right", "wrong", "sentence"), [*SHAPES, *FAULTS])
def test_a_planted_fault_is_found(file: str, right: str, wrong: str, sentence: str) -> None:
    assert right in text_of(file)

    found = complaints(text_of(file).replace(right, wrong, 1))

    assert any(sentence in complaint for complaint in found), found


def test_every_rule_finds_one_of_the_faults() -> None:
    faulty = [yaml.safe_load(text_of(file).replace(right, wrong, 1)) for file, right, wrong, _ in FAULTS]

    idle = [rule.__name__ for rule in RULES if not any(list(rule(service)) for service in faulty)]

    assert idle == []


def test_several_instances_are_allowed_with_a_broker() -> None:
    shared = text_of(DOOR).replace('maxScale: "1"', 'maxScale: "2"').replace("MCP_MAX_SESSIONS", "MCP_BROKER_URL")

    assert not any("maxScale" in complaint for complaint in complaints(shared))


def test_the_door_starts_with_its_file(on_cloud_run: pytest.MonkeyPatch) -> None:
    read = as_cloud_run_starts_it(DOOR, on_cloud_run)

    assert isinstance(read, CloudSettings)
    assert read.accepted_hosts == (
        "mcp-ticket-server-123456789.asia-northeast1.run.app",
        "*---mcp-ticket-server-123456789.asia-northeast1.run.app",
    )
    assert str(read.api_base_url) == "https://ticket-api-123456789.asia-northeast1.run.app/"
    assert (read.host, read.port, read.cloud_run_timeout, read.max_sessions) == (EVERY_ADDRESS, 8080, 840, 150)
    assert [key.get_secret_value() for key in read.mcp_api_key] == [KEY]
    assert read.api_key is not None
    assert read.api_key.get_secret_value() == KEY[::-1]


def test_the_ticket_api_starts_with_its_file_and_the_same_key(on_cloud_run: pytest.MonkeyPatch) -> None:
    read = as_cloud_run_starts_it(TICKET_API, on_cloud_run)

    assert isinstance(read, TicketApiSettings)
    assert (read.host, read.port, read.sample_data) == (EVERY_ADDRESS, 8080, "en")
    assert [key.get_secret_value() for key in read.api_key] == [KEY[::-1]]
    assert container(service_of(TICKET_API))["command"] == ["python"]
    assert container(service_of(TICKET_API))["args"] == ["-m", "ticket_api"]


def test_the_database_url_of_the_readme_reaches_the_socket_of_cloud_sql() -> None:
    url = resolve_url(database_url())

    _, given = url.get_dialect()().create_connect_args(url)

    assert given == {
        "host": "/cloudsql/my-project:asia-northeast1:tickets",
        "user": "ticket_api",
        "password": "secret",
        "database": "tickets",
    }


def test_the_job_of_the_readme_makes_the_tables_as_their_owner_for_the_role_that_serves() -> None:
    readme = text_of("README.md")
    (arguments,) = re.findall(r"--args=(-m,ticket_api,\S+)", readme)
    (secret,) = set(re.findall(r"--set-secrets=MCP_DATABASE_URL=(\S+):1", readme))  # of this job and of the next

    assert arguments.split(",") == [
        "-m",
        "ticket_api",
        "migrate",
        "--grant-to",
        str(resolve_url(database_url()).username),
    ]
    assert parser().parse_args(arguments.split(",")[2:]).command == "migrate"
    assert f'database_url ticket_owner "$OWNER_PASSWORD" | gcloud secrets create {secret} ' in readme
    assert f"may_read ticket-api-migrate {secret}\n" in readme


def test_the_job_for_keys_makes_their_tables_for_the_role_that_serves_them() -> None:
    readme = text_of("README.md")
    (arguments,) = re.findall(r"--args=(-m,auth,\S+)", readme)
    *command, role = arguments.split(",")
    (first_key,) = re.findall(r"MCP_DATABASE_URL=(postgresql://\S+)", readme)

    assert command == ["-m", "auth", "migrate", "--grant-to"]
    assert cli.commands["migrate"].params[0].opts == ["--grant-to"]
    assert f"gcloud sql users create {role} " in readme
    assert f'database_url {role} "$IDENTITY_PASSWORD" | gcloud secrets create mcp-identity-database-url ' in readme
    assert first_key.startswith(f"postgresql://{role}:$IDENTITY_PASSWORD@")


def test_the_door_signs_people_in_with_what_the_readme_adds(on_cloud_run: pytest.MonkeyPatch) -> None:
    readme = text_of("README.md")
    (added,) = re.findall(r"^```yaml\n(.+?)^```", readme, re.MULTILINE | re.DOTALL)
    (callback,) = re.findall(r'"(https://mcp-ticket-server-\S+/oauth/callback/\S+)"', readme)
    keys = "".join(
        f"            - name: {name}\n              valueFrom:\n                secretKeyRef:\n"
        f'                  name: {secret}\n                  key: "1"\n'
        for name, secret in SECRETS_OF_KEYS.items()
    )
    file = text_of(DOOR).replace("          env:\n", f"          env:\n{keys}{added}", 1)
    secrets = {"mcp-identity-keys": KEY, "mcp-identity-database-url": database_url()}

    assert complaints(file) == []
    read = as_cloud_run_starts(yaml.safe_load(file), on_cloud_run, secrets | {"mcp-oauth-client-secret": "GOCSPX-a"})

    assert isinstance(read, CloudSettings)
    assert read.sign_in_issuers == {GOOGLE: frozenset()}
    public = (
        str(read.public_url).rstrip("/").replace("123456789", "$PROJECT_NUMBER").replace("asia-northeast1", "$REGION")
    )
    assert callback == public + callback_path(GOOGLE)
    assert 'printf %s "$CLIENT_SECRET" | gcloud secrets create mcp-oauth-client-secret --data-file=-' in readme
    assert "may_read mcp-server mcp-oauth-client-secret\n" in readme


@pytest.mark.parametrize("file", FILES)
def test_the_readme_makes_what_the_file_names(file: str) -> None:
    service, readme = service_of(file), text_of("README.md")
    account = service["spec"]["template"]["spec"]["serviceAccountName"].partition("@")[0]
    secrets = [entry["valueFrom"]["secretKeyRef"]["name"] for entry in env(service).values() if "valueFrom" in entry]

    assert f"deploy gcp-deploy/{file}\n" in readme
    assert f"service-accounts create {account}\n" in readme
    for secret in secrets:
        assert f"secrets create {secret} " in readme
        assert f"may_read {account} {secret}\n" in readme


def test_both_services_run_the_same_image_and_agree_on_the_database() -> None:
    door, ticket_api = service_of(DOOR), service_of(TICKET_API)
    instance = ticket_api["spec"]["template"]["metadata"]["annotations"]["run.googleapis.com/cloudsql-instances"]

    assert container(door)["image"] == container(ticket_api)["image"]
    assert instance == "PROJECT_ID:asia-northeast1:tickets"
    assert '"$PROJECT_ID:$REGION:tickets"' in text_of("README.md")
