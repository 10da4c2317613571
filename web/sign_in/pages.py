"""What each page of the sign-in shows, as plain values; `web.sign_in.render` turns them into HTML.

Names and addresses come from clients, providers and people. The caller removes invisible characters from them; these
pages bound and escape them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPage:
    """The first page: a client asks for access, before the person has signed in.

    Its form posts `request`, `token` and `decision` (`allow` or `deny`) to `action`.
    """

    action: str
    sealed_request: str
    token: str
    client_name: str
    client_id_host: str
    """The host of the client's metadata document; empty if it has none."""
    name_is_unchecked: bool
    """Whether the client registered itself, under a name that it chose."""
    redirect_host: str
    """Where the code goes: host and port of the redirect URI, or for a custom scheme `cursor://`.

    If that is on the person's device, the page warns that any program there can pretend to be the client.
    """
    scopes: tuple[str, ...]
    """What it may do at most, for example `tickets:read`."""
    provider_name: str
    """Of the identity provider, for example `Google`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """An organisation that the person may choose."""

    id: str
    name: str
    role: str
    """viewer, agent or admin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoicePage:
    """The second page, after the provider: for which organisation, and whether this browser began the sign-in.

    Its form posts `sealed`, `token`, `tenant` (id of an organisation) and `decision` (`allow` or `deny`) to `action`.
    """

    action: str
    sealed: str
    token: str
    person_name: str
    """Empty if the provider does not tell it."""
    person_address: str
    client_name: str
    redirect_host: str
    """As in `ConsentPage`."""
    organisations: tuple[Organisation, ...]
    """At least one; with only one, there is nothing to choose."""
    asks_again: bool
    """Whether this browser did not show that the sign-in began in it."""


class Step(StrEnum):
    """What happened before the browser goes on."""

    SIGN_IN = "sign_in"
    """The client was allowed; the provider is next."""
    ALLOWED = "allowed"
    """The client is next and gets access."""
    DENIED = "denied"
    """The client is next and gets no access."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoOnPage:
    """Goes on to another site at once, without a script: the response to a form, and the end for custom schemes.

    A redirect would be part of the form's navigation, which `form-action 'self'` blocks. With a custom scheme the page
    stays on screen, so it says that the sign-in is done and what to do if no program opens.
    """

    address: str
    """Absolute, ASCII, with the scheme of a site or of a program; `ValueError` for others, such as `javascript:`."""
    name: str
    """Of the provider or the client at that address."""
    step: Step


class Fact(StrEnum):
    """A line of an error page."""

    CLIENT = "client"
    CLIENT_ID = "client_id"
    REDIRECT = "redirect"
    """A redirect URI, or its host."""
    PERSON = "person"
    """Who signed in."""
    COMMAND = "command"
    """What an administrator runs."""
    RETRY_AFTER = "retry_after"
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A form with which a person goes back to the provider, to use another account; fields as in `ConsentPage`."""

    action: str
    sealed_request: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """The end of a sign-in that cannot go on: what happened, and what to do.

    `kind` is one of `web.sign_in.ERROR_KINDS`; any other is shown with a general text.
    """

    kind: str
    facts: Mapping[Fact, str] = field(default_factory=dict)
    detail: str = ""
    """A sentence in English for those who can act on it; small print."""
    again: Again | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationPage:
    """What an invited person does."""

    organisation: str
    role: str
    """viewer, agent or admin."""
    address_for_clients: str
    """What the person enters in an assistant."""
    provider_name: str
    expires_at: datetime


Page = ConsentPage | ChoicePage | GoOnPage | ErrorPage | InvitationPage
