"""What an operator should know of the settings, one sentence each: a file that others can read, what has no effect."""

import os
from collections.abc import Iterator

from shared import dotenv
from shared.config import names
from shared.config.cloud import CloudSettings
from shared.config.common import Settings, ToolSettings
from shared.config.machine import on_cloud_run
from shared.environment import variables
from shared.private_files import made_private


def notes(settings: Settings) -> Iterator[str]:
    """Yield a sentence for a `.env` that others can read, and for each variable that is set and has no effect."""
    if exposed := made_private(Settings.dotenv_path):
        yield exposed
    kind = type(settings)
    for name in names.unknown(os.environ):
        yield f"{name} is not a setting of this program and is ignored."
    for name in names.bare_names(kind, os.environ):
        yield f"{name} is ignored; the setting is {names.PREFIX}{name}."
    given = dotenv.settings_of(Settings.dotenv_path, os.environ)
    set_by = {field: [name for name in variables(kind, field) if name in given] for field in kind.model_fields}
    for first, *others in filter(None, set_by.values()):
        yield from (f"{name} has no effect: {first} wins." for name in others if given[name] != given[first])
    if isinstance(settings, ToolSettings):  # other programs are commands, which get the environment of a server
        for name in sorted(set(os.environ) & names.known() - names.read_by(kind)):
            yield f"{name} has no effect here: another program of this repository reads it."
        for fields, why in _without_effect(settings):
            yield from (f"{set_by[field][0]} has no effect: {why}." for field in fields if set_by[field])


def _without_effect(settings: ToolSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield fields, and why they have no effect beside the other settings."""
    if settings.is_embedded:
        yield ("api_key", "api_concurrency"), "the ticket API is embedded, as MCP_API_BASE_URL names no other"
    else:
        yield ("sample_data",), "the tickets are those of MCP_API_BASE_URL"
    if isinstance(settings, CloudSettings):
        yield from _without_effect_over_http(settings)
    elif not settings.is_embedded:
        yield ("database_url",), "the tickets are those of MCP_API_BASE_URL"


def _without_effect_over_http(settings: CloudSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    if not settings.is_embedded and not settings.identity_keys:
        yield ("database_url",), "the tickets are those of MCP_API_BASE_URL, and MCP_IDENTITY_KEYS is not set"
    if settings.allow_anonymous and settings.asks_for_keys:
        yield ("allow_anonymous",), "a key is required"
    if settings.allow_ephemeral and not on_cloud_run():
        yield ("allow_ephemeral",), "this is not Cloud Run"
    if "sse" not in settings.wires:
        yield ("sse_sunset",), "MCP_TRANSPORT_TYPE leaves HTTP+SSE out"
    of_clients = ("oauth_registration", "oauth_redirects", "oauth_hosted_ranges", "oauth_signing_keys")
    sign_in = ("oauth_issuer", "oauth_audience", "oauth_client_id", "oauth_client_secret", *of_clients)
    if settings.has_own_provider:
        yield ("oauth_enabled", *sign_in), "this program has an authentication of its own"
        return
    if not settings.oauth_enabled:
        yield sign_in, "MCP_OAUTH_ENABLED is not set to true"
    elif settings.issues_tokens:
        yield ("oauth_audience",), "with MCP_OAUTH_CLIENT_ID this server issues the access tokens itself"
    else:
        yield of_clients, "MCP_OAUTH_CLIENT_ID is not set, so clients get their tokens elsewhere"
    if not settings.identity_keys:
        yield ("revoke_within",), "only keys of MCP_IDENTITY_KEYS can be revoked"
    if not settings.asks_for_keys:
        limits = ("reads_per_minute", "writes_per_minute", "tenant_reads_per_minute", "tenant_writes_per_minute")
        yield limits, "without keys there are no limits"
