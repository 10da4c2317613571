"""What a refused client is asked for: pure, for every kind of refusal."""

from typing import Final

import pytest

from auth.oauth.challenge import Challenge
from auth.oauth.metadata import WELL_KNOWN
from auth.oauth.tokens import InvalidTokenError, IssuerUnavailableError, TokenFault
from auth.presented import ContradictingCredentialsError, NoCredentialError
from shared.errors import TicketServerError
from shared.identity import SCOPES_OF, AuthenticationError, InsufficientScopeError, Principal, Role, Scope
from transport.http.errors import HTTPRefusalError

PUBLIC: Final = "https://tickets.example"
DOCUMENT: Final = f'resource_metadata="{PUBLIC}{WELL_KNOWN}/mcp"'
BOTH: Final = 'scope="tickets:read tickets:write"'
CHALLENGE: Final = Challenge(PUBLIC)


def holder(role: Role | None, *scopes: Scope, proof: str = "oauth") -> Principal:
    return Principal("me", scopes=frozenset(scopes), proof=proof, role=role)


def test_nothing_sent_is_no_error() -> None:
    assert CHALLENGE("/mcp", NoCredentialError("Sign in."), None) == f"Bearer {DOCUMENT}, {BOTH}"


@pytest.mark.parametrize("fault", TokenFault)
def test_a_token_that_is_not_valid_is_refused_with_the_reason(fault: TokenFault) -> None:
    refused = InvalidTokenError(fault)

    said = CHALLENGE("/mcp", refused, None)

    assert said == f'Bearer error="invalid_token", error_description="{refused}", {DOCUMENT}, {BOTH}'


@pytest.mark.parametrize(
    "error",
    [
        IssuerUnavailableError(),
        ContradictingCredentialsError(),
        AuthenticationError("Too many.", status=429, retry_after_s=9),
        AuthenticationError("Not a member.", status=403),
        HTTPRefusalError(403, "origin", "This origin is not accepted."),
        TicketServerError("Unforeseen."),
    ],
    ids=["503", "400", "429", "403", "origin", "500"],
)
def test_what_a_sign_in_would_not_change_is_no_challenge(error: TicketServerError) -> None:
    assert CHALLENGE("/mcp", error, holder(Role.AGENT)) is None


@pytest.mark.parametrize(
    ("principal", "lacks", "asked"),
    [
        (holder(Role.AGENT, Scope.TICKETS_READ), Scope.TICKETS_WRITE, "tickets:read tickets:write"),
        (holder(Role.AGENT), Scope.TICKETS_WRITE, "tickets:read tickets:write"),
        (holder(Role.VIEWER), Scope.TICKETS_READ, "tickets:read"),
        (holder(Role.AGENT, Scope.TICKETS_WRITE), Scope.TICKETS_READ, "tickets:read tickets:write"),
        (holder(Role.ADMIN, Scope.TICKETS_READ), Scope.TICKETS_ADMIN, "tickets:read tickets:write tickets:admin"),
        (holder(Role.VIEWER, Scope.TICKETS_READ), Scope.TICKETS_WRITE, None),
        (holder(Role.AGENT, Scope.TICKETS_READ), Scope.TICKETS_ADMIN, None),
        (holder(None, Scope.TICKETS_READ), Scope.TICKETS_WRITE, None),
        (holder(Role.AGENT, Scope.TICKETS_READ, proof="api_key"), Scope.TICKETS_WRITE, None),
        (None, Scope.TICKETS_WRITE, None),
    ],
)
def test_every_scope_that_the_call_needs_is_asked_for_if_the_role_has_it(
    principal: Principal | None, lacks: Scope, asked: str | None
) -> None:
    may_ask = principal is not None and principal.may_ask_for(lacks)
    refused = InsufficientScopeError("update_ticket", lacks, may_ask=may_ask)

    said = CHALLENGE("/mcp", refused, principal)

    if asked is None:
        assert (said, may_ask) == (None, False)
    else:
        described = f'Bearer error="insufficient_scope", error_description="{refused}"'
        assert said == f'{described}, {DOCUMENT}, scope="{asked}"'
        assert "which this access token does not have" in str(refused)


def test_a_role_keeps_its_scopes_whatever_the_token_lacks() -> None:
    for role, scopes in SCOPES_OF.items():
        assert {scope for scope in Scope if holder(role).may_ask_for(scope)} == scopes
        assert not any(holder(role, *Scope).may_ask_for(scope) for scope in Scope)


@pytest.mark.parametrize(
    ("path", "document"),
    [("/mcp/", "/mcp"), ("/sse", "/sse"), ("/messages", "/sse"), ("/tickets/sse", "/sse"), ("/elsewhere", "")],
)
def test_each_path_has_the_document_of_its_resource(path: str, document: str) -> None:
    said = CHALLENGE(path, NoCredentialError("Sign in."), None)

    assert f'resource_metadata="{PUBLIC}{WELL_KNOWN}{document}"' in str(said)


def test_below_a_path_the_document_is_where_every_proxy_passes_it_on() -> None:
    said = Challenge("https://example.com/tickets/")("/mcp", NoCredentialError("Sign in."), None)

    assert f'resource_metadata="https://example.com/tickets{WELL_KNOWN}/mcp"' in str(said)


def test_a_description_cannot_leave_its_quotation_marks() -> None:
    refused = InsufficientScopeError('x", scope="all\r\nset-cookie: a=b\\チケット', Scope.TICKETS_READ)

    said = CHALLENGE("/mcp", refused, holder(Role.VIEWER))

    assert said is not None
    assert 'error_description="x?, scope=?all??set-cookie: a=b????? needs' in said
    assert said.isascii()
