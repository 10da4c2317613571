"""Lints one file of Cloud Run offline: what Cloud Run would refuse, and what it would accept to our disadvantage.

The schema is Google's own description of the API (discovery document run.v1, shipped in the package
google-api-python-client), made strict: unknown fields, and fields that Cloud Run does not support, are errors.
The rules after it are this project's, for services and for jobs; the names of settings come from shared/config. What
several files have to agree about is in `layout_lint`.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator

from shared.config import CloudSettings, IdentitySettings, Settings, TicketApiSettings
from shared.environment import variables

Json = dict[str, Any]

PROGRAMS: Final[dict[tuple[str, ...], type[Settings]]] = {
    (): CloudSettings,
    ("-m", "ticket_api"): TicketApiSettings,
    ("-m", "ticket_api", "migrate"): Settings,
    ("-m", "auth", "migrate"): IdentitySettings,
}
"""The settings that each program reads, by the start of its arguments."""
NEEDED: Final[dict[type[Settings], set[str]]] = {
    CloudSettings: {"MCP_PUBLIC_URL", "MCP_API_BASE_URL", "MCP_CLOUD_RUN_TIMEOUT", "MCP_API_KEY"},
    TicketApiSettings: {"MCP_DATABASE_URL", "MCP_API_KEY"},
    Settings: {"MCP_DATABASE_URL", "MCP_SAMPLE_DATA"},
    IdentitySettings: {"MCP_DATABASE_URL"},
}
PREFIXES: Final = ("run.googleapis.com/", "autoscaling.knative.dev/")
LONGEST_START_S: Final = 240
"""The most that Cloud Run waits for a startup probe."""
VPC_START_S: Final = 180
"""What an instance behind Direct VPC egress gets at least; Google speaks of a minute or more."""


def having(**parts: Json) -> Json:
    """Return the JSON Schema of an object with these parts."""
    return {"required": list(parts), "properties": parts}


CONTAINERS: Final[Json] = {
    "maxItems": 1,
    "items": having(env={}, resources=having(limits=having(cpu={}, memory={}))),
}
SPOKEN_OUT: Final = {
    "Service": having(
        metadata=having(annotations={}),
        spec=having(
            template=having(
                metadata=having(annotations={}),
                spec=having(
                    serviceAccountName={},
                    containerConcurrency={"minimum": 1, "maximum": 1000},
                    timeoutSeconds={"minimum": 1, "maximum": 3600},
                    containers=CONTAINERS,
                ),
            )
        ),
    ),
    "Job": having(
        spec=having(
            template=having(
                metadata=having(annotations={}),
                spec=having(
                    taskCount={"const": 1},
                    template=having(
                        spec=having(
                            serviceAccountName={}, maxRetries={"const": 0}, timeoutSeconds={}, containers=CONTAINERS
                        )
                    ),
                ),
            )
        )
    ),
}
"""Values with a Cloud Run default that a file here must set itself; the rules below read them."""


def complaints(text: str) -> list[str]:
    """Return one sentence per fault of the file `text`; the rules run only if the schema holds."""
    resource = yaml.safe_load(text)
    found = [f"{error.json_path}: {error.message}" for error in validator(resource["kind"]).iter_errors(resource)]
    return found or [sentence for rule in RULES for sentence in rule(resource)]


# ---- the schema, from Google ---------------------------------------------------------------------------------------


@cache
def discovery() -> Json:
    """Return Google's description of the API."""
    document = files("googleapiclient") / "discovery_cache" / "documents" / "run.v1.json"
    return dict(json.loads(document.read_text("utf-8")))


@cache
def validator(kind: str) -> Draft202012Validator:
    """Return the strict JSON Schema of a `Service` or a `Job`."""
    definitions = {name: strict(node) for name, node in discovery()["schemas"].items()}
    return Draft202012Validator({"$defs": definitions, "allOf": [{"$ref": f"#/$defs/{kind}"}, SPOKEN_OUT[kind]]})


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
def annotation_levels() -> dict[str, set[str]]:
    """Return the levels at which Cloud Run accepts each of its annotations, for example {"…/minScale": {"Service"}}."""
    text = described(discovery()["schemas"]["ObjectMeta"]["properties"]["annotations"])
    found = re.findall(r"`([\w./-]+/[\w-]+)`: ([^*]+)", text)
    return {name: set(re.findall(r"[A-Z]\w+", levels)) for name, levels in found}


# ---- the rules, ours -----------------------------------------------------------------------------------------------


def annotations_stand_where_they_work(resource: Json) -> Iterator[str]:
    """Cloud Run refuses misspelt annotations and annotations on the wrong level."""
    below = "Revision" if is_service(resource) else "Execution"
    for level, metadata in (
        (resource["kind"], resource["metadata"]),
        (below, resource["spec"]["template"]["metadata"]),
    ):
        for name in metadata.get("annotations", {}):
            accepted = annotation_levels().get(name, {"nowhere"})
            if name.startswith(PREFIXES) and level not in accepted and "All" not in accepted:
                yield f"annotation {name} is accepted on {', '.join(sorted(accepted))}, not on {level}"


def images_are_pinned(resource: Json) -> Iterator[str]:
    """A tag that moves cannot be rolled back to; `render.py` refuses an IMAGE without a digest."""
    if container(resource)["image"] != "IMAGE":
        yield f"image {container(resource)['image']} is not the IMAGE that render.py fills in"


def identity_is_its_own(resource: Json) -> Iterator[str]:
    """Without its own service account, it would run as the project's default account, which has far more rights."""
    account = spec(resource)["serviceAccountName"]
    if not account.endswith("@PROJECT_ID.iam.gserviceaccount.com"):
        yield f"{account} is not a service account made for this {resource['kind'].lower()}"


def health_is_probed(resource: Json) -> Iterator[str]:
    """By HTTP, in time, and a start through a VPC has time enough; liveness depends on nothing else."""
    if not is_service(resource):
        return
    started = "/started" if settings(resource) is CloudSettings else "/health"
    for kind, path in (("startupProbe", started), ("livenessProbe", "/health")):
        probe = container(resource).get(kind, {})
        if probe.get("httpGet", {}).get("path") != path:
            yield f"{kind} does not ask {path}"
        if probe.get("timeoutSeconds", 1) > probe.get("periodSeconds", 10):
            yield f"{kind} takes longer than its period"
    probe = container(resource).get("startupProbe", {})
    allowed = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
    if allowed > LONGEST_START_S:
        yield f"startupProbe allows {allowed} s, and Cloud Run at most {LONGEST_START_S}"
    if "run.googleapis.com/network-interfaces" in annotations(resource) and allowed < VPC_START_S:
        yield f"startupProbe allows {allowed} s, but through a VPC a start may take {VPC_START_S}"


def resources_are_limits(resource: Json) -> Iterator[str]:
    """Limits are what is allocated and billed; less than one processor would mean one request at a time."""
    resources = container(resource)["resources"]
    if "requests" in resources:
        yield "resources.requests has no effect on Cloud Run: set limits"
    if resources["limits"]["cpu"] not in {"1", "2", "4"}:
        yield "resources.limits.cpu must be a whole processor or more"


def instances_are_bounded(resource: Json) -> Iterator[str]:
    """Scaling is set on the service; instances of the MCP server share sessions, and work between requests."""
    if not is_service(resource):
        return
    own = resource["metadata"]["annotations"]
    for name in ("minScale", "maxScale"):
        if f"run.googleapis.com/{name}" not in own:
            yield f"{name} is not set on the service"
        if f"autoscaling.knative.dev/{name}" in annotations(resource):
            yield f"{name} on the revision would outlive it"
    if settings(resource) is CloudSettings and own.get("run.googleapis.com/maxScale") != "1":
        if "MCP_BROKER_URL" not in env(resource):
            yield "maxScale must be 1 while no MCP_BROKER_URL is set"
        if annotations(resource).get("run.googleapis.com/cpu-throttling") != "false":
            yield "several instances work between requests: cpu-throttling must be false"


def access_is_closed(resource: Json) -> Iterator[str]:
    """Clients of the MCP server have its own keys; whoever calls the ticket API is checked by Cloud Run as well."""
    if not is_service(resource):
        return
    own = resource["metadata"]["annotations"]
    is_door = settings(resource) is CloudSettings
    if own.get("run.googleapis.com/invoker-iam-disabled") != ("true" if is_door else "false"):
        yield f"invoker-iam-disabled must be {'true' if is_door else 'false'}"
    if own.get("run.googleapis.com/ingress") not in ({"all"} if is_door else {"all", "internal"}):
        yield "ingress is not what clients of this service need"


def environment_is_understood(resource: Json) -> Iterator[str]:
    """A misspelt setting would be ignored and its default used."""
    known = {name for field in settings(resource).model_fields for name in variables(settings(resource), field)}
    yield from (f"{name} is not a setting" for name in sorted(env(resource).keys() - known))
    yield from (f"{name} is not set" for name in sorted(NEEDED[settings(resource)] - env(resource).keys()))
    if settings(resource) is CloudSettings and not {"MCP_MCP_API_KEY", "MCP_IDENTITY_KEYS"} & env(resource).keys():
        yield "neither MCP_MCP_API_KEY nor MCP_IDENTITY_KEYS is set"
    if "PORT" in env(resource):
        yield "PORT is set by Cloud Run"


def secrets_are_references(resource: Json) -> Iterator[str]:
    """To a numbered version: `key` is not a name here, and `latest` could differ between instances."""
    for field, info in settings(resource).model_fields.items():
        entry = env(resource).get(variables(settings(resource), field)[0])
        if entry is not None and ("Secret" in str(info.annotation)) != ("valueFrom" in entry):
            yield f"{entry['name']}: secrets, and nothing else, must come from Secret Manager"
    for entry in env(resource).values():
        version = entry.get("valueFrom", {}).get("secretKeyRef", {}).get("key", "1")
        if not version.isdecimal():
            yield f"{entry['name']}: {version!r} is not the number of a secret's version"


def streams_end_before_they_are_cut(resource: Json) -> Iterator[str]:
    """Promise S5: a stream lives up to 1.1 times its limit, plus 60 s for calls in flight."""
    if settings(resource) is not CloudSettings:
        return
    rotation = int(setting(resource, "cloud_run_timeout"))
    needed = -(-rotation * 11 // 10) + 60  # in integers, rounded up
    if spec(resource)["timeoutSeconds"] < needed:
        yield f"timeoutSeconds must be {needed} or more for MCP_CLOUD_RUN_TIMEOUT={rotation}"
    if int(setting(resource, "max_sessions")) >= spec(resource)["containerConcurrency"]:
        yield "MCP_MAX_SESSIONS must leave room for POSTs: it is not below containerConcurrency"


RULES: Final[tuple[Callable[[Json], Iterator[str]], ...]] = (
    annotations_stand_where_they_work,
    images_are_pinned,
    identity_is_its_own,
    health_is_probed,
    resources_are_limits,
    instances_are_bounded,
    access_is_closed,
    environment_is_understood,
    secrets_are_references,
    streams_end_before_they_are_cut,
)


# ---- reading a file ------------------------------------------------------------------------------------------------


def is_service(resource: Json) -> bool:
    """Return whether it serves, rather than runs once."""
    return bool(resource["kind"] == "Service")


def annotations(resource: Json) -> dict[str, str]:
    """Return the annotations of the next revision or execution."""
    return dict(resource["spec"]["template"]["metadata"]["annotations"])


def spec(resource: Json) -> Json:
    """Return the spec that has the container."""
    template = resource["spec"]["template"]
    return dict(template["spec"] if is_service(resource) else template["spec"]["template"]["spec"])


def container(resource: Json) -> Json:
    """Return the one container."""
    (only,) = spec(resource)["containers"]
    return dict(only)


def env(resource: Json) -> dict[str, Json]:
    """Return the entries of the environment by name."""
    return {entry["name"]: entry for entry in container(resource)["env"]}


def secrets(resource: Json) -> set[str]:
    """Return the names of the secrets that it reads."""
    return {entry["valueFrom"]["secretKeyRef"]["name"] for entry in env(resource).values() if "valueFrom" in entry}


def account(resource: Json) -> str:
    """Return the name of the service account."""
    return str(spec(resource)["serviceAccountName"].partition("@")[0])


def settings(resource: Json) -> type[Settings]:
    """Return the class of settings that the started program reads."""
    arguments = tuple(container(resource).get("args", ()))
    return PROGRAMS[max((start for start in PROGRAMS if arguments[: len(start)] == start), key=len)]


def setting(resource: Json, field: str) -> str:
    """Return the value of a setting, or its default."""
    entry = env(resource).get(variables(CloudSettings, field)[0])
    return str(CloudSettings.model_fields[field].default if entry is None else entry["value"])
