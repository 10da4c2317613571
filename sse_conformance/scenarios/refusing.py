"""S1 and the refusals of docs/sessions.md: each wrong request gets one certain status, and shows nothing inside."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sse_conformance.client import Client, HTTPReply, NotConformingError
from sse_conformance.scenarios.expect import expect_refusal
from sse_conformance.scenarios.origins import FOREIGN_ORIGIN
from sse_conformance.session import open_session
from sse_conformance.verdict import Level, NotApplicableError, scenario

_REFUSALS: Final = "Refusals"
_NEXT_DIGIT: Final = str.maketrans("0123456789abcdef", "123456789abcdef0")
_TOO_LARGE: Final = 5 * 1024 * 1024
_FOREIGN_HOST: Final = {"host": "attacker.example"}
_SHORTEST_ID: Final = 22  # 128 bits in base64
_NO_MESSAGES: Final = (
    b'{"jsonrpc": "2.0", ',
    b"\xff\xfe",
    b"",
    b'"ping"',
    b'{"jsonrpc":"2.0","id":1}',
    b'{"method":"ping"}',
)
_NO_IDS: Final[tuple[object, ...]] = (None, 1.5, True, [], {})


@scenario(Level.PROMISE, "S1")
async def an_unknown_session_is_404(client: Client) -> None:
    """A message for a session that never was is refused with 404."""
    session = await open_session(client)
    reply = await session.post(session.next_request("ping"), url=another_session(session.url))
    expect_refusal(reply, "A message for an unknown session", 404)


@scenario(Level.PROMISE, "S1")
async def a_foreign_session_is_the_same_404(client: Client) -> None:
    """Another user's session cannot be distinguished from one that never existed."""
    other = other_client(client)
    session = await open_session(client)
    ping = session.next_request("ping")
    foreign = await session.post(ping, credentials=other)
    unknown = await session.post(ping, url=another_session(session.url), credentials=other)
    await session.settle()
    expect_refusal(foreign, "A message for another user's session", 404)
    if session.responses(ping["id"]):
        raise NotConformingError("A message for another user's session was served.")
    if _shown(foreign) != _shown(unknown):
        raise NotConformingError("Another user's session is refused differently from an unknown one.")


def _shown(reply: HTTPReply) -> tuple[int, bytes, str | None]:
    return reply.status, reply.body, reply.headers.get("content-type")


def other_client(client: Client) -> Mapping[str, str]:
    """Return the credentials of another user. Raises: NotApplicableError when none were given."""
    if client.target.other_headers is None:
        raise NotApplicableError("It needs credentials of another user: add --other-header.")
    return client.target.other_headers


def another_session(url: str) -> str:
    """Return `url` with every hexadecimal digit of its session id changed. Raises: NotApplicableError without one."""
    parts = urlsplit(url)
    if parts.query:
        query = [(name, value.translate(_NEXT_DIGIT)) for name, value in parse_qsl(parts.query)]
        changed = parts._replace(query=urlencode(query))
    else:
        folder, _, last = parts.path.rstrip("/").rpartition("/")
        changed = parts._replace(path=f"{folder}/{last.translate(_NEXT_DIGIT)}")
    if len(session_id(url)) < len("12345678") or urlunsplit(changed) == url:
        raise NotApplicableError("The endpoint of this server does not name a session.")
    return urlunsplit(changed)


def session_id(url: str) -> str:
    """Return what names the session in `url`: the longest value of its query, else the last part of its path."""
    parts = urlsplit(url)
    return max((value for _, value in parse_qsl(parts.query)), key=len, default=parts.path.rpartition("/")[2])


@scenario(Level.PROMISE, "Record")
async def session_ids_cannot_be_guessed(client: Client) -> None:
    """The id of a session is visible ASCII, long enough for 128 random bits, and never the same."""
    ids = [session_id((await open_session(client, None)).url) for _ in range(2)]
    if not all(one.isascii() and one.isprintable() and len(one) >= _SHORTEST_ID for one in ids) or ids[0] == ids[1]:
        raise NotConformingError("The ids of two sessions are equal, too short for 128 bits, or not visible ASCII.")


@scenario(Level.PROMISE, "S1")
async def bad_json_is_400(client: Client) -> None:
    """A body that is not JSON, or no JSON-RPC message, is refused with 400."""
    session = await open_session(client)
    for body in (
        b'{"jsonrpc": "2.0", ',
        b"\xff\xfe",
        b"",
        b'"ping"',
        b'{"jsonrpc":"2.0","id":1}',
        b'{"method":"ping"}',
    ):
        expect_refusal(await session.post_bytes(body), f"The body {body!r}", 400)


@scenario(Level.PROMISE, "S1")
async def bad_ids_are_400(client: Client) -> None:
    """An id that is neither a string nor an integer is refused with 400, not taken for a notification."""
    session = await open_session(client)
    for wrong in _NO_IDS:
        reply = await session.post({"jsonrpc": "2.0", "id": wrong, "method": "ping"})
        expect_refusal(reply, f"A request with the id {json.dumps(wrong)}", 400)


@scenario(Level.PROMISE, "S1")
async def a_wrong_content_type_is_415(client: Client) -> None:
    """A body that does not say it is JSON is refused with 415: a web form can be sent by any page."""
    session = await open_session(client)
    body = json.dumps(session.next_request("ping")).encode()
    for media in ("text/plain", "application/x-www-form-urlencoded"):
        expect_refusal(await session.post_bytes(body, {"content-type": media}), f"A POST of {media}", 415)


@scenario(Level.PROMISE, "S1")
async def too_much_is_413(client: Client) -> None:
    """A body of 5 MiB is refused with 413, whether it says its length or not."""
    session = await open_session(client)
    body = json.dumps(session.next_request("ping", {"_meta": {"padding": "x" * _TOO_LARGE}})).encode()
    expect_refusal(await session.post_bytes(body), "A body of 5 MiB", 413)
    expect_refusal(await session.post_bytes(_in_pieces(body)), "A body of 5 MiB that does not say its length", 413)


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 65_536):
        yield body[at : at + 65_536]


@scenario(Level.PROMISE, "S1")
async def wrong_methods_are_405(client: Client) -> None:
    """Another HTTP method is refused with 405 and `Allow`."""
    session = await open_session(client)
    for method, url, allowed in (("PUT", client.target.url, "GET"), ("GET", session.url, "POST")):
        reply = await client.exchange(method, url)
        where = "the SSE endpoint" if allowed == "GET" else "the message endpoint"
        expect_refusal(reply, f"{method} on {where}", 405)
        if allowed not in reply.headers.get("allow", "").upper():
            raise NotConformingError(f"The 405 for {method} on {where} does not name {allowed} in Allow.")


@scenario(Level.PROMISE, _REFUSALS)
async def a_foreign_origin_is_403(client: Client) -> None:
    """A foreign `Origin` is refused with 403 on both endpoints."""
    session = await open_session(client)
    expect_refusal(await client.get(headers=FOREIGN_ORIGIN), "A GET with a foreign Origin", 403)
    reply = await session.post(session.next_request("ping"), FOREIGN_ORIGIN)
    expect_refusal(reply, "A POST with a foreign Origin", 403)


@scenario(Level.PROMISE, _REFUSALS)
async def a_foreign_host_is_421_or_403(client: Client) -> None:
    """A `Host` that is not the server's is refused, against DNS rebinding."""
    session = await open_session(client)
    expect_refusal(await client.get(headers=_FOREIGN_HOST), "A GET with a foreign Host", 421, 403)
    reply = await session.post(session.next_request("ping"), _FOREIGN_HOST)
    expect_refusal(reply, "A POST with a foreign Host", 421, 403)


@scenario(Level.PROMISE, _REFUSALS)
async def a_request_without_a_key_gets_401(client: Client) -> None:
    """Without the credential, both endpoints answer 401 and show nothing inside."""
    if not client.target.headers:
        raise NotApplicableError("It needs a credential to leave out: add --header.")
    session = await open_session(client)
    expect_refusal(await client.exchange("GET", client.target.url, credentials={}), "A GET without a key", 401)
    reply = await session.post(session.next_request("ping"), credentials={})
    expect_refusal(reply, "A POST without a key", 401)


@scenario(Level.PROMISE, _REFUSALS)
async def refusals_say_their_kind(client: Client) -> None:
    """A refusal is a JSON-RPC error whose `data.kind` programs can act on."""
    session = await open_session(client)
    refused = {
        "malformed": await session.post_bytes(b"{"),
        "content_type": await session.post_bytes(b"{}", {"content-type": "text/plain"}),
        "method": await client.exchange("GET", session.url),
        "origin": await client.get(headers=FOREIGN_ORIGIN),
    }
    for kind, reply in refused.items():
        if _kind(reply) != kind:
            raise NotConformingError(f"The refusal {reply.status} is not a JSON-RPC error with the kind {kind}.")


def _kind(reply: HTTPReply) -> object:
    try:
        return json.loads(reply.body)["error"]["data"]["kind"]
    except (ValueError, LookupError, TypeError):
        return None
