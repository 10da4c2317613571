"""The table of prompts: what clients show of each, its arguments and its text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from shared.identity import Scope
from shared.localization import LANGUAGES, localized
from shared.mcp_prompts import texts
from shared.mcp_prompts.arguments import LANGUAGE, PromptField, TicketIds
from shared.tickets.master_lists import ACCOUNTS, STATUSES, USERS

SCOPE: Final = Scope.TICKETS_READ
"""The scope that a principal needs to see prompts and to get one: all of them read tickets."""


class PromptText(Protocol):
    """Returns the text of a prompt in the language of the call."""

    def __call__(self, given: texts.Given, *, may_write: bool) -> str:
        """Return the text for these values; `may_write` says whether the caller may change tickets."""
        ...


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """One prompt; `title` and `description` return these in the language of the call."""

    name: str
    title: Callable[[], str]
    description: Callable[[], str]
    fields: tuple[PromptField, ...]
    text: PromptText


_TICKET: Final = PromptField(
    "ticketId", lambda: localized("Id of the ticket, or words of its summary to choose from."), TicketIds, True
)
_ACCOUNT: Final = PromptField("accountId", lambda: localized("Only tickets of this account: id or name."), ACCOUNTS)
_LANGUAGE: Final = PromptField(
    LANGUAGE, lambda: localized("Language of the prompt, en or ja; by default your own."), LANGUAGES
)

PROMPTS: Final = (
    PromptSpec(
        "triage",
        lambda: localized("Triage open tickets"),
        lambda: localized("Proposes category, person in charge and due date of open tickets on which no work began."),
        (
            PromptField("statusId", lambda: localized("Only tickets with this status: id or name."), STATUSES),
            _ACCOUNT,
            _LANGUAGE,
        ),
        texts.triage,
    ),
    PromptSpec(
        "daily_summary",
        lambda: localized("Summarise the day"),
        lambda: localized("Says what is overdue, what is due, what changed and what waits for an answer."),
        (
            PromptField(
                "personInChargeId", lambda: localized("The person in charge: id or name; by default you."), USERS
            ),
            PromptField(
                "since",
                lambda: localized("Changes since this day, for example yesterday, monday or -3d."),
                ("today", "yesterday", "monday", "-3d", "-7d"),
            ),
            _LANGUAGE,
        ),
        texts.daily_summary,
    ),
    PromptSpec(
        "reply_draft",
        lambda: localized("Draft a reply"),
        lambda: localized("Drafts a reply to the requestor of a ticket. Nothing is sent."),
        (_TICKET, _LANGUAGE),
        texts.reply_draft,
    ),
    PromptSpec(
        "hand_over",
        lambda: localized("Hand over tickets"),
        lambda: localized("Hands the open tickets of one person to another, with a line on each and a preview."),
        (
            PromptField("fromId", lambda: localized("The person in charge now: id or name."), USERS, True),
            PromptField("toId", lambda: localized("The person who takes over: id or name."), USERS, True),
            _ACCOUNT,
            _LANGUAGE,
        ),
        texts.hand_over,
    ),
    PromptSpec(
        "escalation",
        lambda: localized("Escalate a ticket"),
        lambda: localized("Writes an escalation note for a ticket, and assigns it after you agree."),
        (
            _TICKET,
            PromptField("toId", lambda: localized("The person who takes it: id or name."), USERS),
            PromptField("reason", lambda: localized("Why it is escalated, in a few words.")),
            _LANGUAGE,
        ),
        texts.escalation,
    ),
)
