"""The types that settings share, and the error of every setting that is missing or invalid.

No message shows a value, because a secret may have been put into the wrong variable.
"""

import re
from datetime import date
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, AnyHttpUrl, BeforeValidator, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from shared.client_habits import ClientHabits
from shared.errors import TicketServerError
from shared.time_zones import zone_named


class SettingsError(TicketServerError):
    """A setting is missing or invalid; the message names the variable and what it should be."""


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several values in one variable, separated by commas."""


def _known_habits(names: tuple[str, ...]) -> tuple[str, ...]:
    ClientHabits(off=names)
    return names


Habits = Annotated[Names, AfterValidator(_known_habits)]


PLACEHOLDER: Final = re.compile(
    r"[.…*_-]+|x{3,}|<.*>|\[[^:]*\]|\$?\{.*\}|\$\(.*"
    r"|your[-_ ].*|.*[-_ ]here|(change|replace)[-_ ]?(me|this|it).*|place[-_ ]?holder",
    re.IGNORECASE | re.DOTALL,
)
"""What documents and templates have where a value belongs."""


def _no_placeholder(value: str) -> None:
    if PLACEHOLDER.fullmatch(value.strip()):
        raise ValueError("is the placeholder of an example; set the value itself")


def _sendable(key: SecretStr) -> SecretStr:
    _no_placeholder(key.get_secret_value())
    if not re.fullmatch(r"[!-~]+", key.get_secret_value()):
        raise ValueError("must be ASCII letters, digits and symbols without spaces, as it is sent in a header")
    return key


Key = Annotated[SecretStr, AfterValidator(_sendable)]
"""A secret that is sent as a header."""


SHORTEST_KEY: Final = 32


def _long(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for key in keys:
        _no_placeholder(key.get_secret_value())
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ValueError(f"must be keys of {SHORTEST_KEY} characters or more each, separated by commas")
    return keys


Keys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split), AfterValidator(_long)]
"""Several secrets in one variable, separated by commas."""


MOST_ROTATED: Final = 2


def _each(value: object) -> object:
    value = value.get_secret_value() if isinstance(value, SecretStr) else value
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _rotated(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if len(keys) > MOST_ROTATED:
        raise ValueError("must be one key, or two separated by a comma while it is rotated")
    return tuple(map(_sendable, keys))


RotatedKey = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_each), AfterValidator(_rotated)]
"""A secret that callers send as a header; while it is rotated two, of which either is accepted. Empty: none is set."""


def _of_full_length(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ValueError(f"must be {SHORTEST_KEY} characters long or more")
    return keys


LongRotatedKey = Annotated[RotatedKey, AfterValidator(_of_full_length)]
"""Likewise, of 32 characters or more each."""


def _plain(address: AnyHttpUrl) -> AnyHttpUrl:
    if address.username or address.password or address.query or address.fragment:
        raise ValueError("must be an address without user, password, ? and #; secrets have their own variables")
    _no_placeholder(address.host or "")
    return address


Address = Annotated[AnyHttpUrl, AfterValidator(_plain)]
"""An address without secrets, safe to log and show."""


def _broker(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise ValueError("must be an address that begins with redis:// or rediss://")
    _no_placeholder(parts.hostname)
    return url


BrokerUrl = Annotated[SecretStr, AfterValidator(_broker)]
"""Address of the broker; secret, because it may contain a password."""


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        if re.fullmatch(r"\s*\d{4}-\d{2}-\d{2}\s*", value, re.ASCII):
            return date.fromisoformat(value.strip())
    except ValueError:
        pass  # the right form, but no such day
    raise ValueError("must be a day as YYYY-MM-DD, for example 2027-03-31")


Day = Annotated[date, BeforeValidator(_day)]
"""A day in UTC, in one form only: pydantic itself would also accept seconds since 1970."""


def _zone(name: str) -> str:
    zone_named(name)
    return name


TimeZone = Annotated[str, AfterValidator(_zone)]
"""The IANA name of a time zone."""


def variables(settings: type[BaseSettings], field: str) -> list[str]:
    """Return the environment variables that set `field`, in order of precedence."""
    alias = settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return [str(name) for name in alias.choices]
    return [f"{settings.model_config['env_prefix']}{field.upper()}"]
