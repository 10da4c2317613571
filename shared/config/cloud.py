"""Settings of the HTTP server, closed by default: what would serve by accident without a key is refused."""

from datetime import date
from typing import ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, model_validator

from shared.config.authorization_server import HOSTED_RANGES, AuthorizationServerSettings
from shared.config.common import Settings, ToolSettings
from shared.config.machine import default_host, default_proxies, is_loopback, on_cloud_run
from shared.environment import BrokerUrl, Day, Keys, LongRotatedKey, Names

LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
SSE_DEPRECATED_ON: Final = date(2025, 3, 26)
"""A sunset must not be earlier than the deprecation: RFC 9745, section 4."""


class CloudSettings(
    AuthorizationServerSettings, ToolSettings
):  # the README lists them in this order, those of STDIO first
    """The HTTP server."""

    host: str = Field(default_factory=default_host, description="Address to listen on.")
    port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("PORT", "MCP_PORT"),
        description="Port to listen on. `PORT`, which Cloud Run sets, wins over `MCP_PORT`.",
    )
    mcp_api_key: LongRotatedKey = Field(
        default=(),
        description="Key that clients must send (`x-api-key` or `Authorization: Bearer`); at least 32 characters. Two, "
        "separated by a comma, while it is rotated: docs/recovery.md.",
    )
    allow_anonymous: bool = Field(default=False, description="Serve without a key; only on a loopback address.")
    operator_key: LongRotatedKey = Field(
        default=(),
        description="Operator's key for `GET /metrics` and for the reason in `GET /ready`. Two while it is rotated.",
    )
    revoke_within: int = Field(
        default=30,
        ge=1,
        le=300,
        description="Seconds until a revoked key or a changed role takes effect on every instance, open streams "
        "included. A key that was looked up is cached for at most as long.",
    )
    trusted_proxies: int = Field(
        default_factory=default_proxies,
        ge=0,
        le=10,
        description="Proxies in front of this server: how many entries of `X-Forwarded-For` to trust, counted from the "
        "right. Failed authentications are throttled per client address.",
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
    otlp_endpoint: str | None = Field(
        default=None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Where traces and metrics go (OTLP over HTTP), for example `http://localhost:4318`; without it "
        "OpenTelemetry is not even imported. Its other standard variables work as well: see docs/logs.md.",
    )
    allow_ephemeral: bool = Field(
        default=False,
        description="On Cloud Run: accept that the data of the embedded API, or keys in SQLite, will be lost.",
    )

    has_own_provider: ClassVar[bool] = False
    shown_default: ClassVar[dict[str, str]] = {
        **Settings.shown_default,
        "host": "`127.0.0.1`; on Cloud Run `0.0.0.0`",
        "oauth_issuer": "–",
        "oauth_hosted_ranges": f"`{', '.join(HOSTED_RANGES)}`",
        "trusted_proxies": "`0`; on Cloud Run `1`",
    }

    @model_validator(mode="after")
    def _refuse_a_sign_in_that_cannot_work(self) -> Self:
        if not self.signs_in:
            return self
        self.check_provider()
        needed = {
            "MCP_OAUTH_CLIENT_ID (or MCP_OAUTH_ISSUER)": self.sign_in_issuers,
            "MCP_PUBLIC_URL": self.public_url,
            "MCP_IDENTITY_KEYS": self.identity_keys,
        }
        missing = [name for name, value in needed.items() if not value]
        if missing:
            named = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
            raise ValueError(f"MCP_OAUTH_ENABLED needs {named} as well: see docs/oauth.md")
        if self.has_loopback_issuer and not is_loopback(self.host):
            raise ValueError(
                f"MCP_OAUTH_ISSUER must not be on this machine while the server listens on {self.host}, which others "
                "can reach"
            )
        address = urlsplit(str(self.public_url))
        if address.scheme != "https" and not is_loopback(address.hostname or ""):
            raise ValueError(
                "MCP_PUBLIC_URL must begin with https:// when MCP_OAUTH_ENABLED is set, since access tokens are sent "
                "there (http:// only on this machine)"
            )
        self.check_resources(str(self.public_url))
        return self

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
    def _refuse_one_user_for_many_callers(self) -> Self:
        is_alone = is_loopback(self.host) and not self.asks_for_keys and not self.has_own_provider
        if self.ticket_user is not None and not is_alone:
            raise ValueError(
                "MCP_TICKET_USER would make every caller the same person, so it is only for STDIO and for a loopback "
                "address without keys: leave it out, and give each user a key or a sign-in of their own "
                "(docs/identity.md)"
            )
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
        return bool(self.mcp_api_key or self.identity_keys)

    @property
    def signs_in(self) -> bool:
        """Whether access tokens are accepted; a program's own provider decides itself what it accepts."""
        return self.oauth_enabled and not self.has_own_provider

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
