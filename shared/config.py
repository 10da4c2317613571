"""Every setting of every door, read from the environment (prefix `MCP_`) once, by the doors alone.

Frozen, secrets masked, closed by default: an accidental combination that would serve without authentication, or lose
data, is refused at the start with the variable to set. `python -m shared.config` prints the table of the README.
"""

import ipaddress
import os
from datetime import date
from pathlib import Path
from typing import ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.environment import SHORTEST_KEY, Address, BrokerUrl, Day, Key, Keys, Names, SettingsError, load, variables

__all__ = (
    "CloudSettings",
    "IdentitySettings",
    "Settings",
    "SettingsError",
    "StdioSettings",
    "TicketApiSettings",
    "ToolSettings",
    "is_loopback",
    "load",
    "on_cloud_run",
    "settings_table",
)

CHECKOUT: Final = Path(__file__).resolve().parent.parent
EMBEDDED: Final = "embedded"
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
SSE_DEPRECATED_ON: Final = date(2025, 3, 26)
"""A sunset before the deprecation would be none: RFC 9745, section 4."""
_DEFAULT_DATABASE: Final = f"sqlite:///{(CHECKOUT / 'data' / 'tickets.sqlite3').as_posix()}"


def is_loopback(host: str) -> bool:
    """Whether a server bound to `host` can be reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def on_cloud_run() -> bool:
    """Whether this process runs on Cloud Run, which sets `K_SERVICE`."""
    return bool(os.environ.get("K_SERVICE"))


class Settings(BaseSettings):
    """What every door needs."""

    model_config = SettingsConfigDict(
        env_prefix="MCP_",
        env_file=CHECKOUT / ".env",
        env_ignore_empty=True,
        str_strip_whitespace=True,  # secret stores and files like to end in a newline
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
        default="en", description="What a new database of the embedded ticket API is filled with: `en`, `ja` or `none`."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level of the logs on stderr: `DEBUG`, `INFO`, `WARNING` or `ERROR`."
    )

    shown_default: ClassVar[dict[str, str]] = {"database_url": "`sqlite:///…/data/tickets.sqlite3` of the checkout"}


class ToolSettings(Settings):
    """What a door needs to reach tickets."""

    api_base_url: Address | Literal["embedded"] = Field(
        default="embedded", description="Address of the ticket API, or `embedded` for the one in this repository."
    )
    api_key: Key | None = Field(default=None, description="Key that the ticket API asks for (`x-api-key`).")
    api_concurrency: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Requests at one ticket API at the same time; organisations that wait get places in turn. The "
        "embedded one has as many as connections to its database.",
    )
    completed_status_id: str = Field(
        default="stat4", min_length=1, max_length=50, description="Id of the status that means completed."
    )

    @property
    def is_embedded(self) -> bool:
        """Whether the ticket API runs inside this process."""
        return self.api_base_url == EMBEDDED


class IdentitySettings(Settings):
    """What the identity store needs: people, programs and organisations, and their keys."""

    identity_keys: Keys = Field(
        default=(),
        description="Secrets, separated by commas, that hash API keys and seal what reaches organisations' ticket "
        "APIs: the first is used for what is new, all are tried. The same on every instance. With them the server has "
        "keys of its own for people and programs: docs/identity.md.",
    )

    @property
    def identity_database_url(self) -> str:
        """The identity store's: a schema of the same PostgreSQL database, or an SQLite file beside that of tickets."""
        url = self.database_url.get_secret_value()
        if not url.startswith("sqlite"):
            return url
        folder, slash, name = url.rpartition("/")
        stem, dot, ending = name.rpartition(".")
        return f"{folder}{slash}{stem}-identity{dot}{ending}" if dot else f"{url}-identity"


class StdioSettings(ToolSettings):
    """The STDIO door. `API_BASE_URL` and `API_KEY` without prefix are read too, as today's script has them."""

    api_base_url: Address | Literal["embedded"] = Field(
        default="embedded", validation_alias=AliasChoices("MCP_API_BASE_URL", "API_BASE_URL")
    )
    api_key: Key | None = Field(default=None, validation_alias=AliasChoices("MCP_API_KEY", "API_KEY"))


def _default_host() -> str:
    return "0.0.0.0" if on_cloud_run() else "127.0.0.1"  # noqa: S104 - Cloud Run's front end is the only way in


def _default_proxies() -> int:
    return 1 if on_cloud_run() else 0  # its front end adds one address, that of whoever called it


class CloudSettings(IdentitySettings, ToolSettings):  # in the order of the README: the STDIO door reads the first
    """The HTTP door."""

    host: str = Field(default_factory=_default_host, description="Address to listen on.")
    port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("PORT", "MCP_PORT"),
        description="Port to listen on. `PORT`, as Cloud Run sets it, is read first.",
    )
    mcp_api_key: Key | None = Field(
        default=None,
        min_length=SHORTEST_KEY,
        description="Key that clients must send (`x-api-key`, or `Authorization: Bearer`); 32 characters or more.",
    )
    allow_anonymous: bool = Field(
        default=False, description="Serve without a key. Only possible on a loopback address."
    )
    operator_key: Key | None = Field(
        default=None,
        min_length=SHORTEST_KEY,
        description="Key that opens `GET /metrics`, and the reason in `GET /ready`, to whoever watches this server.",
    )
    revoke_within: int = Field(
        default=30,
        ge=1,
        le=300,
        description="Seconds within which a revoked key, or a changed role, is so on every instance, open streams "
        "included. For as long a key that was seen is not looked up again.",
    )
    trusted_proxies: int = Field(
        default_factory=_default_proxies,
        ge=0,
        le=10,
        description="Proxies in front of this server whose entries in `X-Forwarded-For` are believed, counted from the "
        "right. Whoever guesses keys is slowed by address.",
    )
    public_url: Address | None = Field(
        default=None, description="Address that clients use, for example `https://tickets.example.com`."
    )
    allowed_hosts: Names = Field(
        default=(),
        description="`Host` headers to accept, separated by commas; `*.suffix` is understood. "
        "Default: loopback names, and the host of `MCP_PUBLIC_URL` with its tag form.",
    )
    allowed_origins: Names = Field(
        default=(),
        description="`Origin` headers to accept, separated by commas. Default: loopback origins on a loopback address.",
    )
    transport_type: Literal["all", "sse", "streamable_http"] = Field(
        default="all",
        description="Wires to serve: `all`, `sse` (HTTP+SSE) or `streamable_http`. See docs/migration.md.",
    )
    sse_sunset: Day | None = Field(
        default=None,
        description="Day (`YYYY-MM-DD`, UTC) from which HTTP+SSE answers 410; until then every answer of it says so. "
        "See docs/migration.md.",
    )
    cloud_run_timeout: int = Field(
        default=840,
        ge=1,
        le=3600,
        description="Seconds one SSE stream stays open (± 10 %) before it ends and the client comes again.",
    )
    max_sessions: int = Field(
        default=1000, ge=1, description="Sessions one instance holds; no organisation can take all."
    )
    max_sessions_per_principal: int = Field(
        default=500,
        ge=1,
        description="Sessions of one key or person: on one instance, or with `MCP_BROKER_URL` on all together.",
    )
    max_streams_per_principal: int = Field(
        default=500,
        ge=1,
        description="Streams that one key or person holds open: on one instance, or with `MCP_BROKER_URL` on all "
        "together.",
    )
    reads_per_minute: int = Field(default=1200, ge=1, description="Requests a minute of one key or person that read.")
    writes_per_minute: int = Field(default=240, ge=1, description="Likewise, that write.")
    tenant_reads_per_minute: int = Field(
        default=6000, ge=1, description="Requests a minute of one organisation that read, all its keys together."
    )
    tenant_writes_per_minute: int = Field(default=1200, ge=1, description="Likewise, that write.")
    broker_url: BrokerUrl | None = Field(
        default=None,
        description="Valkey (8 or later) or Redis (7 or later) by which several instances share sessions: "
        "`redis://`, or `rediss://` for TLS.",
    )
    request_state_keys: Keys = Field(
        default=(),
        description="Secrets, separated by commas, that seal what 2026-07-28 clients carry between the rounds of a "
        "request: the first seals, all open. The same on every instance. Default: one that only this process knows.",
    )
    allow_ephemeral: bool = Field(
        default=False, description="On Cloud Run: accept that the embedded API, or keys in SQLite, will be lost."
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
                "set MCP_MCP_API_KEY (32 characters or more), MCP_IDENTITY_KEYS for keys of people and programs, or "
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
        """Whether callers have to prove who they are."""
        return self.mcp_api_key is not None or bool(self.identity_keys)

    @property
    def wires(self) -> frozenset[str]:
        """Wires to serve."""
        every = frozenset({"sse", "streamable_http"})
        return every if self.transport_type == "all" else frozenset({self.transport_type})

    @property
    def accepted_hosts(self) -> tuple[str, ...]:
        """Patterns for the `Host` header, `*` in front meaning any beginning."""
        if self.allowed_hosts:
            return self.allowed_hosts
        public = urlsplit(str(self.public_url)).hostname if self.public_url else None
        named = (public, f"*---{public}") if public else ()
        return (*named, *LOOPBACK_HOSTS) if is_loopback(self.host) else tuple(named)

    @property
    def accepted_origins(self) -> tuple[str, ...]:
        """Origins that a browser may come from; `:*` at the end meaning any port."""
        if self.allowed_origins or not is_loopback(self.host):
            return self.allowed_origins
        return tuple(f"http://{host}:*" for host in LOOPBACK_HOSTS)


class SettingsWithoutKeys(CloudSettings):
    """Settings of a program that hands in an `AuthProvider` of its own, which then decides who may call."""

    has_own_provider: ClassVar[bool] = True


class TicketApiSettings(Settings):
    """The reference ticket API as a service of its own (`python -m ticket_api`)."""

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
    """Return the settings of the HTTP door (and so of the STDIO door) as the Markdown table of the README."""
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
