"""Reads a settings class from the environment, and says of a wrong variable what would be right.

The kinds of values that settings share stand here, too. No message shows a value: it may be a secret that landed in
the wrong variable.
"""

import re
from datetime import date
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, AnyHttpUrl, BeforeValidator, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode

from shared.errors import TicketServerError


class SettingsError(TicketServerError):
    """A setting is missing or wrong; the message names the variable and says what would be right."""


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several values in one variable, separated by commas."""


def _sendable(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", key.get_secret_value()):
        raise ValueError("must be ASCII letters, digits and signs without spaces, as it travels in a header")
    return key


Key = Annotated[SecretStr, AfterValidator(_sendable)]
"""A secret that is sent as a header."""


SHORTEST_KEY: Final = 32


def _long(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ValueError(f"must be keys of {SHORTEST_KEY} characters or more each, separated by commas")
    return keys


Keys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split), AfterValidator(_long)]
"""Several secrets in one variable, separated by commas."""


def _plain(address: AnyHttpUrl) -> AnyHttpUrl:
    if address.username or address.password or address.query or address.fragment:
        raise ValueError("must be an address without user, password, ? and #; secrets have variables of their own")
    return address


Address = Annotated[AnyHttpUrl, AfterValidator(_plain)]
"""Where something is, free of secrets: it may be logged and shown."""


def _broker(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise ValueError("must be an address that begins with redis:// or rediss://")
    return url


BrokerUrl = Annotated[SecretStr, AfterValidator(_broker)]
"""Where sessions are shared; its password makes it a secret."""


def _day(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        if re.fullmatch(r"\s*\d{4}-\d{2}-\d{2}\s*", value, re.ASCII):
            return date.fromisoformat(value.strip())
    except ValueError:
        pass  # it looks like a day, but there is none like it
    raise ValueError("must be a day as YYYY-MM-DD, for example 2027-03-31")


Day = Annotated[date, BeforeValidator(_day)]
"""A day in UTC. Written in one way only: pydantic itself would take seconds since 1970 for one, too."""


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def load(settings: type[SettingsT], **given: Any) -> SettingsT:
    """Read `settings` from the environment; what is `given` wins over it.

    Raises:
        SettingsError: each wrong variable by name, with what would be right, and no value.
    """
    try:
        return settings(**given)
    except ValidationError as error:
        problems: dict[tuple[int | str, ...], str] = {}
        for one in error.errors(include_input=False):
            problems.setdefault(one["loc"][:1], _problem(settings, one))  # a union has an error for each of its kinds
        raise SettingsError("\n".join(problems.values())) from None


def _problem(settings: type[BaseSettings], error: ErrorDetails) -> str:
    said = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return said
    place = str(error["loc"][0])  # the field, or the first of its aliases
    if error["type"] != "value_error":
        said = f"must be {_right(settings.model_json_schema()['properties'][place])}"
    names = next(names for field in settings.model_fields if place in {field, *(names := variables(settings, field))})
    return f"{' or '.join(names)} {said}"


def _right(schema: dict[str, Any]) -> str:
    """Say what a value of `schema` looks like."""
    match schema:
        case {"anyOf": choices}:
            right = ", or ".join(_right(choice) for choice in choices if choice["type"] != "null")
        case {"enum": values}:
            right = f"one of {', '.join(values)}"
        case {"const": value}:
            right = value
        case {"type": "boolean"}:
            right = "true or false"
        case {"minimum": least, "maximum": most}:
            right = f"a whole number from {least} to {most}"
        case {"minimum": least}:
            right = f"a whole number, {least} or more"
        case {"format": "uri"}:
            right = "an address that begins with http:// or https://"
        case {"minLength": least, "maxLength": most}:
            right = f"{least} to {most} characters long"
        case _:
            right = f"{schema['minLength']} characters long or more"
    return right


def variables(settings: type[BaseSettings], field: str) -> list[str]:
    """Return the environment variables that set `field`, the one that is read first in front."""
    alias = settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return [str(name) for name in alias.choices]
    return [f"{settings.model_config['env_prefix']}{field.upper()}"]
