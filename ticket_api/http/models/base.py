"""What all shapes have in common: names on the wire, and the refusal of unknown ones."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class ResponseModel(BaseModel):
    """An object that the API returns."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


class RequestModel(BaseModel):
    """An object that a client sends; unknown names are refused with the list of known ones."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _know_every_name(cls, sent: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for name in sent if isinstance(sent, dict) else ():
            if name not in known:
                raise PydanticCustomError(
                    "unknown_name", "{field} is unknown", {"field": str(name)[:100], "allowed": known}
                )
        return sent


class Nothing(RequestModel):
    """The query of a path that accepts no parameters."""
