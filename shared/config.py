"""All settings, read once from the environment (prefix `MCP_`), and only by the entry points.

Frozen, with secrets masked, and closed by default: a combination that would serve without authentication or lose data
is refused at startup, and the message names the variable to set. `python -m shared.config` prints the README's table.
"""

import ipaddress
import os
from datetime import date
from pathlib import Path
from typing import ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.environment import SHORTEST_KEY, Address, BrokerUrl, Day, Habits, Key, Keys, Names, variables

__all__ = (
    "CloudSettings",
    "IdentitySettings",
    "Settings",
    "StdioSettings",
    "TicketApiSettings",
    "ToolSettings",
    "is_loopback",
    "on_cloud_run",
    "settings_table",
)

CHECKOUT: Final = Path(__file__).resolve().parent.parent
EMBEDDED: Final = "embedded"
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
SSE_DEPRECATED_ON: Final = date(2025, 3, 26)
"""A sunset must not be earlier than the deprecation: RFC 9745, section 4."""
_DEFAULT_DATABASE: Final = f"sqlite:///{(CHECKOUT / 'data' / 'tickets.sqlite3').as_posix()}"


def is_loopback(host: str) -> bool:
    """Return whether a server bound to `host` is reachable only from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def on_cloud_run() -> bool:
    """Return whether this process runs on Cloud Run, which sets `K_SERVICE`."""
    return bool(os.environ.get("K_SERVICE"))


class Settings(BaseSettings):
    """Settings of every program."""

    model_config = SettingsConfigDict(
        env_prefix="MCP_",
        env_file=CHECKOUT / ".env",
        env_ignore_empty=True,
        str_strip_whitespace=True,  # secret stores and files often add a final newline
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    database_url: SecretStr = Field(
        default=SecretStr(_DEFAULT_DATABASE),
        description="Database of the embedded ticket API: `sqlite:///path` or `postgresql://user:password@host/name`.",
    )
    sample_data: Literal["en", "ja", "none"] = Field(
        default="en", description="Sample data for a new database of the embedded ticket API: `en`, `ja` or `none`."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Minimum level of the logs on stderr: `DEBUG`, `INFO`, `WARNING` or `ERROR`."
    )

    shown_default: ClassVar[dict[str, str]] = {"database_url": "`sqlite:///…/data/tickets.sqlite3` of the checkout"}


class ToolSettings(Settings):
    """Settings for reaching the ticket API."""

    api_base_url: Address | Literal["embedded"] = Field(
        default="embedded", description="URL of the ticket API, or `embedded` for the one in this repository."
    )
    api_key: Key | None = Field(default=None, description="Key sent to the ticket API (`x-api-key`).")
    api_concurrency: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Concurrent requests to one ticket API; waiting organisations take turns. The embedded API allows "
        "as many as it has database connections.",
    )
    client_habits_off: Habits = Field(
        default=(),
        description="Client habits to refuse, comma-separated: names in docs/interop.md.",
    )
    completed_status_id: str = Field(
        default="stat4", min_length=1, max_length=50, description="Id of the status that means completed."
    )

    @property
    def is_embedded(self) -> bool:
        """Whether the ticket API runs inside this process."""
        return self.api_base_url == EMBEDDED


class IdentitySettings(Settings):
    """Settings of the identity store: organisations, users, service accounts and their keys."""

    identity_keys: Keys = Field(
        default=(),
        description="Comma-separated secrets that hash API keys and encrypt the credentials of organisations' ticket "
        "APIs. New values use the first; all are tried. The same on every instance. Turns on a key for each user "
        "and service account: docs/identity.md.",
    )

    @property
    def identity_database_url(self) -> str:
        """URL of the identity store: a schema of the same PostgreSQL database, or an SQLite file beside the tickets."""
        url = self.database_url.get_secret_value()
        if not url.startswith("sqlite"):
            return url
        folder, slash, name = url.rpartition("/")
        stem, dot, ending = name.rpartition(".")
        return f"{folder}{slash}{stem}-identity{dot}{ending}" if dot else f"{url}-identity"


class StdioSettings(ToolSettings):
    """The STDIO server. Also reads `API_BASE_URL` and `API_KEY` without prefix, as today's script does."""

    api_base_url: Address | Literal["embedded"] = Field(
        default="embedded", validation_alias=AliasChoices("MCP_API_BASE_URL", "API_BASE_URL")
    )
    api_key: Key | None = Field(default=None, validation_alias=AliasChoices("MCP_API_KEY", "API_KEY"))


def _default_host() -> str:
    return "0.0.0.0" if on_cloud_run() else "127.0.0.1"  # noqa: S104 - only reachable through Cloud Run's front end


def _default_proxies() -> int:
    return 1 if on_cloud_run() else 0  # its front end adds one address: the caller's


class CloudSettings(IdentitySettings, ToolSettings):  # the README lists them in this order, those of STDIO first
    """The HTTP server."""

    host: str = Field(default_factory=_default_host, description="Address to listen on.")
    port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("PORT", "MCP_PORT"),
        description="Port to listen on. `PORT`, which Cloud Run sets, wins over `MCP_PORT`.",
    )
    mcp_api_key: Key | None = Field(
        default=None,
        min_length=SHORTEST_KEY,
        description="Key that clients must send (`x-api-key` or `Authorization: Bearer`); at least 32 characters.",
    )
    allow_anonymous: bool = Field(default=False, description="Serve without a key; only on a loopback address.")
    operator_key: Key | None = Field(
        default=None,
        min_length=SHORTEST_KEY,
        description="Operator's key for `GET /metrics` and for the reason in `GET /ready`.",
    )
    revoke_within: int = Field(
        default=30,
        ge=1,
        le=300,
        description="Seconds until a revoked key or a changed role takes effect on every instance, open streams "
        "included. A key that was looked up is cached for at most as long.",
    )
    trusted_proxies: int = Field(
        default_factory=_default_proxies,
        ge=0,
        le=10,
        description="Proxies in front of this server: how many entries of `X-Forwarded-For` to trust, counted from the "
        "right. Failed authentications are throttled per client address.",
    )
    public_url: Address | None = Field(
        default=None,
        description="URL that clients use, for example `https://tickets.example.com`; with the path if a proxy serves "
        "it below one: `https://example.com/tickets`.",
    )
    allowed_hosts: Names = Field(
        default=(),
        description="Accepted `Host` headers, comma-separated; `*.suffix` is allowed. Default: the host of "
        "`MCP_PUBLIC_URL`, also with a Cloud Run tag in front; on a loopback address, loopback names too.",
    )
    allowed_origins: Names = Field(
        default=(),
        description="Accepted `Origin` headers, comma-separated. Default: loopback origins on a loopback address.",
    )
    transport_type: Literal["all", "sse", "streamable_http"] = Field(
        default="all",
        description="Transports to serve: `all`, `sse` (HTTP+SSE) or `streamable_http`. See docs/migration.md.",
    )
    sse_sunset: Day | None = Field(
        default=None,
        description="Date (`YYYY-MM-DD`, UTC) from which HTTP+SSE returns 410; until then its responses announce it. "
        "See docs/migration.md.",
    )
    cloud_run_timeout: int = Field(
        default=840,
        ge=1,
        le=3600,
        description="Seconds one SSE stream stays open (± 10 %) before the client has to reconnect.",
    )
    max_sessions: int = Field(
        default=1000, ge=1, description="Maximum sessions of one instance; no organisation can take all of them."
    )
    max_sessions_per_principal: int = Field(
        default=500,
        ge=1,
        description="Maximum sessions of one principal: per instance, or across instances with `MCP_BROKER_URL`.",
    )
    max_streams_per_principal: int = Field(
        default=500,
        ge=1,
        description="Maximum open streams of one principal on each instance.",
    )
    reads_per_minute: int = Field(default=1200, ge=1, description="Read requests per minute for one principal.")
    writes_per_minute: int = Field(default=240, ge=1, description="Write requests per minute for one principal.")
    tenant_reads_per_minute: int = Field(
        default=6000, ge=1, description="Read requests per minute for one organisation, all principals together."
    )
    tenant_writes_per_minute: int = Field(
        default=1200, ge=1, description="Write requests per minute for one organisation, all principals together."
    )
    broker_url: BrokerUrl | None = Field(
        default=None,
        description="URL of the Valkey (8 or later) or Redis (7 or later) in which instances share sessions: "
        "`redis://`, or `rediss://` for TLS.",
    )
    request_state_keys: Keys = Field(
        default=(),
        description="Comma-separated secrets that encrypt the request state which 2026-07-28 clients carry between "
        "rounds of a request: the first encrypts, all decrypt. The same on every instance. Default: a random one per "
        "process.",
    )
    allow_ephemeral: bool = Field(
        default=False,
        description="On Cloud Run: accept that the data of the embedded API, or keys in SQLite, will be lost.",
    )

    has_own_provider: ClassVar[bool] = False
    shown_default: ClassVar[dict[str, str]] = {
        **Settings.shown_default,
        "host": "`127.0.0.1`; on Cloud Run `0.0.0.0`",
        "trusted_proxies": "`0`; on Cloud Run `1`",
    }

    @model_validator(mode="after")
    def _refuse_an_accidentally_open_server(self) -> Self:
        if self.asks_for_keys or self.has_own_provider:
            return self
        if not self.allow_anonymous:
            raise ValueError(
                "set MCP_MCP_API_KEY (32 characters or more), MCP_IDENTITY_KEYS for a key for each user, or "
                "MCP_ALLOW_ANONYMOUS=true on a loopback address"
            )
        if not is_loopback(self.host):
            raise ValueError(f"MCP_ALLOW_ANONYMOUS serves loopback only, not {self.host}: set MCP_MCP_API_KEY instead")
        return self

    @model_validator(mode="after")
    def _refuse_hosts_nobody_named(self) -> Self:
        if not is_loopback(self.host) and not self.allowed_hosts and self.public_url is None:
            raise ValueError(
                f"listening on {self.host} needs the names clients use: set MCP_PUBLIC_URL or MCP_ALLOWED_HOSTS"
            )
        return self

    @model_validator(mode="after")
    def _refuse_what_cannot_work_on_cloud_run(self) -> Self:
        if not on_cloud_run():
            return self
        if is_loopback(self.host):
            raise ValueError(f"on Cloud Run {self.host} cannot be reached: set MCP_HOST=0.0.0.0")
        if self.is_embedded and not self.allow_ephemeral:
            raise ValueError(
                "on Cloud Run the embedded ticket API would lose its data: set MCP_API_BASE_URL to a ticket API "
                "(or MCP_ALLOW_EPHEMERAL=true to accept the loss)"
            )
        if self.identity_keys and self.identity_database_url.startswith("sqlite") and not self.allow_ephemeral:
            raise ValueError(
                "on Cloud Run keys in an SQLite file would be lost: set MCP_DATABASE_URL to a PostgreSQL database "
                "(or MCP_ALLOW_EPHEMERAL=true to accept the loss)"
            )
        return self

    @model_validator(mode="after")
    def _refuse_an_end_that_leaves_nowhere_to_go(self) -> Self:
        if self.sse_sunset is None:
            return self
        if self.transport_type == "sse":
            raise ValueError(
                "MCP_SSE_SUNSET sends clients to Streamable HTTP, which MCP_TRANSPORT_TYPE=sse does not serve: "
                "set MCP_TRANSPORT_TYPE=all, or leave MCP_SSE_SUNSET out"
            )
        if self.sse_sunset < SSE_DEPRECATED_ON:
            raise ValueError(
                f"MCP_SSE_SUNSET must be {SSE_DEPRECATED_ON} or later: MCP deprecated HTTP+SSE on that day"
            )
        return self

    @property
    def asks_for_keys(self) -> bool:
        """Whether callers must authenticate."""
        return self.mcp_api_key is not None or bool(self.identity_keys)

    @property
    def wires(self) -> frozenset[str]:
        """Transports to serve."""
        every = frozenset({"sse", "streamable_http"})
        return every if self.transport_type == "all" else frozenset({self.transport_type})

    @property
    def accepted_hosts(self) -> tuple[str, ...]:
        """Patterns for the `Host` header; a leading `*` matches any prefix."""
        if self.allowed_hosts:
            return self.allowed_hosts
        public = urlsplit(str(self.public_url)).hostname if self.public_url else None
        named = (public, f"*---{public}") if public else ()
        return (*named, *LOOPBACK_HOSTS) if is_loopback(self.host) else tuple(named)

    @property
    def accepted_origins(self) -> tuple[str, ...]:
        """Accepted browser origins; a trailing `:*` matches any port."""
        if self.allowed_origins or not is_loopback(self.host):
            return self.allowed_origins
        return tuple(f"http://{host}:*" for host in LOOPBACK_HOSTS)


class SettingsWithoutKeys(CloudSettings):
    """Settings of a program that hands in an `AuthProvider` of its own, which then decides who may call."""

    has_own_provider: ClassVar[bool] = True


class TicketApiSettings(Settings):
    """The reference ticket API as a separate service (`python -m ticket_api`)."""

    api_key: Key | None = Field(default=None, description="Key that callers must send (`x-api-key`).")
    allow_anonymous: bool = False
    host: str = Field(default_factory=_default_host)
    port: int = Field(default=8081, ge=0, le=65535, validation_alias=AliasChoices("PORT", "MCP_PORT"))
    trusted_proxies: int = Field(default_factory=_default_proxies, ge=0, le=10)
    allow_ephemeral: bool = False

    @model_validator(mode="after")
    def _refuse_an_accidentally_open_api(self) -> Self:
        if self.api_key is None and not (self.allow_anonymous and is_loopback(self.host)):
            raise ValueError("set MCP_API_KEY, or MCP_ALLOW_ANONYMOUS=true on a loopback address")
        return self

    @model_validator(mode="after")
    def _refuse_a_key_that_others_could_guess(self) -> Self:
        if self.api_key is not None and len(self.api_key) < SHORTEST_KEY and not is_loopback(self.host):
            raise ValueError(f"listening on {self.host} needs an MCP_API_KEY of {SHORTEST_KEY} characters or more")
        return self

    @model_validator(mode="after")
    def _refuse_a_file_that_cloud_run_would_lose(self) -> Self:
        is_file = self.database_url.get_secret_value().startswith("sqlite")
        if on_cloud_run() and is_file and not self.allow_ephemeral:
            raise ValueError(
                "on Cloud Run an SQLite file would be lost: set MCP_DATABASE_URL to a PostgreSQL database "
                "(or MCP_ALLOW_EPHEMERAL=true to accept the loss)"
            )
        return self


def settings_table() -> str:
    """Return the settings of the HTTP server, which include those of STDIO, as the README's Markdown table."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in CloudSettings.model_fields.items():
        default = CloudSettings.shown_default.get(name) or _shown(field.default)
        rows.append(f"| `{variables(CloudSettings, name)[0]}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _shown(default: object) -> str:
    if default is None or default == ():
        return "–"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    print(settings_table(), end="")  # noqa: T201 - the table is the output
