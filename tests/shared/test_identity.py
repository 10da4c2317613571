"""Types about callers: what makes two of them equal, and what a refusal carries."""

from dataclasses import FrozenInstanceError

import pytest

import auth.providers
from shared import identity
from shared.errors import Effect, TicketServerError
from shared.identity import DEFAULT_TENANT, AuthenticationError, AuthProvider, Principal, Scope, Tenant
from tests.kills import kills


@kills("shared/identity.py", "return (self.tenant.id, self.id)", 'return ("", self.id)')
def test_two_principals_are_the_same_by_tenant_and_id_alone() -> None:
    one = Principal("user", scopes=frozenset({Scope.TICKETS_READ}), proof="api_key")

    assert one.key == Principal("user").key == ("default", "user")
    assert one.key != Principal("other").key
    assert one.key != Principal("user", tenant=Tenant("elsewhere")).key


def test_no_two_pairs_of_tenant_and_id_run_into_each_other() -> None:
    assert Principal("b/c", tenant=Tenant("a")).key != Principal("c", tenant=Tenant("a/b")).key


def test_a_principal_may_do_everything_unless_said_otherwise() -> None:
    assert Principal("user").scopes == {"tickets:read", "tickets:write", "tickets:admin"}
    assert Principal("user").tenant is DEFAULT_TENANT
    assert Principal("user").proof == "none"


@pytest.mark.parametrize(("words", "field"), [(Principal("user"), "scopes"), (DEFAULT_TENANT, "id")])
def test_what_was_proved_cannot_be_changed(words: object, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(words, field, "other")


def test_a_refusal_is_401_unless_said_otherwise() -> None:
    refusal = AuthenticationError("No.")

    assert (refusal.status, refusal.kind, refusal.effect) == (401, "unauthenticated", Effect.NOTHING_CHANGED)
    assert AuthenticationError("No.", status=400).status == 400
    assert isinstance(refusal, TicketServerError)


def test_a_provider_that_proves_nothing_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        AuthProvider()  # type: ignore[abstract] # that is the test


def test_the_provider_is_found_where_people_look_for_it() -> None:
    assert auth.providers.AuthProvider is identity.AuthProvider
