"""One example of each page of the sign-in and of its variants, by name."""

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from web.sign_in import (
    Again,
    ChoicePage,
    ConsentPage,
    ErrorPage,
    Fact,
    GoOnPage,
    InvitationPage,
    Organisation,
    Page,
    Step,
)

ACME: Final = Organisation(id="acme", name="Acme Ltd", role="agent")
GLOBEX: Final = Organisation(id="globex", name="グローベックス株式会社", role="viewer")
SEALED: Final = "v1." + "a1b2" * 200


def consent(**changes: Any) -> ConsentPage:
    """Return the consent page of a hosted assistant, with changes."""
    usual: dict[str, Any] = {
        "action": "/oauth/consent",
        "sealed_request": SEALED,
        "token": "t" * 43,
        "client_name": "Claude",
        "client_id_host": "claude.ai",
        "name_is_unchecked": False,
        "redirect_host": "claude.ai",
        "scopes": ("tickets:read", "tickets:write"),
        "provider_name": "Google",
    }
    return ConsentPage(**usual | changes)


def choice(**changes: Any) -> ChoicePage:
    """Return the choice between two organisations, with changes."""
    usual: dict[str, Any] = {
        "action": "/oauth/choice",
        "sealed": SEALED,
        "token": "t" * 43,
        "person_name": "Mary Major",
        "person_address": "mary@acme.example",
        "client_name": "Claude",
        "redirect_host": "claude.ai",
        "organisations": (ACME, GLOBEX),
        "asks_again": False,
    }
    return ChoicePage(**usual | changes)


def invitation(**changes: Any) -> InvitationPage:
    """Return an invitation, with changes."""
    usual: dict[str, Any] = {
        "organisation": "Acme Ltd",
        "role": "agent",
        "address_for_clients": "https://tickets.example.com/mcp",
        "provider_name": "Google",
        "expires_at": datetime(2026, 12, 24, 18, 30, tzinfo=UTC),
    }
    return InvitationPage(**usual | changes)


def go_on(address: str, step: Step, name: str = "Claude") -> GoOnPage:
    """Return a page that goes on."""
    return GoOnPage(address=address, name=name, step=step)


PAGES: Final[MappingProxyType[str, Page]] = MappingProxyType({
    "consent": consent(),
    "consent-local": consent(
        client_name="My assistant",
        client_id_host="",
        name_is_unchecked=True,
        redirect_host="127.0.0.1:33418",
        scopes=("tickets:read", "tickets:write", "tickets:admin"),
    ),
    "consent-unchecked": consent(
        client_name="Tickets " + "of a name without end " * 20,
        client_id_host="",
        name_is_unchecked=True,
        redirect_host=f"{'very-long-label-' * 3}.{'x' * 60}.example.com:8443",
    ),
    "consent-program": consent(client_name="Cursor", client_id_host="", redirect_host="cursor://"),
    "choice": choice(),
    "choice-again": choice(asks_again=True),
    "again": choice(asks_again=True, organisations=(ACME,)),
    "go-on": go_on("https://accounts.google.com/o/oauth2/v2/auth?a=b&c=d", Step.SIGN_IN, "Google"),
    "allowed": go_on("https://claude.ai/api/mcp/auth_callback?code=x&iss=y", Step.ALLOWED),
    "denied": go_on("https://claude.ai/api/mcp/auth_callback?error=access_denied", Step.DENIED),
    "done": go_on("cursor://anysphere.cursor-mcp/oauth/callback?code=x", Step.ALLOWED, "Cursor"),
    "done-denied": go_on("cursor://anysphere.cursor-mcp/oauth/callback?error=x", Step.DENIED, "Cursor"),
    "invitation": invitation(),
    "error": ErrorPage(
        kind="unknown_account",
        facts={
            Fact.PERSON: "mary@acme.example",
            Fact.COMMAND: "python3 run.py auth invite mary@acme.example --tenant acme --role agent",
        },
        again=Again(action="/oauth/consent", sealed_request=SEALED, token="t" * 43),
    ),
    "error-client": ErrorPage(
        kind="redirect_not_allowed",
        facts={Fact.CLIENT: "My assistant", Fact.REDIRECT: "https://evil.example/callback"},
        detail="An operator can add the address to MCP_OAUTH_REDIRECTS.",
    ),
})  # fmt: skip
