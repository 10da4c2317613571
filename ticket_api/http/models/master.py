"""The bodies of requests that write master data. A field that is absent or null has no effect."""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StrictBool, StringConstraints, WithJsonSchema

from ticket_api.http.fields import BLANK, Id, refuse
from ticket_api.http.models.base import RequestModel, ResponseModel

_CONTROL: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_UNSEEN: Final = rf"{BLANK}\u200b-\u200f\u202a-\u202e\u2060-\u2069"
_NAME: Final = rf"^[^{_CONTROL}]*[^{_CONTROL}{_UNSEEN}][^{_CONTROL}]*$"
ID: Final = re.compile(rf"[^{_CONTROL}{_UNSEEN}/?#%]{{1,50}}")
ID_RULE: Final = "must have 1 to 50 characters, without blanks, control characters and any of / ? # %"
_EMAIL: Final = rf"^([^{_CONTROL}{_UNSEEN}@]+@[^{_CONTROL}{_UNSEEN}@]+)?$"
LAST_PLACE: Final = 1_000_000


def _text(pattern: str, longest: int, sentence: str, example: str) -> tuple[BeforeValidator, WithJsonSchema]:
    """Return the validation of a text, and its schema."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise refuse("must be a string")
        if len(value) > longest or not re.fullmatch(pattern, value):
            raise refuse(sentence)
        return value

    schema = {"type": "string", "pattern": pattern, "maxLength": longest, "examples": [example]}
    return BeforeValidator(check), WithJsonSchema(schema)


def _place(value: Any) -> int:
    """Return a whole number; in JSON, 3.0 is one too."""
    is_whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    if is_whole and 0 <= value <= LAST_PLACE:
        return int(value)
    raise refuse(f"must be a whole number from 0 to {LAST_PLACE:,}")


NewId = Annotated[str, *_text(f"^{ID.pattern}$", 50, ID_RULE, "user9")]
Name = Annotated[
    str, *_text(_NAME, 200, "must have 1 to 200 characters in one line, not all of them blank", "Aiko Tanaka")
]
"""One line with something to see in it."""
Email = Annotated[
    str, *_text(_EMAIL, 200, "must be an e-mail address of at most 200 characters, or empty", "aiko@example.com")
]
Word = Annotated[str, StringConstraints(max_length=50, pattern=rf"^[^{_CONTROL}]*$")]
ParentName = Annotated[str, StringConstraints(max_length=200, pattern=rf"^[^{_CONTROL}]*$")]
Place = Annotated[
    int,
    BeforeValidator(_place),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": LAST_PLACE, "examples": [1]}),
]


class UserFields(RequestModel):
    """A person who reports or works on tickets."""

    name: Name | None = None
    email: Email | None = Field(default=None, description="By which clients may name the person. Default: empty.")
    role: Word | None = Field(default=None, description="For example `support`. Default: empty.", examples=["support"])


class AccountFields(RequestModel):
    """A row of a list that has an order."""

    name: Name | None = None
    order_no: Place | None = Field(default=None, description="Its place in the list. Default: last.")


class CategoryFields(AccountFields):
    """A category."""


class RequestChannelFields(AccountFields):
    """A way in which requests arrive."""


class CategoryDetailFields(AccountFields):
    """A subcategory of a category."""

    category_id: Id | None = Field(default=None, description="Its category.", examples=["cat1"])


class StatusFields(AccountFields):
    """A status of tickets."""

    completed: StrictBool | None = Field(default=None, description="Whether it ends a ticket. Default: false.")


class ResponseCategoryFields(AccountFields):
    """A kind of response."""

    parent_category: ParentName | None = Field(default=None, description="The name of a group; empty: none.")


_NEW_ID: Final = Field(default=None, description="Default: the next free one of the usual form, for example `user9`.")


class NewUser(UserFields):
    """A person to add."""

    id: NewId | None = _NEW_ID
    name: Name


class NewAccount(AccountFields):
    """An account to add."""

    id: NewId | None = _NEW_ID
    name: Name


class NewCategory(CategoryFields):
    """A category to add."""

    id: NewId | None = _NEW_ID
    name: Name


class NewRequestChannel(RequestChannelFields):
    """A channel to add."""

    id: NewId | None = _NEW_ID
    name: Name


class NewCategoryDetail(CategoryDetailFields):
    """A category detail to add."""

    id: NewId | None = _NEW_ID
    name: Name
    category_id: Id = Field(examples=["cat1"])


class NewStatus(StatusFields):
    """A status to add."""

    id: NewId | None = _NEW_ID
    name: Name


class NewResponseCategory(ResponseCategoryFields):
    """A response category to add."""

    id: NewId | None = _NEW_ID
    name: Name


class MasterWritten(ResponseModel):
    """The row that was added, changed or removed."""

    id: str = Field(examples=["user9"])
    message: str
