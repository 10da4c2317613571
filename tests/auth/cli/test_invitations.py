"""The commands for invitations and domains, as an operator types them and as a refusal names them."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from auth.__main__ import _store
from auth.store import IdentityStore
from auth.store.authorization.records import Admitted
from auth.store.authorization.refusals import SignInRefusedError
from shared.errors import InvalidInputError
from tests.auth.cli.test_commands import MAIL, Terminal, mary, terminal, url
from tests.auth.store.authorization.people import EVERY, MANAGED, Person, attempt

__all__ = ("mary", "terminal", "url")

NEW: Final = "new@acme.example"


def test_an_invitation_is_printed_with_its_link_listed_and_withdrawn(
    mary: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_acme = ("--tenant", "acme", "--role", "agent")
    path = mary.json("invite", NEW, *to_acme)
    monkeypatch.setenv("MCP_PUBLIC_URL", "https://tickets.example.com/acme/")
    shown = mary.run("invite", NEW, *to_acme, "--expires-in", "3")
    linked = mary.json("invite", NEW, *to_acme)

    link = f"/oauth/invitation/{path['id']}"
    assert path["link"] == link
    assert linked["link"] == f"https://tickets.example.com/acme{link}"
    assert shown.stdout.endswith(f"The link to send:\nhttps://tickets.example.com/acme{link}\n")
    [listed] = mary.json("invitation", "list", "--tenant", "acme")
    assert listed == {name: value for name, value in linked.items() if name != "link"}
    assert (listed["email"], listed["role"], listed["state"], listed["tenant_name"]) == (
        NEW, "agent", "pending", "Acme Ltd",
    )  # fmt: skip
    assert mary.run("invitation", "withdraw", listed["id"], answer="n\n").exit_code == 1
    assert mary.json("invitation", "list") == [listed]
    assert mary.json("invitation", "withdraw", listed["id"], "--yes")["state"] == "withdrawn"
    assert mary.run("invite", NEW, "--tenant", "acme").exit_code == 2, "a role is always named"
    assert "already a member of 'acme', as agent" in str(mary.error("invite", MAIL, *to_acme))


def test_a_domain_is_added_listed_and_removed(mary: Terminal) -> None:
    added = mary.json("domain", "add", "acme.example", "--tenant", "acme", "--role", "viewer")

    assert (added["domain"], added["tenant"], added["role"]) == ("acme.example", "acme", "viewer")
    assert mary.json("domain", "list") == mary.json("domain", "list", "--tenant", "acme") == [added]
    assert isinstance(
        mary.error("domain", "add", "gmail.com", "--tenant", "acme", "--role", "agent"), InvalidInputError
    )
    assert mary.run("domain", "remove", "acme.example", answer="n\n").exit_code == 1
    assert mary.json("domain", "remove", "acme.example", "--yes") == added
    assert mary.json("domain", "list") == []


async def admit(person: Person) -> Admitted | SignInRefusedError:
    async with _store() as store:
        return await attempt(store, person)


def remedied(terminal: Terminal, person: Person, user: str = MAIL) -> list[str]:
    """Run what each refusal says, at most three times, until the person is admitted as `user`; return the reasons."""
    reasons: list[str] = []
    while len(reasons) < 4:
        result = asyncio.run(admit(person))
        if isinstance(result, Admitted):
            return reasons
        reasons.append(result.reason.value)
        assert str(result).endswith(f" An administrator can run `{result.command}`.")
        words = shlex.split(result.command.replace("TENANT", "acme").replace("EMAIL", user))
        command = words[words.index("auth") + 1 :]
        done = terminal.run(*command, *(["--yes"] if "remove" in command else []))
        assert done.exit_code == 0, (result, done.exception)
    raise AssertionError(reasons)


ODD: Final = ("o'brien@acme.example", "$(reboot)`x`@acme.example", "-x@acme.example", "--help@acme.example", "a;b@c.d")


def test_the_command_of_a_refusal_admits_whatever_the_address_is(mary: Terminal) -> None:
    for number, email in enumerate(ODD):
        assert remedied(mary, Person(f"{number}", email)) == ["unknown_account"]
    assert {each["email"] for each in mary.json("user", "list")} == {MAIL, *ODD}


async def link(store: IdentityStore, user: str) -> None:
    await store.admission.admit(Person(user, user), tenants=EVERY)


async def unlink(store: IdentityStore, user: str) -> None:
    await link(store, user)
    [identity] = await store.identities.all(user=user)
    await store.identities.remove(identity.id)


async def end_membership(store: IdentityStore, user: str) -> None:
    await link(store, user)
    await store.memberships.remove(user, "acme")


async def give_to_a_program(store: IdentityStore, user: str) -> None:
    await store.service_accounts.add("acme", "nightly", role="viewer")
    await store.identities.add(issuer=MANAGED.issuer, subject=user, tenant="acme", service_account="nightly")


async def disable_user(store: IdentityStore, user: str) -> None:
    await store.users.disable(user)


async def disable_tenant(store: IdentityStore, _: str) -> None:
    await store.tenants.disable("acme")


async def nothing(_: IdentityStore, __: str) -> None:
    """Leave everything as it is."""


REMEDIES: Final[tuple[tuple[Callable[[IdentityStore, str], Awaitable[None]], dict[str, Any], list[str]], ...]] = (
    (link, {"subject": "another"}, ["other_account"]),
    (link, {"subject": "o'brien; $(x)"}, ["other_account"]),
    (link, {"subject": "--help"}, ["other_account"]),
    (nothing, {"email": None}, ["no_verified_address"]),
    (nothing, {"email": "mary\u212a@acme.example"}, ["unusable_address"]),
    (unlink, {}, ["identity_removed"]),
    (end_membership, {}, ["no_tenant"]),
    (end_membership, {"email": None}, ["no_tenant"]),
    (give_to_a_program, {}, ["program", "identity_removed"]),
    (disable_user, {}, ["user_disabled"]),
    (disable_tenant, {}, ["tenant_disabled"]),
)


def test_the_command_of_each_refusal_admits_the_person(mary: Terminal) -> None:
    async def prepare() -> None:
        async with _store() as store:
            for number, (before, _, _) in enumerate(REMEDIES):
                await store.users.add(f"{number}@acme.example")
                await store.memberships.set(f"{number}@acme.example", "acme", role="agent")
                await before(store, f"{number}@acme.example")

    asyncio.run(prepare())
    for number, (before, account, reasons) in reversed(list(enumerate(REMEDIES))):  # the organisation is enabled first
        user = f"{number}@acme.example"
        person = replace(Person(user, user), **account)
        assert remedied(mary, person, user) == reasons, (before.__name__, account)


def test_a_refusal_names_the_only_organisation_that_the_issuer_serves(mary: Terminal) -> None:
    async def refusal() -> str:
        async with _store() as store:
            with pytest.raises(SignInRefusedError) as refused:
                await store.admission.admit(replace(MANAGED, email=NEW), tenants=frozenset({"acme"}))
            return str(refused.value)

    assert asyncio.run(refusal()) == (
        "The account is not admitted: unknown_account. An administrator can run "
        f"`python -m auth invite {NEW} --tenant acme --role agent`."
    )
