"""A client that comes while the server is being set up gets the server's own answers, or is asked to try again."""

import json
from typing import Any

import pytest

from bootstrap.waiting_room import LONGEST_WAIT_S, MOST_WAITING, WaitingRoom, read_opening
from tests.opening import ENVELOPE, META, REVISIONS, conversation, initialize

INITIALIZED: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def request(method: str, params: dict[str, Any] | None = None, *, request_id: int | str = 7) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method} | ({} if params is None else {"params": params})


def call(name: str = "create_ticket", *, request_id: int | str = 7) -> dict[str, Any]:
    return request("tools/call", {"name": name, "arguments": {}}, request_id=request_id)


@pytest.fixture
def room() -> WaitingRoom:
    """A room with a client that has shaken hands."""
    room = WaitingRoom(read_opening())
    assert room.receive(request("initialize", initialize(REVISIONS[-1])), now=0.0)
    assert room.receive(INITIALIZED, now=0.0) is None
    return room


@pytest.mark.parametrize("read_only", [False, True], ids=["all tools", "read only"])
@pytest.mark.parametrize("revision", [*REVISIONS, "2026-07-28", "2099-01-01", ""])
async def test_a_handshake_and_what_follows_is_answered_as_by_the_server(revision: str, read_only: bool) -> None:
    room = WaitingRoom(read_opening(), read_only=read_only)
    said = [
        request("ping"),
        request("initialize", initialize(revision), request_id="first"),
        INITIALIZED,
        request("ping", {"_meta": {"progressToken": 1}}, request_id=0),
        request("tools/list"),
        request("tools/list", {"cursor": None}, request_id="7"),
    ]

    async with conversation(read_only=read_only) as server:
        for message in said:
            assert room.receive(message, now=0.0) == await server.say(message), message


@pytest.mark.parametrize("client", [{}, {f"{META}clientInfo": {"name": "client", "version": "1"}}])
async def test_a_client_without_a_handshake_is_answered_as_by_the_server(client: dict[str, Any]) -> None:
    read_only = bool(client)
    room = WaitingRoom(read_opening(), read_only=read_only)
    params = {"_meta": ENVELOPE["_meta"] | client}

    async with conversation(read_only=read_only) as server:
        for message in (request("server/discover", params), request("tools/list", params, request_id="8")):
            assert room.receive(message, now=0.0) == await server.say(message), message


@pytest.mark.parametrize(
    "message",
    [
        request("initialize"),
        request("initialize", {"protocolVersion": "2025-06-18"}),
        request("initialize", initialize("2025-06-18", clientInfo={"name": "client"})),
        request("initialize", initialize("2025-06-18", protocolVersion=5)),
        request("initialize", initialize("2025-06-18", capabilities=[])),
        request("tools/list"),
        request("server/discover"),
        request("server/discover", {"_meta": {f"{META}protocolVersion": "2026-07-28"}}),
        request("tools/list", {"_meta": ENVELOPE["_meta"] | {f"{META}protocolVersion": "2025-11-25"}}),
        request("tools/list", {"_meta": ENVELOPE["_meta"] | {f"{META}clientInfo": {"name": "client"}}}),
        request("tools/list", ENVELOPE | {"cursor": "x"}),
        request("ping", ENVELOPE),
        request("initialize", initialize("2026-07-28") | ENVELOPE),
    ],
    ids=json.dumps,
)
def test_what_the_server_might_refuse_is_left_to_it(message: dict[str, Any]) -> None:
    room = WaitingRoom(read_opening())

    assert room.receive(message, now=0.0) is None
    assert room.hand_over() == ([], [message])


@pytest.mark.parametrize("method", ["resources/list", "prompts/get", "logging/setLevel", "tickets/steal", "initialize"])
def test_other_requests_wait_for_the_server_in_their_order(room: WaitingRoom, method: str) -> None:
    first, second = request(method, {}), call(request_id="8")

    assert room.receive(first, now=0.0) is None
    assert room.receive(second, now=0.0) is None
    handshake, waiting = room.hand_over()
    assert [message["method"] for message in handshake] == ["initialize", "notifications/initialized"]
    assert waiting == [first, second]


def test_a_call_that_waited_long_is_answered_and_never_runs(room: WaitingRoom) -> None:
    early, late = call(request_id=1), call(request_id=2)
    room.receive(early, now=0.0)
    room.receive(late, now=1.0)

    assert room.next_due == LONGEST_WAIT_S
    assert room.overdue(LONGEST_WAIT_S - 0.1, "step 2 of 4") == []
    (response,) = room.overdue(LONGEST_WAIT_S, "step 2 of 4")

    assert response["id"] == 1
    text = "Still being set up (step 2 of 4). Nothing was changed; ask again in a minute."
    assert response["result"]["content"] == [{"type": "text", "text": text}]
    assert response["result"]["structuredContent"] == {"error": {"kind": "setting_up", "message": text}}
    assert response["result"]["isError"] is True
    assert "resultType" not in response["result"]
    assert room.hand_over()[1] == [late]


def test_a_call_without_a_handshake_gets_a_complete_result() -> None:
    room = WaitingRoom(read_opening())
    room.receive(request("tools/call", ENVELOPE | {"name": "get_users"}), now=0.0)

    (response,) = room.overdue(LONGEST_WAIT_S, "step 1 of 4")
    assert response["result"]["resultType"] == "complete"


def test_another_request_that_waited_long_gets_an_error(room: WaitingRoom) -> None:
    room.receive(request("resources/list"), now=0.0)

    (response,) = room.overdue(LONGEST_WAIT_S, "step 3 of 4")
    assert response["error"]["code"] == -32603
    assert response["error"]["message"].startswith("Still being set up (step 3 of 4). Nothing was changed")
    assert response["error"]["data"] == {"kind": "setting_up"}


@pytest.mark.parametrize("request_id", [1, "1", 0])
def test_a_cancelled_call_is_neither_answered_nor_run(room: WaitingRoom, request_id: int | str) -> None:
    cancelled = call(request_id=request_id)
    others = [
        call(request_id=other) for other in ("1", 1, 0, "") if (type(other), other) != (type(request_id), request_id)
    ]
    for message in (cancelled, *others):
        room.receive(message, now=0.0)

    notification = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}
    assert room.receive(notification, now=1.0) is None
    assert room.hand_over()[1] == others


@pytest.mark.parametrize("params", [None, {}, {"requestId": None}, {"requestId": [1]}, {"requestId": True}])
def test_a_cancellation_of_nothing_changes_nothing(room: WaitingRoom, params: dict[str, Any] | None) -> None:
    room.receive(call(request_id=1), now=0.0)

    room.receive({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}, now=1.0)
    assert len(room.hand_over()[1]) == 1


def test_a_response_of_the_client_is_ignored(room: WaitingRoom) -> None:
    assert room.receive({"jsonrpc": "2.0", "id": 7, "result": {}}, now=0.0) is None
    assert room.receive({"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "message": ""}}, now=0.0) is None
    assert room.hand_over()[1] == []


@pytest.mark.parametrize("params", [None, ENVELOPE])
def test_read_only_lists_no_tool_that_writes(params: dict[str, Any] | None) -> None:
    room = WaitingRoom(read_opening(), read_only=True)
    if params is None:
        room.receive(request("initialize", initialize("2025-11-25")), now=0.0)

    response = room.receive(request("tools/list", params), now=0.0)
    assert response is not None
    names = {tool["name"] for tool in response["result"]["tools"]}
    assert {"get_ticket_list", "get_users"} <= names
    assert {"create_ticket", "update_ticket", "add_ticket_history"}.isdisjoint(names)


def test_only_so_many_wait(room: WaitingRoom) -> None:
    responses = [room.receive(call(request_id=number), now=0.0) for number in range(MOST_WAITING + 1)]

    assert responses[:-1] == [None] * MOST_WAITING
    refused = responses[-1]
    assert refused is not None
    assert "Too many calls" in refused["result"]["content"][0]["text"]


def test_all_that_wait_can_be_refused_at_once(room: WaitingRoom) -> None:
    room.receive(call(request_id=1), now=0.0)
    room.receive(request("resources/list", request_id=2), now=0.0)

    assert [response["id"] for response in room.refuse_all("No.")] == [1, 2]
    assert room.hand_over()[1] == []
