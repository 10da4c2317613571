"""Settings of the reference ticket API as a separate service."""

from typing import Self

from pydantic import AliasChoices, Field, model_validator

from shared.config.common import Settings
from shared.config.machine import default_host, default_proxies, is_loopback, on_cloud_run
from shared.environment import SHORTEST_KEY, RotatedKey


class TicketApiSettings(Settings):
    """The reference ticket API as a separate service (`python -m ticket_api`)."""

    api_key: RotatedKey = Field(
        default=(),
        description="Key that callers must send (`x-api-key`). Two, separated by a comma, while it is rotated.",
    )
    allow_anonymous: bool = False
    host: str = Field(default_factory=default_host)
    port: int = Field(default=8081, ge=0, le=65535, validation_alias=AliasChoices("PORT", "MCP_PORT"))
    trusted_proxies: int = Field(default_factory=default_proxies, ge=0, le=10)
    otlp_endpoint: str | None = Field(default=None, validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_ENDPOINT"))
    allow_ephemeral: bool = False

    @model_validator(mode="after")
    def _refuse_an_accidentally_open_api(self) -> Self:
        if not self.api_key and not (self.allow_anonymous and is_loopback(self.host)):
            raise ValueError("set MCP_API_KEY, or MCP_ALLOW_ANONYMOUS=true on a loopback address")
        return self

    @model_validator(mode="after")
    def _refuse_a_key_that_others_could_guess(self) -> Self:
        if any(len(key) < SHORTEST_KEY for key in self.api_key) and not is_loopback(self.host):
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
