"""The bodies of requests that write."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from ticket_api.http.fields import (
    Day,
    EntryId,
    FileName,
    FileUrl,
    Hours,
    Id,
    Minute,
    MoreHours,
    Reference,
    Remark,
    Summary,
    Text,
    refuse,
)
from ticket_api.http.models.base import RequestModel


class NewAttachment(RequestModel):
    """A file that is stored elsewhere."""

    file_name: FileName
    file_url: FileUrl = Field(examples=["https://files.example.com/1/screenshot.png"])


class TicketFields(RequestModel):
    """The fields shared by creating and updating. A field that is absent or null has no effect."""

    scheduled_completion_date: Day | None = None
    completion_date: Day | None = Field(
        default=None,
        description="If the status becomes a completed one and this is absent, today is used. If a ticket leaves "
        "a completed status and this is absent, the date is cleared.",
    )
    actual_effort_hours: Hours | None = None
    response_category_id: Id | None = None
    response_details: Remark | None = None
    external_ticket_id: Reference | None = None
    remarks: Remark | None = None


class NewTicket(TicketFields):
    """A ticket to create."""

    reception_date_time: Minute | None = Field(
        default=None,
        description="In the server's time zone; a time with an offset is converted to it. Default: now.",
    )
    requestor_id: Id = Field(examples=["user1"])
    account_id: Id = Field(examples=["acc1"])
    category_id: Id = Field(examples=["cat1"])
    category_detail_id: Id = Field(examples=["catd1"], description="Must belong to the category.")
    request_channel_id: Id = Field(examples=["ch1"])
    summary: Summary = Field(examples=["Cannot sign in after the password was changed"])
    description: Text = Field(examples=["Since this morning the sign-in page says that the account is locked."])
    person_in_charge_id: Id = Field(examples=["user2"])
    status_id: Id = Field(examples=["stat1"])
    has_defect: StrictBool | None = Field(default=None, description="Default: false.")
    attachments: list[NewAttachment] | None = Field(default=None, max_length=20)


CLEARABLE: Final = {field.alias or name: name for name, field in TicketFields.model_fields.items()}
"""The optional fields of a ticket, from their name on the wire to their name here."""


def _names_to_clear(sent: Any) -> tuple[str, ...]:
    """Return the fields named in `sent`, in a fixed order."""
    if not isinstance(sent, list):
        raise refuse("must be a list of field names", allowed=list(CLEARABLE))
    if len(sent) > len(CLEARABLE):
        raise refuse(f"must have at most {len(CLEARABLE)} entries", allowed=list(CLEARABLE))
    for name in sent:
        if not isinstance(name, str) or name not in CLEARABLE:
            raise refuse("can only name fields that may be empty", allowed=list(CLEARABLE))
    if len(set(sent)) < len(sent):
        raise refuse("names a field more than once", allowed=list(CLEARABLE))
    return tuple(name for alias, name in CLEARABLE.items() if alias in sent)


ClearedFields = Annotated[
    tuple[str, ...],
    BeforeValidator(_names_to_clear),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "enum": list(CLEARABLE)},
            "uniqueItems": True,
            "maxItems": len(CLEARABLE),
            "examples": [["scheduledCompletionDate"]],
        }
    ),
]


Visibility = Literal["internal", "public"]


def _is_absent(value: object) -> bool:
    """Leave a field without a value out of the request's identity: requests from before the field are the same."""
    return value is None


class TicketChange(TicketFields):
    """The changes to a ticket, their author and a comment."""

    updated_by_id: Id = Field(examples=["user2"], description="The user shown in the history.")
    comment: Text | None = Field(default=None, examples=["The customer confirmed."])
    visibility: Visibility | None = Field(
        default=None, exclude_if=_is_absent, description="Of the comment, as in POST to the history."
    )
    expected_history_id: EntryId | None = Field(
        default=None,
        exclude_if=_is_absent,
        description="The largest `id` in the history that the change is based on, 0 if it is empty. If there is a "
        "newer entry, nothing is changed: 409 with `kind` `changed_meanwhile`. Read the history before the ticket.",
    )
    add_effort_hours: MoreHours | None = Field(
        default=None,
        exclude_if=_is_absent,
        description="Hours to add to `actualEffortHours`, exact however many clients add at once. Not together with "
        "a value for `actualEffortHours` or its name in `clear`.",
    )
    requestor_id: Id | None = None
    account_id: Id | None = None
    category_id: Id | None = None
    category_detail_id: Id | None = Field(default=None, description="Must belong to the category.")
    request_channel_id: Id | None = None
    summary: Summary | None = None
    description: Text | None = None
    person_in_charge_id: Id | None = None
    status_id: Id | None = Field(default=None, examples=["stat2"])
    has_defect: StrictBool | None = None
    clear: ClearedFields | None = Field(
        default=None,
        exclude_if=lambda names: not names,  # an empty list is the same request as one from before `clear` existed
        description="Fields to empty. A field cannot be given a value and be emptied in one request; a null beside its "
        "name here has no effect. A `completionDate` that is emptied stays empty, whatever the status becomes.",
    )

    @model_validator(mode="after")
    def _say_one_thing_of_each_field(self) -> Self:
        for alias, name in CLEARABLE.items():
            if name in (self.clear or ()) and getattr(self, name) is not None:
                raise refuse("is given a value and is named in clear: send one of the two", field=alias)
        if self.add_effort_hours is not None and (
            self.actual_effort_hours is not None or "actual_effort_hours" in (self.clear or ())
        ):
            raise refuse(
                "adds to actualEffortHours, which the request also sets: send one of the two", field="addEffortHours"
            )
        if self.visibility is not None and self.comment is None:
            raise refuse("is that of a comment: send a comment too, or leave it out", field="visibility")
        return self


class NewComment(RequestModel):
    """A comment for a ticket's history."""

    user_id: Id = Field(examples=["user2"])
    comment: Text = Field(examples=["Called back; waiting for the log file."])
    visibility: Visibility | None = Field(
        default=None,
        exclude_if=_is_absent,
        description="`public` if the comment is meant for the requestor too, else `internal`, the default. This API "
        "shows both to everyone who has its key.",
    )

    @model_validator(mode="before")
    @classmethod
    def _need_both(cls, sent: Any) -> Any:
        if isinstance(sent, dict) and not (sent.get("userId") and sent.get("comment")):
            missing = "comment" if sent.get("userId") else "userId"
            raise PydanticCustomError("both_needed", "User ID and comment are required", {"field": missing})
        return sent
