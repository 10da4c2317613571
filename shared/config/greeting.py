"""What the person who starts the HTTP server reads: where it is, who may call, what was checked. Pure."""

from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import urlsplit

from shared.command_lines import command_line
from shared.config.cloud import CloudSettings
from shared.identity import provider_label


class Failing(NamedTuple):
    """What calls fail without."""

    what: str
    kind: str


def greeting(settings: CloudSettings, port: int, wires: Collection[str], failing: Failing | None) -> str:
    """Return what the person who started the server needs: where it is, what was checked, and how to connect."""
    address = str(settings.public_url or f"http://{settings.host}:{port}").rstrip("/")
    header = ' --header "x-api-key: YOUR-KEY"' if settings.asks_for_keys and not settings.signs_in else ""
    path, kind = ("/mcp", "http") if "streamable_http" in wires else ("/sse", "sse")
    older = f"\n  Older clients: {address}/sse" if {"streamable_http", "sse"} <= set(wires) else ""
    state = "ready" if failing is None else "started, but NOT ready"
    return (
        f"\n  Ticket server {state}: {address}{path}"
        f"\n  Who may call: {who_may_call(settings)}"
        f"\n  Checked:      {checked(settings, failing)}"
        f"\n  Claude Code:  claude mcp add --transport {kind} tickets {address}{path}{header}{older}"
        f"\n  More clients: README.md, 'Connect your assistant'. Ctrl-C stops it.\n"
    )


def checked(settings: CloudSettings, failing: Failing | None) -> str:
    """Return the result of the check that `GET /ready` makes, in one line."""
    if failing is not None:
        return f"calls fail, because of {failing.what}: {failing.kind}. GET /ready is 200 once they would succeed."
    parts = (
        f"{ticket_api_of(settings)} answers",
        "the session broker answers" if settings.broker_url is not None else "",
        "the identity store takes writes" if settings.identity_keys else "",
        "nothing can be written (MCP_READ_ONLY)" if settings.read_only else "",
    )
    return "; ".join(filter(None, parts))


def ticket_api_of(settings: CloudSettings) -> str:
    """Return the name of the ticket API for the operator."""
    if settings.is_embedded:
        return "the embedded ticket API (MCP_DATABASE_URL)"
    return f"the ticket API at {urlsplit(str(settings.api_base_url)).netloc} (MCP_API_BASE_URL)"


def who_may_call(settings: CloudSettings) -> str:
    """Return every way in, in one line."""
    ways = (
        who_signs_in(settings) if settings.signs_in else "",
        f"people and programs, each with a key of their own ({command_line('auth')} key list)"
        if settings.identity_keys
        else "",
        "clients with the key MCP_MCP_API_KEY, all as one principal" if settings.mcp_api_key else "",
    )
    return "; ".join(filter(None, ways)) or "every program on this machine, without a key"


def who_signs_in(settings: CloudSettings) -> str:
    """Return who signs in, and where."""
    if settings.issues_tokens:
        labels = ", ".join(map(provider_label, settings.sign_in_issuers))
        return f"people who sign in at {labels} (MCP_OAUTH_CLIENT_ID)"
    providers = ", ".join(urlsplit(issuer).netloc for issuer in settings.oauth_issuer)
    return f"people and programs that sign in at {providers} (MCP_OAUTH_ISSUER)"
