"""Reads a settings class, and reports what each invalid variable should be. No message shows a value."""

import os
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared import dotenv
from shared.config.common import Settings
from shared.config.names import refuse_wrong_names
from shared.environment import SettingsError, variables

SettingsT = TypeVar("SettingsT", bound=Settings)


def load(settings: type[SettingsT], **given: Any) -> SettingsT:
    """Read `settings` from the environment and `.env`; values in `given` take precedence.

    Raises:
        SettingsError: it names each wrong name or invalid variable and what it should be, without values.
    """
    try:
        refuse_wrong_names(settings, os.environ, dotenv.read(Settings.dotenv_path))
        return settings(**given)
    except dotenv.DotenvError as error:
        raise SettingsError(str(error)) from None
    except ValidationError as error:
        problems: dict[tuple[int | str, ...], str] = {}
        for one in error.errors(include_input=False):
            problems.setdefault(one["loc"][:1], _problem(settings, one))  # a union has an error for each member
        raise SettingsError("\n".join(problems.values())) from None


def _problem(settings: type[Settings], error: ErrorDetails) -> str:
    said = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return said
    place = str(error["loc"][0])  # the field, or the first of its aliases
    if error["type"] != "value_error":
        said = f"must be {_right(settings.model_json_schema()['properties'][place])}"
    names = next(names for field in settings.model_fields if place in {field, *(names := variables(settings, field))})
    return f"{' or '.join(names)} {said}"


def _right(schema: dict[str, Any]) -> str:
    """Describe the valid values of `schema`."""
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
