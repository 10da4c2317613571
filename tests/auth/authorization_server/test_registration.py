"""Registration answers with the client's id and metadata, or with an error and a sentence; it is bounded."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest
from starlette.requests import Request
from starlette.types import Message

from auth.authorization_server import bodies
from auth.authorization_server.clients.metadata import MAX_BYTES
from auth.authorization_server.clients.redirects import RedirectPolicy
from auth.authorization_server.clients.registration import Registration
from auth.authorization_server.limits import RequestLimits
from auth.store import IdentityStore
from auth.store.authorization import clients as stored_clients
from shared.storage.database import DatabaseBusyError
from tests.auth.authorization_server.documents import CALLBACK

BODY: Final = {"redirect_uris": [CALLBACK], "client_name": "Example"}


END: Final = b""
"""What ends a body in parts."""


def request(
    body: bytes | Sequence[bytes | None], headers: Mapping[str, str] | None = None, address: str = "93.184.216.34"
) -> Request:
    """Return a request with a body, or with parts of one; None breaks the connection."""
    named = {"content-type": "application/json"} | dict(headers or {})
    messages: list[Message] = [
        {"type": "http.disconnect"}
        if part is None
        else {"type": "http.request", "body": part, "more_body": part != END}
        for part in ([body, END] if isinstance(body, bytes) else body)
    ]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    scope = {"type": "http", "method": "POST", "path": "/register", "headers": raw, "client": (address, 1)}
    return Request(scope, receive)


@pytest.fixture
def registration(sqlite_store: IdentityStore) -> Registration:
    return Registration(sqlite_store.oauth_clients, RedirectPolicy(), RequestLimits([]))


async def answer_to(registration: Registration, asked: Request) -> tuple[int, dict[str, Any]]:
    response = await registration.register(asked)
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, json.loads(bytes(response.body))


async def test_a_registration_is_answered_with_an_id_and_kept(
    registration: Registration, sqlite_store: IdentityStore
) -> None:
    status, answer = await answer_to(registration, request(json.dumps(BODY).encode()))

    assert status == 201
    client_id = answer.pop("client_id")
    record = await sqlite_store.oauth_clients.get(client_id)
    assert client_id.startswith("cli_")
    assert record is not None
    assert answer == {**record.metadata, "client_id_issued_at": int(record.created_at.timestamp())}
    assert answer["redirect_uris"] == [CALLBACK]


async def test_metadata_that_cannot_be_used_is_refused_in_the_words_of_the_rfc(registration: Registration) -> None:
    status, answer = await answer_to(registration, request(b'{"redirect_uris": ["https://evil.example/c"]}'))

    assert (status, answer["error"]) == (400, "invalid_redirect_uri")
    assert "MCP_OAUTH_REDIRECTS" in answer["error_description"]
    assert (await answer_to(registration, request(b"[]")))[1]["error"] == "invalid_client_metadata"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"redirect_uris=http%3A%2F%2F127.0.0.1%2F", b"\x1f\x8b", b"[" * 5000, b"NaN"], ids=range(6)
)
async def test_a_body_that_is_not_json_is_refused(registration: Registration, body: bytes) -> None:
    status, answer = await answer_to(registration, request(body))

    assert (status, answer["error"]) == (400, "invalid_client_metadata")
    assert "not valid JSON" in answer["error_description"]


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
async def test_a_body_of_another_type_is_not_read(registration: Registration, kind: str) -> None:
    """A page of another site could send such a body without asking first."""
    asked = request(json.dumps(BODY).encode(), {"content-type": kind})

    assert (await answer_to(registration, asked))[0] == 415


async def test_the_type_may_have_parameters(registration: Registration) -> None:
    asked = request(json.dumps(BODY).encode(), {"content-type": "Application/JSON; charset=utf-8"})

    assert (await answer_to(registration, asked))[0] == 201


@pytest.mark.parametrize("length", [None, "16385", "9" * 5000], ids=range(3))
async def test_a_large_body_is_not_read_to_its_end(registration: Registration, length: str | None) -> None:
    parts = [b'{"redirect_uris": ["http://127.0.0.1/"], "x": "', *[b" " * MAX_BYTES] * 3, b'"}', END]

    status, answer = await answer_to(registration, request(parts, {} if length is None else {"content-length": length}))

    assert (status, answer["error"]) == (413, "invalid_client_metadata")


async def test_a_body_that_does_not_come_is_not_waited_for(
    registration: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "WITHIN_S", 0.05)

    assert (await answer_to(registration, request([b"{"])))[0] == 408


async def test_a_connection_that_ends_is_not_an_error_of_ours(registration: Registration) -> None:
    assert (await answer_to(registration, request([b"{", None])))[0] == 400


async def test_a_flood_from_one_address_is_refused_and_others_register(
    registration: Registration, sqlite_store: IdentityStore
) -> None:
    statuses = [
        (await answer_to(registration, request(json.dumps(BODY).encode(), address="198.51.100.7")))[0]
        for _ in range(25)
    ]
    refused = await registration.register(request(b"{}", address="198.51.100.7"))

    assert statuses == [201] * 20 + [429] * 5
    assert int(refused.headers["retry-after"]) > 0
    assert json.loads(bytes(refused.body))["error"] == "temporarily_unavailable"
    assert len(await sqlite_store.oauth_clients.all()) == 20
    assert (await answer_to(registration, request(json.dumps(BODY).encode())))[0] == 201


async def test_a_flood_from_everywhere_displaces_its_own_registrations(
    registration: Registration, sqlite_store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_clients, "MOST", 5)

    for number in range(9):
        asked = request(json.dumps(BODY).encode(), address=f"198.51.100.{number}")
        assert (await answer_to(registration, asked))[0] == 201

    assert len(await sqlite_store.oauth_clients.all()) == 5


async def test_a_busy_store_is_a_reason_to_try_again(
    registration: Registration, sqlite_store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(metadata: object) -> None:
        raise DatabaseBusyError

    monkeypatch.setattr(sqlite_store.oauth_clients, "register", busy)

    response = await registration.register(request(json.dumps(BODY).encode()))

    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
