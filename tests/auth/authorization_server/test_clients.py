"""A client is what its metadata document says, as far as that can be used, or what it registered."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from auth.authorization_server.clients import lookup as module
from auth.authorization_server.clients.lookup import ClientDocumentError, Clients, UnknownClientError
from auth.authorization_server.clients.metadata import MAX_BYTES
from auth.authorization_server.clients.redirects import RedirectPolicy
from auth.store import IdentityStore
from auth.store.authorization.records import ClientSource
from tests.auth.authorization_server.documents import CALLBACK, CLIENT_ID, HOST, DocumentSites, document
from tests.auth.conftest import Clock
from tests.auth.oauth.issuer import PUBLIC, page
from tests.kills import kills

INNER = "169.254.169.254"
AWAY = page({}, "503 Service Unavailable")


@pytest.fixture
async def clients(web: DocumentSites, sqlite_store: IdentityStore, clock: Clock) -> AsyncIterator[Clients]:
    opened = Clients(sqlite_store.oauth_clients, web.fetcher(), RedirectPolicy(), clock=clock)
    yield opened
    await opened.aclose()


async def refusal_of(clients: Clients, client_id: str = CLIENT_ID) -> ClientDocumentError:
    with pytest.raises(ClientDocumentError) as refused:
        await clients.get(client_id)
    return refused.value


async def test_a_client_is_what_its_document_says(clients: Clients) -> None:
    client = await clients.get(CLIENT_ID)

    assert (client.id, client.name, client.host) == (CLIENT_ID, "Example", HOST)
    assert client.source is ClientSource.DOCUMENT
    assert client.may_be_sent_to("http://127.0.0.1:51234/callback")
    assert not client.may_be_sent_to("http://127.0.0.1:51234/other")


async def test_an_id_that_is_not_the_address_of_a_document_is_not_looked_up(
    web: DocumentSites, clients: Clients
) -> None:
    assert "is not the address of a metadata document" in str(await refusal_of(clients, f"{CLIENT_ID}#a"))
    assert web.names.asked == []


@pytest.mark.parametrize(
    "client_id", ["", "cli_0", "http://client.example/a", "HTTPS://client.example/a", "a\0b", "あ"]
)
async def test_an_id_that_nobody_registered_is_unknown(web: DocumentSites, clients: Clients, client_id: str) -> None:
    with pytest.raises(UnknownClientError):
        await clients.get(client_id)
    assert web.names.asked == []


async def test_a_document_that_cannot_be_used_is_refused_with_its_reason(web: DocumentSites, clients: Clients) -> None:
    """The client is not unknown, and asking again at once does not help."""
    web.publish({CLIENT_ID: document(client_id=f"{CLIENT_ID}?a")})

    refused = await refusal_of(clients)

    assert "`client_id` is not the address" in str(refused)
    assert not refused.is_temporary


@kills("auth/authorization_server/clients/lookup.py", "tuple(filter(self._policy.allows, uris))", "tuple(uris)")
async def test_only_what_is_allowed_of_a_document_can_be_used(web: DocumentSites, clients: Clients) -> None:
    """Consent phishing: the document of a stranger may list anything, and look like that of a known client."""
    stranger = "https://evil.example/callback"
    web.publish({CLIENT_ID: document(redirect_uris=[stranger, CALLBACK, "https://claude.ai/api/mcp/auth_callback"])})

    client = await clients.get(CLIENT_ID)

    assert not client.may_be_sent_to(stranger)
    assert client.redirect_uris == (CALLBACK, "https://claude.ai/api/mcp/auth_callback")


async def test_a_document_with_strangers_redirects_alone_names_one_and_the_setting(
    web: DocumentSites, clients: Clients
) -> None:
    web.publish({CLIENT_ID: document(client_name="Claude", redirect_uris=["https://evil.example/c"])})

    refused = str(await refusal_of(clients))

    assert "https://evil.example/c" in refused
    assert "MCP_OAUTH_REDIRECTS" in refused


async def test_a_name_is_cleaned_for_display(web: DocumentSites, clients: Clients) -> None:
    web.publish({CLIENT_ID: document(client_name=" Cla\u200bude\n Code\u202e ")})
    assert (await clients.get(CLIENT_ID)).name == "Claude Code"

    nameless = f"{CLIENT_ID}2"
    web.publish({nameless: document(nameless, client_name=...)})
    assert (await clients.get(nameless)).name == HOST


@pytest.mark.parametrize(
    "answers", [[[INNER]], [["10.0.0.1"]], [[PUBLIC, "127.0.0.1"]], [["::ffff:10.0.0.1"]], [[]]], ids=range(5)
)
async def test_a_document_is_not_fetched_from_this_network(
    web: DocumentSites, clients: Clients, answers: list[Sequence[str]]
) -> None:
    web.names.answers = answers

    refused = await refusal_of(clients)

    assert refused.is_temporary
    assert HOST in str(refused)
    assert not any(address in str(refused) for address in answers[0])  # that is for the log
    assert web.network.connected == []


async def test_an_answer_of_dns_that_changes_is_checked_again(
    web: DocumentSites, clients: Clients, clock: Clock
) -> None:
    web.names.answers = [[PUBLIC], [INNER]]
    await clients.get(CLIENT_ID)
    clock.go_on(hours=1)

    await clients.get(CLIENT_ID)  # as it was

    assert web.names.asked == [(HOST, 443)] * 2
    assert web.network.connected == [PUBLIC]


@pytest.mark.parametrize("target", [f"http://{INNER}/", "https://127.0.0.1/", f"https://{HOST}/other"])
async def test_a_redirect_of_a_document_is_not_followed(web: DocumentSites, clients: Clients, target: str) -> None:
    web.publish(
        {
            CLIENT_ID: page(document(), "302 Found", f"location: {target}"),
            f"https://{HOST}/other": document(),
        }
    )

    assert (await refusal_of(clients)).is_temporary
    assert len(web.site.asked) == 1


async def test_a_document_may_have_16_kilobytes(web: DocumentSites, clients: Clients) -> None:
    web.publish({CLIENT_ID: document(logo_uri="x" * (MAX_BYTES - 1000))})
    assert (await clients.get(CLIENT_ID)).name == "Example"

    larger = f"{CLIENT_ID}2"
    web.publish({larger: document(larger, logo_uri="x" * MAX_BYTES)})
    assert (await refusal_of(clients, larger)).is_temporary


async def test_a_document_that_does_not_come_is_not_waited_for(
    web: DocumentSites, sqlite_store: IdentityStore, clock: Clock
) -> None:
    served = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{")
        await served.wait()

    web.publish({CLIENT_ID: slow})
    clients = Clients(sqlite_store.oauth_clients, web.fetcher(within_s=0.1), RedirectPolicy(), clock=clock)

    assert (await refusal_of(clients)).is_temporary
    served.set()


async def test_all_who_ask_at_once_share_one_fetch(web: DocumentSites, clients: Clients) -> None:
    leaves = asyncio.create_task(clients.get(CLIENT_ID))
    others = [asyncio.create_task(clients.get(CLIENT_ID)) for _ in range(9)]
    await asyncio.sleep(0)
    leaves.cancel()

    assert {client.name for client in await asyncio.gather(*others)} == {"Example"}
    assert len(web.site.asked) == 1


async def test_a_document_is_fetched_again_after_an_hour(web: DocumentSites, clients: Clients, clock: Clock) -> None:
    await clients.get(CLIENT_ID)
    web.publish({CLIENT_ID: document(client_name="Renamed")})
    clock.go_on(minutes=59)
    assert (await clients.get(CLIENT_ID)).name == "Example"
    clock.go_on(minutes=1)

    assert (await clients.get(CLIENT_ID)).name == "Renamed"
    assert len(web.site.asked) == 2


async def test_a_failure_is_remembered_for_a_minute(web: DocumentSites, clients: Clients, clock: Clock) -> None:
    web.publish({CLIENT_ID: AWAY})
    await refusal_of(clients)
    web.publish({CLIENT_ID: document()})
    clock.go_on(seconds=59)
    await refusal_of(clients)
    assert len(web.site.asked) == 1
    clock.go_on(seconds=1)

    assert (await clients.get(CLIENT_ID)).name == "Example"


async def test_what_is_remembered_is_bounded(
    web: DocumentSites, sqlite_store: IdentityStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_KNOWN", 2)
    clients = Clients(sqlite_store.oauth_clients, web.fetcher(), RedirectPolicy(), clock=clock)
    await clients.get(CLIENT_ID)
    for number in range(2):
        await refusal_of(clients, f"https://{HOST}/{number}")

    await clients.get(CLIENT_ID)

    assert len(web.site.asked) == 4


async def test_a_flood_of_documents_leaves_known_clients_alone(
    web: DocumentSites, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_FETCHES", 1)
    await clients.get(CLIENT_ID)
    served, asked = asyncio.Event(), asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await served.wait()
        await page({}, "404 Not Found")(writer)

    web.publish({f"https://{HOST}/slow": slow})
    waiting = asyncio.create_task(refusal_of(clients, f"https://{HOST}/slow"))
    await asked.wait()

    assert (await refusal_of(clients, f"https://{HOST}/another")).is_temporary
    assert "/another" not in web.site.asked
    assert (await clients.get(CLIENT_ID)).name == "Example"
    served.set()
    await waiting


async def test_closing_ends_a_fetch(web: DocumentSites, clients: Clients) -> None:
    asked = asyncio.Event()

    async def silent(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await writer.wait_closed()

    web.publish({CLIENT_ID: silent})
    waiting = asyncio.create_task(refusal_of(clients))
    await asked.wait()

    await clients.aclose()

    assert (await waiting).is_temporary


async def test_a_request_that_nobody_approved_stores_nothing(clients: Clients, sqlite_store: IdentityStore) -> None:
    await clients.get(CLIENT_ID)
    assert await sqlite_store.oauth_clients.all() == []

    await clients.keep(CLIENT_ID)

    assert [record.id for record in await sqlite_store.oauth_clients.all()] == [CLIENT_ID]


async def test_a_document_is_kept_for_seven_days_where_it_cannot_be_fetched(
    web: DocumentSites, clients: Clients, sqlite_store: IdentityStore, clock: Clock
) -> None:
    """Another instance, or one that was restarted, serves it as well."""
    await clients.get(CLIENT_ID)
    clock.go_on(minutes=59)
    await clients.keep(CLIENT_ID)
    web.publish({CLIENT_ID: AWAY})

    def other_after(**time: float) -> Clients:
        clock.go_on(**time)
        return Clients(sqlite_store.oauth_clients, web.fetcher(), RedirectPolicy(), clock=clock)

    other = other_after(days=6, hours=22)
    assert (await other.get(CLIENT_ID)).name == "Example"
    await other.keep(CLIENT_ID)  # what was not fetched does not become fresh
    assert (await refusal_of(other_after(minutes=90))).is_temporary
    assert (await refusal_of(clients)).is_temporary


async def test_a_document_that_its_owner_changed_is_not_replaced_by_the_kept_one(
    web: DocumentSites, clients: Clients, clock: Clock
) -> None:
    await clients.keep(CLIENT_ID)
    web.publish({CLIENT_ID: document(client_secret="secret")})
    clock.go_on(hours=1)

    assert not (await refusal_of(clients)).is_temporary


async def test_a_registered_client_has_what_is_allowed_now(sqlite_store: IdentityStore, web: DocumentSites) -> None:
    """An operator who takes an address out of the settings takes it from clients that have it."""
    uris = ["https://app.example/callback", CALLBACK]
    record = await sqlite_store.oauth_clients.register({"redirect_uris": uris})
    policies = (RedirectPolicy(["https://app.example/callback"]), RedirectPolicy())
    lenient, strict = (
        Clients(sqlite_store.oauth_clients, web.fetcher(), policy, clock=sqlite_store.clock) for policy in policies
    )

    assert (await lenient.get(record.id)).redirect_uris == tuple(uris)
    client = await strict.get(record.id)
    assert client.redirect_uris == (CALLBACK,)
    assert (client.name, client.host, client.source) == ("127.0.0.1", "", ClientSource.REGISTERED)
