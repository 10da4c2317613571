"""Parsing of incoming JSON-RPC, and encoding of outgoing JSON-RPC."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mcp_types import JSONRPCNotification, JSONRPCResponse, jsonrpc_message_adapter
from mcp_types import JSONRPCRequest as SDKRequest

from shared import json_body, json_rpc
from shared.json_body import MalformedMessageError
from shared.json_rpc import JSONRPCRequest
from shared.wire_json import digest
from tests.kills import kills
from transport import jsonrpc
from transport.jsonrpc import parse

PING: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def as_body(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("request_id", [0, 7, -1, 2**70, "7", "", "ä", "x" * 200])
def test_a_string_or_an_integer_is_an_id(request_id: object) -> None:
    (one,), batch = parse(as_body(PING | {"id": request_id}))
    assert isinstance(one.message, JSONRPCRequest)
    assert one.message.id == request_id
    assert type(one.message.id) is type(request_id)
    assert not batch


@kills("shared/json_rpc.py", '"id" in value and not is_id', "False and not is_id")
@pytest.mark.parametrize("request_id", [None, True, False, 1.5, {}, [], 1.0])
def test_any_other_id_is_refused_instead_of_taken_for_a_notification(request_id: object) -> None:
    with pytest.raises(MalformedMessageError, match="string or an integer"):
        parse(as_body(PING | {"id": request_id}))


@pytest.mark.parametrize("more", [{"id": "x" * 201}, {"id": 10**200}, {"method": "x" * 201}])
def test_what_is_kept_and_logged_of_a_message_is_short(more: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessageError, match=r"\b200\b"):
        parse(as_body(PING | more))


PARTS = {
    "id": st.none() | st.integers() | st.text(max_size=3) | st.booleans(),
    "method": st.text(max_size=9) | st.none(),
    "params": st.none() | st.dictionaries(st.text(max_size=3), st.integers() | st.lists(st.text(max_size=3))),
    "result": st.none() | st.dictionaries(st.text(max_size=3), st.integers()),
    "error": st.none() | st.fixed_dictionaries({"code": st.integers(), "message": st.text(max_size=3)}),
    "more": st.integers(),
}


@given(st.fixed_dictionaries({"jsonrpc": st.just("2.0")}, optional=PARTS))
@example({"jsonrpc": "2.0", "id": None, "error": None, "result": {}})
@example({"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "?"}, "result": {}})
def test_what_passes_is_the_message_that_the_sdk_reads(value: dict[str, Any]) -> None:
    try:
        (one,), _ = parse(as_body(value))
    except MalformedMessageError:
        return
    read = jsonrpc_message_adapter.validate_python(value)
    expected = JSONRPCRequest(read.id, read.method, read.params) if isinstance(read, SDKRequest) else read
    assert one.message == expected
    assert type(one.message) is type(expected)


def test_an_error_answer_may_have_a_null_id() -> None:
    (one,), _ = parse(as_body({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "?"}}))
    assert one.message is not None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"a":', b"[" * 10_000, b"nul"])
def test_what_is_not_json_is_a_parse_error(body: bytes) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse(body)
    assert caught.value.code == -32700


@pytest.mark.parametrize(
    "value", [1, "x", None, {}, {"jsonrpc": "1.0", "id": 1, "method": "ping"}, PING | {"method": 5}, {"jsonrpc": "2.0"}]
)
def test_json_that_is_no_message_is_refused(value: object) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse(as_body(value))
    assert caught.value.code == -32600


def test_a_batch_keeps_its_order() -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    response = {"jsonrpc": "2.0", "id": 4, "result": {}}
    inbound, batch = parse(as_body([PING, note, response]))
    assert batch
    assert [type(one.message) for one in inbound] == [JSONRPCRequest, JSONRPCNotification, JSONRPCResponse]


def test_an_empty_or_oversized_batch_is_refused() -> None:
    for batch in ([], [PING | {"id": n} for n in range(json_rpc.MAX_BATCH + 1)]):
        with pytest.raises(MalformedMessageError, match="A batch holds"):
            parse(as_body(batch))


def test_a_batch_with_one_id_twice_is_refused_but_seven_and_its_text_differ() -> None:
    with pytest.raises(MalformedMessageError, match="same id"):
        parse(as_body([PING, PING]))
    inbound, _ = parse(as_body([PING | {"id": 7}, PING | {"id": "7"}]))
    assert len(inbound) == 2


def test_the_same_message_has_the_same_digest_however_it_is_spaced() -> None:
    (one,), _ = parse(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
    (same,), _ = parse(b'{ "jsonrpc": "2.0",\n "id": 1, "method": "ping" }')
    (other,), _ = parse(b'{"jsonrpc":"2.0","id":1,"method":"pong"}')
    assert digest(one.value) == digest(same.value) != digest(other.value)


@pytest.mark.parametrize("text", ["\ud800", "plain", "日本語\u2028"])
def test_an_answer_is_never_lost_in_encoding_and_stays_one_line(text: str) -> None:
    encoded = jsonrpc.result(1, {"text": text, "big": 2**80, "nan": float("nan")})
    assert len(encoded.decode().splitlines()) == 1
    assert json.loads(encoded)["result"] == {"text": text.replace("\ud800", "?"), "big": 2**80, "nan": None}


def test_an_interrupted_write_says_that_it_may_have_been_done() -> None:
    assert json.loads(jsonrpc.interrupted(1, writes=True))["error"]["data"] == {"kind": "outcome_unknown"}
    assert json.loads(jsonrpc.interrupted(1, writes=False))["error"]["data"] == {"kind": "interrupted"}


def test_a_tool_result_that_is_too_large_says_how_to_ask_for_less() -> None:
    response = json.loads(jsonrpc.too_large(1, "tools/call", 2_000_000))
    assert response["result"]["isError"] is True
    text = response["result"]["content"][0]["text"]
    assert "Ask for less" in text
    assert response["result"]["structuredContent"]["error"] == {"kind": "result_lost", "message": text}
    assert json.loads(jsonrpc.too_large(1, "resources/read", 2_000_000))["error"]["data"]["kind"] == "result_lost"


def filled(values: int) -> dict[str, int]:
    return {f"name,[{number}": number for number in range(values)}


@kills("shared/json_rpc.py", "if has_more_values(body, MAX_VALUES):", "if False:")
@pytest.mark.parametrize(
    "body",
    [
        as_body(PING | {"params": {"arguments": [0] * json_rpc.MAX_VALUES}}),
        b"[" + b"[]," * json_rpc.MAX_VALUES + b"[]]",
        b'{"a":' * (json_rpc.MAX_VALUES + 1),
    ],
    ids=["arguments", "a batch", "not even JSON"],
)
def test_a_body_with_very_many_values_is_not_parsed(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_body, "read", None)

    with pytest.raises(MalformedMessageError, match=f"more than {json_rpc.MAX_VALUES:,} JSON values"):
        parse(body)


def test_commas_and_brackets_inside_texts_are_not_counted() -> None:
    (one,), _ = parse(as_body(PING | {"params": {"arguments": {"text": ',[{"' * json_rpc.MAX_VALUES}}}))

    assert isinstance(one.message, JSONRPCRequest)


MANY = filled(json_rpc.MAX_VALUES_BESIDE_ARGUMENTS + 1)


@pytest.mark.parametrize(
    "message",
    [
        PING | {"params": {"_meta": MANY}},
        PING | {"params": MANY},
        PING | MANY,
        PING | {"method": "initialize", "params": {"capabilities": {"experimental": MANY}}},
        PING | {"method": "tools/call", "params": {"name": "x", "arguments": {}, "inputResponses": MANY}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": [MANY]}},
        {"jsonrpc": "2.0", "id": 1, "result": MANY},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x", "data": MANY}},
    ],
    ids=["_meta", "params", "envelope", "capabilities", "responses", "notification", "result", "error"],
)
@pytest.mark.parametrize("batch", [False, True])
def test_what_stands_beside_the_arguments_of_a_call_is_bounded(message: dict[str, Any], batch: bool) -> None:
    with pytest.raises(MalformedMessageError, match="at most 10,000 JSON values beside the arguments"):
        parse(as_body([message] if batch else message))


def test_arguments_with_many_values_are_left_to_the_tool() -> None:
    (one,), _ = parse(as_body(PING | {"method": "tools/call", "params": {"name": "x", "arguments": MANY}}))

    assert isinstance(one.message, JSONRPCRequest)
