"""Settings that several programs read: the database, the ticket API, the identity store."""

from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.environment import Address, Habits, Key, Keys, TimeZone

CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent
EMBEDDED: Final = "embedded"
_DEFAULT_DATABASE: Final = f"sqlite:///{(CHECKOUT / 'data' / 'tickets.sqlite3').as_posix()}"


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
    time_zone: TimeZone | None = Field(
        default=None,
        description="Time zone of dates and times in arguments and results, and of the embedded ticket API: an IANA "
        "name, for example `Asia/Tokyo`. Default: the zone that the ticket API names, or else that of this machine.",
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
    read_only: bool = Field(
        default=False, description="Serve no tools that write: they are neither listed nor run, whatever the key."
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
