"""Settings that several programs read: the database, the ticket API, the identity store."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from shared import dotenv
from shared.command_lines import CHECKOUT, IS_INSTALLED
from shared.config.machine import data_folder
from shared.environment import Address, Habits, Key, Keys, TimeZone
from shared.http.hosts import may_carry_key
from shared.localization import Language

FOLDER: Final = data_folder() if IS_INSTALLED else CHECKOUT
"""Of `.env` and the folder `data`. An installed package is replaced with the next version, so nothing is kept in it."""
EMBEDDED: Final = "embedded"
_DEFAULT_DATABASE: Final = f"sqlite:///{(FOLDER / 'data' / 'tickets.sqlite3').as_posix()}"


class _DotenvFile(EnvSettingsSource):
    """The values of `.env`, by the reader that run.py uses too."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): entry.value or None for name, entry in dotenv.read(Settings.dotenv_path).items()}


class Settings(BaseSettings):
    """Settings of every program."""

    dotenv_path: ClassVar[Path] = FOLDER / ".env"

    model_config = SettingsConfigDict(
        env_prefix="MCP_",
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
    time_zone: TimeZone | None = Field(
        default=None,
        description="Time zone of dates and times in arguments and results, and of the embedded ticket API: an IANA "
        "name, for example `Asia/Tokyo`. Default: the zone that the ticket API names, or else that of this machine.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - run.py could not use it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not used
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from, in order of precedence."""
        return init_settings, env_settings, _DotenvFile(settings_cls)

    shown_default: ClassVar[dict[str, str]] = {"database_url": "`sqlite:///…/data/tickets.sqlite3` of the checkout"}


class ToolSettings(Settings):
    """Settings for reaching the ticket API."""

    api_base_url: Address | Literal["embedded"] = Field(
        default="embedded", description="URL of the ticket API, or `embedded` for the one in this repository."
    )
    api_key: Key | None = Field(default=None, description="Key sent to the ticket API (`x-api-key`).")
    api_google_identity: bool = Field(
        default=False,
        description="Send the Google identity of this server's service account to the ticket API "
        "(`X-Serverless-Authorization`), for a ticket API on Cloud Run that requires it. Only on Google Cloud, and "
        "only to an `https://` address.",
    )
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
    read_only: bool = Field(
        default=False, description="Serve no tools that write: they are neither listed nor run, whatever the key."
    )
    ticket_user: str | None = Field(
        default=None,
        max_length=200,
        description="The person at this machine, who `me` is and whose writes these are: id, name or e-mail address of "
        "a user of the ticket system. Only for STDIO, and on a loopback address without keys.",
    )
    language: Language | None = Field(
        default=None,
        description="Language of results and of the errors in them: `en` or `ja`. Default: over HTTP, the one that the "
        "client prefers (`Accept-Language`); else English.",
    )

    allow_private: bool = Field(
        default=False,
        description="Allow `http://` to a private address of the ticket API together with `MCP_API_KEY`. This machine "
        "needs no permission; any other address must be `https://`.",
    )

    @model_validator(mode="after")
    def _refuse_to_send_a_key_that_others_could_read(self) -> Self:
        if self.api_key is None or self.is_embedded:
            return self
        if not may_carry_key(str(self.api_base_url), allow_private=self.allow_private):
            raise ValueError(
                "MCP_API_BASE_URL is not valid, since MCP_API_KEY is sent to it: it must begin with https:// (http:// "
                "only for a loopback or private address, if an operator explicitly allows it). For a private address, "
                "set MCP_ALLOW_PRIVATE=true"
            )
        return self

    @model_validator(mode="after")
    def _refuse_an_identity_that_others_could_read(self) -> Self:
        if self.api_google_identity and not str(self.api_base_url).startswith("https://"):
            raise ValueError(
                "MCP_API_GOOGLE_IDENTITY needs MCP_API_BASE_URL to begin with https://: the identity is sent there"
            )
        return self

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
    public_url: Address | None = Field(
        default=None,
        description="URL that clients use, for example `https://tickets.example.com`; with the path if a proxy serves "
        "it below one: `https://example.com/tickets`.",
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
