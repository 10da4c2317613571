"""The commands for grants and clients: they are listed, and revoked after a question."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import pytest

from auth.store import IdentityStore, open_store
from auth.store.authorization.grants import IssuedGrant
from auth.store.authorization.records import Authorization
from auth.store.errors import UnknownGrantError, UnknownOAuthClientError
from auth.store.peppers import Secrets
from shared.errors import InvalidInputError
from shared.identity import Scope
from tests.auth.cli.test_commands import MAIL, Terminal, mary, terminal, url
from tests.processes import IDENTITY_KEY

__all__ = ("mary", "terminal", "url")

T = TypeVar("T")
Work = Callable[[IdentityStore], Awaitable[T]]
CODEX: Final = "https://chatgpt.com/oauth/codex/client.json"
DESK: Final = "http://127.0.0.1:33418/"


class Server:
    """The server of the same store, between two commands."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("tickets.sqlite3", "tickets-identity.sqlite3")

    def run(self, work: Work[T]) -> T:
        async def opened() -> T:
            async with open_store(self._url, Secrets([IDENTITY_KEY]), actor="server") as store:
                return await work(store)

        return asyncio.run(opened())

    def sign_in(self, client_id: str, redirect_uri: str) -> IssuedGrant:
        """Sign Mary in with a client."""

        async def work(store: IdentityStore) -> IssuedGrant:
            [identity] = await store.identities.all(user=MAIL)
            allowed = Authorization(
                user=identity.owner,
                identity=identity.id,
                tenant="acme",
                client_id=client_id,
                redirect_uri=redirect_uri,
                resource="https://tickets.example/mcp",
                scopes=frozenset({Scope.TICKETS_READ}),
            )
            begun = await store.grants.begin(await store.codes.issue(allowed, code_challenge="c" * 43))
            assert begun is not None
            return begun

        return self.run(work)


@pytest.fixture
def server(mary: Terminal, url: str) -> Server:
    mary.json("identity", "add", "--issuer", "https://accounts.google.com", "--subject", "1", "--user", MAIL)
    return Server(url)


def test_a_grant_is_listed_and_revoked(mary: Terminal, server: Server) -> None:
    begun = server.sign_in(CODEX, DESK)

    [listed] = mary.json("grant", "list", "--user", MAIL, "--tenant", "acme", "--client", CODEX)
    shown = mary.run("grant", "list").stdout
    asked = mary.run("grant", "revoke", begun.grant.id, answer="n\n")
    before = mary.json("grant", "list")
    revoked = mary.json("grant", "revoke", begun.grant.id, "--yes")

    assert {name: listed[name] for name in ("id", "email", "tenant", "client_id", "redirect_uri", "scopes")} == {
        "id": begun.grant.id,
        "email": MAIL,
        "tenant": "acme",
        "client_id": CODEX,
        "redirect_uri": DESK,
        "scopes": ["tickets:read"],
    }
    assert "chatgpt.com" in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert asked.exit_code == 1
    assert f"{CODEX} will be refused as {MAIL}. Continue?" in asked.stderr
    assert before == [listed]
    assert (revoked["id"], revoked["revoked_because"]) == (begun.grant.id, "operator")
    assert begun.refresh_token not in shown + asked.stderr + f"{listed}{revoked}" + mary.run("audit", "export").stdout
    assert isinstance(mary.error("grant", "revoke", "grt_0", "--yes"), UnknownGrantError)


def test_one_installation_of_a_client_is_revoked_by_its_redirect(mary: Terminal, server: Server) -> None:
    for redirect in (DESK, "https://chatgpt.com/connector/oauth/1"):
        server.sign_in(CODEX, redirect)

    asked = mary.run("grant", "revoke", "--client", CODEX, "--redirect-uri", DESK, answer="n\n")
    revoked = mary.run("grant", "revoke", "--client", CODEX, "--redirect-uri", DESK, "--yes").stdout

    assert asked.exit_code == 1
    assert f"All grants of {CODEX}, {DESK} will be refused" in asked.stderr
    assert revoked == "1 grants were revoked.\n"
    because = {grant["redirect_uri"]: grant["revoked_because"] for grant in mary.json("grant", "list")}
    assert because == {DESK: "operator", "https://chatgpt.com/connector/oauth/1": None}


@pytest.mark.parametrize("which", [(), ("grt_1", "--user", MAIL)], ids=["nothing", "two things"])
def test_whose_grants_to_revoke_must_be_said_once(mary: Terminal, which: tuple[str, ...]) -> None:
    assert isinstance(mary.error("grant", "revoke", *which, "--yes"), InvalidInputError)


def test_an_operator_adds_a_client(mary: Terminal) -> None:
    added = mary.json("client", "add", "--name", "Desk", "--redirect-uri", DESK, "--redirect-uri", "desk:/back")

    assert mary.json("client", "list") == [added]
    assert (added["source"], added["metadata"]["redirect_uris"]) == ("added", [DESK, "desk:/back"])
    assert mary.run("client", "add", "--name", "Desk").exit_code == 2


def test_a_redirect_uri_that_servers_do_not_allow_is_said_when_a_client_is_added(mary: Terminal) -> None:
    add = ("client", "add", "--name", "Desk", "--redirect-uri")

    assert mary.run(*add, DESK).stderr == ""
    assert "List https://desk.example/back in MCP_OAUTH_REDIRECTS" in mary.run(*add, "https://desk.example/back").stderr
    assert "others need https" in str(mary.error(*add, "http://desk.example/back"))
    assert len(mary.json("client", "list")) == 2


def test_a_client_is_listed_by_its_name_and_removed_with_its_grants(mary: Terminal, server: Server) -> None:
    escape = {"client_name": "Codex\x1b[2J"}
    client = server.run(lambda store: store.oauth_clients.register(escape))
    server.sign_in(client.id, DESK)

    [listed] = mary.json("client", "list")
    shown = mary.run("client", "list").stdout
    asked = mary.run("client", "remove", client.id, answer="n\n")
    removed = mary.run("client", "remove", client.id, "--yes").stdout

    assert (listed["id"], listed["source"], listed["metadata"]) == (client.id, "registered", escape)
    assert "Codex?[2J" in shown, "a client names itself"
    assert asked.exit_code == 1
    assert f"All grants of {client.id}, of every user, will be refused." in asked.stderr
    assert removed == "The client was removed, and 1 grants were revoked.\n"
    assert mary.json("client", "list") == []
    assert isinstance(mary.error("client", "remove", client.id, "--yes"), UnknownOAuthClientError)
