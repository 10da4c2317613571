"""Accounts at an identity provider, as its verified ID tokens describe them, and the organisations they belong to."""

from dataclasses import dataclass
from typing import Final

from auth.store import IdentityStore
from auth.store.authorization.records import Admitted
from auth.store.authorization.refusals import SignInRefusedError

GOOGLE: Final = "https://accounts.google.com"
MARY: Final = "mary@acme.example"
EVERY: Final = frozenset[str]()
"""The tenants of an issuer that is bound to none."""


@dataclass(frozen=True)
class Person:
    """Mary, with a private account, unless said otherwise."""

    subject: str = "1"
    email: str | None = MARY
    name: str | None = "Mary Major"
    hosted_domain: str | None = None
    issuer: str = GOOGLE


MANAGED: Final = Person(hosted_domain="acme.example")
"""Mary, with an account that her organisation manages."""


async def organisations(store: IdentityStore, *tenants: str) -> IdentityStore:
    for tenant in tenants:
        await store.tenants.add(tenant, name=tenant.title())
    return store


async def roles(store: IdentityStore, person: Person = Person(), tenants: frozenset[str] = EVERY) -> dict[str, str]:
    """Return the roles, by tenant, of a person who is admitted."""
    admitted = await store.admission.admit(person, tenants=tenants)
    return {tenant: member.role.value for tenant, member in admitted.memberships.items()}


async def outcome(store: IdentityStore, person: Person = Person(), tenants: frozenset[str] = EVERY) -> str:
    """Return `admitted`, or the reason of the refusal."""
    try:
        await store.admission.admit(person, tenants=tenants)
    except SignInRefusedError as refused:
        return refused.reason.value
    return "admitted"


async def attempt(store: IdentityStore, person: Person) -> Admitted | SignInRefusedError:
    try:
        return await store.admission.admit(person, tenants=EVERY)
    except SignInRefusedError as refused:
        return refused
