"""Lints Cloud Run service files offline: what Cloud Run would refuse, and what it would accept to our disadvantage.

The schema is Google's own description of the API (discovery document run.v1, shipped in the package
google-api-python-client), made strict: unknown fields, and fields that Cloud Run does not support, are errors.
The rules after it are this project's; the names of settings come from shared/config.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator

from shared.config import CloudSettings, Settings, TicketApiSettings
from shared.environment import variables

Json = dict[str, Any]

NEEDED: Final[dict[type[Settings], set[str]]] = {
    CloudSettings: {"MCP_PUBLIC_URL", "MCP_API_BASE_URL", "MCP_CLOUD_RUN_TIMEOUT", "MCP_MCP_API_KEY", "MCP_API_KEY"},
    TicketApiSettings: {"MCP_DATABASE_URL", "MCP_API_KEY"},
}
REGISTRY: Final = re.compile(r"[a-z0-9-]+-docker\.pkg\.dev/[^/]+/[^/]+/[^/:@]+")
PREFIXES: Final = ("run.googleapis.com/", "autoscaling.knative.dev/")


def having(**parts: Json) -> Json:
    """Return the JSON Schema of an object with these parts."""
    return {"required": list(parts), "properties": parts}


SPOKEN_OUT: Final = having(
    metadata=having(annotations={}),
    spec=having(
        template=having(
            metadata=having(annotations={}),
            spec=having(
                serviceAccountName={},
                containerConcurrency={"minimum": 1, "maximum": 1000},
                timeoutSeconds={"minimum": 1, "maximum": 3600},
                containers={"maxItems": 1, "items": having(env={}, resources=having(limits=having(cpu={}, memory={})))},
            ),
        )
    ),
)
"""Values with a Cloud Run default that a service file here must set itself; the rules below read them."""


def complaints(text: str) -> list[str]:
    """Return one sentence per fault of the service file `text`; the rules run only if the schema holds."""
    service = yaml.safe_load(text)
    found = [f"{error.json_path}: {error.message}" for error in validator().iter_errors(service)]
    return found or [sentence for rule in RULES for sentence in rule(service)]


# ---- the schema, from Google ---------------------------------------------------------------------------------------


@cache
def discovery() -> Json:
    """Return Google's description of the API."""
    document = files("googleapiclient") / "discovery_cache" / "documents" / "run.v1.json"
    return dict(json.loads(document.read_text("utf-8")))


@cache
def validator() -> Draft202012Validator:
    """Return the strict JSON Schema of a service."""
    definitions = {name: strict(node) for name, node in discovery()["schemas"].items()}
    return Draft202012Validator({"$defs": definitions, "allOf": [{"$ref": "#/$defs/Service"}, SPOKEN_OUT]})


def strict(node: Json) -> Json:
    """Convert a discovery node to a JSON Schema that allows only what it names."""
    if "$ref" in node:
        return {"$ref": f"#/$defs/{node['$ref']}"}
    if node["type"] == "any":
        return {}
    schema: Json = {key: node[key] for key in ("type", "enum") if key in node}
    if node["type"] == "array":
        schema["items"] = strict(node["items"])
    elif "properties" in node:
        supported = {
            name: value for name, value in node["properties"].items() if "Not supported" not in described(value)[:40]
        }
        schema["properties"] = {name: strict(value) for name, value in supported.items()}
        needed = {name for name, value in supported.items() if described(value).startswith("Required.")}
        schema["required"] = sorted(needed - {"namespace"})  # gcloud fills in the project
        schema["additionalProperties"] = False
    elif "additionalProperties" in node:
        schema["additionalProperties"] = strict(node["additionalProperties"])
    return schema


def described(node: Json) -> str:
    """Return Google's description of a field."""
    return str(node.get("description", ""))


@cache
def annotation_levels() -> dict[str, str]:
    """Return the level at which each of Cloud Run's annotations is allowed, for example {"…/minScale": "Service"}."""
    text = described(discovery()["schemas"]["ObjectMeta"]["properties"]["annotations"])
    return dict(re.findall(r"`([\w./-]+/[\w-]+)`: ([^*]+)", text))


# ---- the rules, ours -----------------------------------------------------------------------------------------------


def annotations_stand_where_they_work(service: Json) -> Iterator[str]:
    """Cloud Run refuses misspelt annotations and annotations on the wrong level."""
    for level, metadata in (("Service", service["metadata"]), ("Revision", template(service)["metadata"])):
        for name in metadata["annotations"]:
            accepted = annotation_levels().get(name, "nowhere")
            if name.startswith(PREFIXES) and level not in accepted and "All" not in accepted:
                yield f"annotation {name} is accepted on {accepted}, not on {level}"


def images_are_pinned(service: Json) -> Iterator[str]:
    """The old registry is gone, and a moving tag cannot be rolled back to."""
    image = container(service)["image"]
    if not REGISTRY.match(image):
        yield f"image {image} is not in Artifact Registry"
    tag = REGISTRY.sub("", image)
    if not tag.startswith((":", "@sha256:")) or tag == ":latest":
        yield f"image {image} has no tag that stays"


def identity_is_its_own(service: Json) -> Iterator[str]:
    """Without its own service account, it would run as the project's default account, which has far more rights."""
    account = spec(service)["serviceAccountName"]
    if not account.endswith("@PROJECT_ID.iam.gserviceaccount.com"):
        yield f"{account} is not a service account made for this service"


def health_is_probed(service: Json) -> Iterator[str]:
    """By HTTP, and a probe must not take longer than its period."""
    for kind in ("startupProbe", "livenessProbe"):
        probe = container(service).get(kind, {})
        if probe.get("httpGet", {}).get("path") != "/health":
            yield f"{kind} does not ask /health"
        if probe.get("timeoutSeconds", 1) > probe.get("periodSeconds", 10):
            yield f"{kind} takes longer than its period"


def resources_are_limits(service: Json) -> Iterator[str]:
    """Limits are what is allocated and billed; less than one processor would mean one request at a time."""
    resources = container(service)["resources"]
    if "requests" in resources:
        yield "resources.requests has no effect on Cloud Run: set limits"
    if resources["limits"]["cpu"] not in {"1", "2", "4"}:
        yield "resources.limits.cpu must be a whole processor or more"


def instances_are_bounded(service: Json) -> Iterator[str]:
    """Scaling is set on the service; sessions in memory allow one instance."""
    annotations = service["metadata"]["annotations"]
    for name in ("minScale", "maxScale"):
        if f"run.googleapis.com/{name}" not in annotations:
            yield f"{name} is not set on the service"
        if f"autoscaling.knative.dev/{name}" in template(service)["metadata"]["annotations"]:
            yield f"{name} on the revision would outlive it"
    if annotations.get("run.googleapis.com/maxScale") != "1" and "MCP_BROKER_URL" not in env(service):
        yield "maxScale must be 1 while no MCP_BROKER_URL is set"


def environment_is_understood(service: Json) -> Iterator[str]:
    """A misspelt setting would be ignored and its default used."""
    known = {name for field in settings(service).model_fields for name in variables(settings(service), field)}
    yield from (f"{name} is not a setting" for name in sorted(env(service).keys() - known))
    yield from (f"{name} is not set" for name in sorted(NEEDED[settings(service)] - env(service).keys()))
    if "PORT" in env(service):
        yield "PORT is set by Cloud Run"


def secrets_are_references(service: Json) -> Iterator[str]:
    """To a numbered version: `key` is not a name here, and `latest` could differ between instances."""
    for field, info in settings(service).model_fields.items():
        entry = env(service).get(variables(settings(service), field)[0])
        if entry is not None and ("SecretStr" in str(info.annotation)) != ("valueFrom" in entry):
            yield f"{entry['name']}: secrets, and nothing else, must come from Secret Manager"
    for entry in env(service).values():
        version = entry.get("valueFrom", {}).get("secretKeyRef", {}).get("key", "1")
        if not version.isdecimal():
            yield f"{entry['name']}: {version!r} is not the number of a secret's version"


def streams_end_before_they_are_cut(service: Json) -> Iterator[str]:
    """Promise S5: a stream lives up to 1.1 times its limit, plus 60 s for calls in flight."""
    if settings(service) is not CloudSettings:
        return
    rotation = int(setting(service, "cloud_run_timeout"))
    needed = -(-rotation * 11 // 10) + 60  # in integers, rounded up
    if spec(service)["timeoutSeconds"] < needed:
        yield f"timeoutSeconds must be {needed} or more for MCP_CLOUD_RUN_TIMEOUT={rotation}"
    if int(setting(service, "max_sessions")) >= spec(service)["containerConcurrency"]:
        yield "MCP_MAX_SESSIONS must leave room for POSTs: it is not below containerConcurrency"


RULES: Final[tuple[Callable[[Json], Iterator[str]], ...]] = (
    annotations_stand_where_they_work,
    images_are_pinned,
    identity_is_its_own,
    health_is_probed,
    resources_are_limits,
    instances_are_bounded,
    environment_is_understood,
    secrets_are_references,
    streams_end_before_they_are_cut,
)


# ---- reading a service ---------------------------------------------------------------------------------------------


def template(service: Json) -> Json:
    """Return the template of the next revision."""
    return dict(service["spec"]["template"])


def spec(service: Json) -> Json:
    """Return the spec of a revision."""
    return dict(template(service)["spec"])


def container(service: Json) -> Json:
    """Return the one container."""
    (only,) = spec(service)["containers"]
    return dict(only)


def env(service: Json) -> dict[str, Json]:
    """Return the entries of the environment by name."""
    return {entry["name"]: entry for entry in container(service)["env"]}


def settings(service: Json) -> type[Settings]:
    """Return the class of settings that the started program reads."""
    return TicketApiSettings if "ticket_api" in container(service).get("args", []) else CloudSettings


def setting(service: Json, field: str) -> str:
    """Return the value of a setting, or its default."""
    entry = env(service).get(variables(CloudSettings, field)[0])
    return str(CloudSettings.model_fields[field].default if entry is None else entry["value"])
