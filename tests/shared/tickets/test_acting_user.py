"""The acting user: derived from the caller; another user only with the scope for it; named in every result."""

from dataclasses import replace
from typing import Any, Final

import pytest

from shared.identity import ANONYMOUS, SCOPES_OF, Principal, Role, Scope
from tests.kills import kills
from tests.shared.given import TICKET, World, responses, text_of

USERS: Final = [
    {"id": "user1", "name": "Ann Other", "email": "ann@example.com"},
    {"id": "user3", "name": "Mary Major", "email": "Mary.Major@Example.com"},
    {"id": "user4", "name": "Twin One", "email": "twins@example.com"},
    {"id": "user5", "name": "Twin Two", "email": "TWINS@example.com"},
]
AGENT: Final = Principal("person-1", role=Role.AGENT, scopes=SCOPES_OF[Role.AGENT], proof="api_key")
MARY: Final = replace(AGENT, email="mary.major@EXAMPLE.com")
ADMIN: Final = replace(MARY, role=Role.ADMIN, scopes=frozenset(Scope))
WRITES: Final[list[tuple[str, str, dict[str, Any]]]] = [
    ("update_ticket", "updatedById", {"ticketId": "TCK-0001", "comment": "Hello"}),
    ("add_ticket_history", "userId", {"ticketId": "TCK-0001", "comment": "Hello"}),
]
LINK: Final = "an administrator can link your account to one (python -m auth membership set … --ticket-user ID)"


@pytest.fixture
def here(existing: World) -> World:
    existing.wire.when("GET", "/tickets/master/users", responses(json=USERS), always=True)
    return existing


async def author_of_newest(here: World) -> str:
    history = (await here.done("get_ticket_detail", ticketId="TCK-0001"))["history"]
    return str(history[0]["userId"])


@pytest.mark.parametrize("given", ["user3", "Mary Major", " mary major ", None])
@pytest.mark.parametrize(("tool", "argument", "arguments"), WRITES)
async def test_who_is_known_by_their_address_acts_as_themselves(
    here: World, tool: str, argument: str, arguments: dict[str, Any], given: str | None
) -> None:
    here.principal = MARY

    done = await here.done(tool, **arguments, **{argument: given})

    assert done["recordedAs"] == {"id": "user3", "name": "Mary Major"}
    assert await author_of_newest(here) == "user3"


@pytest.mark.parametrize(("tool", "argument", "arguments"), WRITES)
async def test_the_text_says_as_whom_it_was_recorded(
    here: World, tool: str, argument: str, arguments: dict[str, Any]
) -> None:
    text = text_of(await here.call(tool, **arguments, **{argument: "user1"}))

    assert "Recorded as Ann Other (user1)." in text.split("\n")[0]


async def test_the_user_that_an_administrator_set_comes_before_the_address(here: World) -> None:
    here.principal = replace(MARY, ticket_user="user5")

    done = await here.done("add_ticket_history", ticketId="TCK-0001", comment="Hello")

    assert done["recordedAs"] == {"id": "user5", "name": "Twin Two"}


async def test_who_was_added_to_the_ticket_system_a_moment_ago_is_known(existing: World) -> None:
    await existing.done("add_ticket_history", ticketId="TCK-0001", userId="user1", comment="First")
    existing.wire.when("GET", "/tickets/master/users", responses(json=USERS), always=True)
    existing.principal = MARY

    done = await existing.done("add_ticket_history", ticketId="TCK-0001", comment="Second")

    assert done["recordedAs"]["id"] == "user3"


@kills(
    "shared/tickets/acting_user.py",
    "self.principal is None or Scope.TICKETS_ADMIN in",
    "True or Scope.TICKETS_ADMIN in",
)
@pytest.mark.parametrize(("tool", "argument", "arguments"), WRITES)
async def test_acting_as_someone_else_is_refused_with_the_scope_and_whom_one_may_act_as(
    here: World, tool: str, argument: str, arguments: dict[str, Any]
) -> None:
    here.principal = MARY

    text, error = await here.refused(tool, **arguments, **{argument: "Ann Other"})

    assert error == {"kind": "insufficient_scope", "effect": "nothing_changed", "scope": "tickets:admin"}
    assert text == (
        "Acting as Ann Other (user1) needs the scope tickets:admin, which this key or role does not have. You act as "
        f"Mary Major (user3): leave {argument} out. Nothing was changed; an administrator of your organisation can "
        "grant it."
    )
    assert here.wire.writes() == []


@pytest.mark.parametrize(("tool", "argument", "arguments"), WRITES)
async def test_an_administrator_acts_as_anyone_and_as_themselves_when_no_one_is_named(
    here: World, tool: str, argument: str, arguments: dict[str, Any]
) -> None:
    here.principal = ADMIN

    named = await here.done(tool, **arguments, **{argument: "user1"})
    unnamed = await here.done(tool, **arguments | {"comment": "Again"})

    assert (named["recordedAs"]["id"], unnamed["recordedAs"]["id"]) == ("user1", "user3")


UNKNOWN_USERS: Final = {
    "no address": AGENT,
    "an unknown address": replace(AGENT, email="unknown@example.com"),
    "an address that two have": replace(AGENT, email="twins@example.com"),
}


@kills("shared/tickets/acting_user.py", "own is None or own.id != given.id", "own is not None and own.id != given.id")
@pytest.mark.parametrize("principal", UNKNOWN_USERS.values(), ids=UNKNOWN_USERS)
@pytest.mark.parametrize(("tool", "argument", "arguments"), WRITES)
async def test_who_stands_for_no_one_may_act_as_no_one(
    here: World, tool: str, argument: str, arguments: dict[str, Any], principal: Principal
) -> None:
    here.principal = principal

    text, error = await here.refused(tool, **arguments)
    named, named_error = await here.refused(tool, **arguments, **{argument: "user1"})

    assert (
        text == f"{argument}: is missing, and your user in the ticket system is not known: {LINK}. Nothing was changed."
    )
    assert error == {"kind": "invalid_input", "effect": "nothing_changed", "field": argument}
    assert f"Your user in the ticket system is not known: {LINK}." in named
    assert named_error["scope"] == "tickets:admin"
    assert here.wire.writes() == []


ALL_USERS: Final = {
    "over STDIO": (None, "give an id from get_users, or set MCP_TICKET_USER for this server"),
    "without a key": (ANONYMOUS, "give an id from get_users, or set MCP_TICKET_USER for this server"),
    "with the shared key": (Principal("service-account", proof="api_key"), "give an id from get_users"),
    "an administrator without a user": (replace(ADMIN, email=None), f"give an id from get_users, or {LINK}"),
}


@pytest.mark.parametrize("who", ALL_USERS)
@pytest.mark.parametrize(("tool", "argument", "arguments"), WRITES)
async def test_who_may_act_as_anyone_has_to_say_who_acts(
    here: World, tool: str, argument: str, arguments: dict[str, Any], who: str
) -> None:
    here.principal, ways = ALL_USERS[who]

    text, error = await here.refused(tool, **arguments)
    done = await here.done(tool, **arguments, **{argument: "Ann Other"})

    assert (
        text == f"{argument}: is missing, and your user in the ticket system is not known: {ways}. Nothing was changed."
    )
    assert error["field"] == argument
    assert done["recordedAs"] == {"id": "user1", "name": "Ann Other"}


@kills("shared/tickets/acting_user.py", "if user is None:", "if False:")
@pytest.mark.parametrize("given", [{}, {"userId": "user1"}])
async def test_a_link_to_a_user_who_does_not_exist_is_for_an_administrator(here: World, given: dict[str, str]) -> None:
    here.principal = replace(MARY, ticket_user="user99")

    text, error = await here.refused("add_ticket_history", ticketId="TCK-0001", comment="Hello", **given)

    assert error == {"kind": "ticket_user_unknown", "effect": "nothing_changed"}
    assert "is linked to the user user99 of the ticket system, which does not exist there" in text
    assert LINK in text
    assert here.wire.writes() == []


async def test_no_one_is_known_by_having_no_address(existing: World) -> None:
    existing.wire.when("GET", "/tickets/master/users", responses(json=[{"id": "user1", "name": "Ann Other"}]))
    existing.principal = replace(AGENT, email=" ")

    _, error = await existing.refused("add_ticket_history", ticketId="TCK-0001", comment="Hello")

    assert error["kind"] == "invalid_input"


@pytest.mark.parametrize(
    ("principal", "note"),
    [
        (None, "The ticket system does not record the author of a new ticket."),
        (Principal("service-account"), "The ticket system does not record the author of a new ticket."),
        (
            MARY,
            "The ticket system does not record the author of a new ticket; the audit log of this server names "
            "person-1.",
        ),
    ],
)
async def test_a_new_ticket_says_that_it_has_no_author(existing: World, principal: Principal | None, note: str) -> None:
    existing.principal = principal

    result = await existing.call("create_ticket", **TICKET)

    assert result.structured_content is not None
    assert result.structured_content["notes"] == [note]
    assert "recordedAs" not in result.structured_content
    assert f"Note: {note}\n" in text_of(result)
