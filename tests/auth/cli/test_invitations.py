"""The commands for invitations and domains, as an operator types them and as a refusal names them."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import pytest

from auth.__main__ import _store
from auth.store import IdentityStore
from auth.store.authorization.records import Admitted
from auth.store.authorization.refusals import RefusalReason, SignInRefusedError
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


async def change(work: Callable[[IdentityStore], Awaitable[object]]) -> None:
    async with _store() as store:
        await work(store)


def remedied(terminal: Terminal, person: Person) -> list[RefusalReason]:
    """Run what each refusal says until the person is admitted; return the reasons. At most three are needed."""
    reasons: list[RefusalReason] = []
    while len(reasons) < 4:
        result = asyncio.run(admit(person))
        if isinstance(result, Admitted):
            return reasons
        reasons.append(result.reason)
        assert str(result).endswith(f": `{result.command}`.")
        words = shlex.split(result.command.replace("TENANT", "acme").replace("EMAIL", MAIL))
        command = words[words.index("auth") + 1 :]
        done = terminal.run(*command, *(["--yes"] if "remove" in command else []))
        assert done.exit_code == 0, (result, done.exception)
    raise AssertionError(reasons)


ODD: Final = ("o'brien@acme.example", "$(reboot)`x`@acme.example", "-x@acme.example", "--help@acme.example", "a;b@c.d")


def test_the_command_of_a_refusal_admits_whatever_the_address_is(mary: Terminal) -> None:
    for number, email in enumerate(ODD):
        assert remedied(mary, Person(f"{number}", email)) == [RefusalReason.UNKNOWN]
    assert {each["email"] for each in mary.json("user", "list")} == {MAIL, *ODD}


async def link(store: IdentityStore) -> None:
    await store.admission.admit(Person(email=MAIL), tenants=EVERY)


async def unlink(store: IdentityStore) -> None:
    await link(store)
    [identity] = await store.identities.all()
    await store.identities.remove(identity.id)


async def end_membership(store: IdentityStore) -> None:
    await link(store)
    await store.memberships.remove(MAIL, "acme")


async def give_to_a_program(store: IdentityStore) -> None:
    await store.service_accounts.add("acme", "nightly", role="viewer")
    await store.identities.add(issuer=MANAGED.issuer, subject="1", tenant="acme", service_account="nightly")


async def disable_user(store: IdentityStore) -> None:
    await store.users.disable(MAIL)


async def disable_tenant(store: IdentityStore) -> None:
    await store.tenants.disable("acme")


async def nothing(_: IdentityStore) -> None:
    """Leave everything as it is."""


REMEDIES: Final = {
    "another account": (link, Person("2", MAIL), ["other_account"]),
    "an account with a subject for a shell": (link, Person("o'brien; $(x)", MAIL), ["other_account"]),
    "an account with a subject like an option": (link, Person("--help", MAIL), ["other_account"]),
    "no address": (nothing, Person(email=None), ["no_verified_address"]),
    "an address that is not ASCII": (nothing, Person(email="mary\u212a@acme.example"), ["unusable_address"]),
    "a removed account": (unlink, Person(email=MAIL), ["identity_removed"]),
    "an ended membership": (end_membership, Person(email=MAIL), ["no_tenant"]),
    "an ended membership and no address": (end_membership, Person(email=None), ["no_tenant"]),
    "a program": (give_to_a_program, Person(email=MAIL), ["program"]),
    "a disabled user": (disable_user, Person(email=MAIL), ["user_disabled"]),
    "a disabled organisation": (disable_tenant, Person(email=MAIL), ["tenant_disabled"]),
}


@pytest.mark.parametrize("remedy", REMEDIES.values(), ids=REMEDIES)
def test_the_command_of_each_refusal_admits_the_person(
    remedy: tuple[Callable[[IdentityStore], Awaitable[None]], Person, list[str]], mary: Terminal
) -> None:
    """After a link to a program is removed, the account is linked to a user by one more command."""
    before, person, reasons = remedy
    asyncio.run(change(before))

    assert remedied(mary, person) == [*reasons, *(["identity_removed"] if reasons == ["program"] else [])]


def test_a_refusal_names_the_only_organisation_that_the_issuer_serves(mary: Terminal) -> None:
    async def refusal() -> str:
        async with _store() as store:
            with pytest.raises(SignInRefusedError) as refused:
                await store.admission.admit(replace(MANAGED, email=NEW), tenants=frozenset({"acme"}))
            return str(refused.value)

    assert asyncio.run(refusal()) == (
        "You are signed in, but this server does not know your account. An administrator can invite you: "
        f"`python -m auth invite {NEW} --tenant acme --role agent`."
    )
