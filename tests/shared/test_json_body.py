"""A body that cannot be read: the real reason, and the id of its request where there is one."""

import gzip
import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.json_body import MAX_DEPTH, MAX_DIGITS, MalformedMessageError, read
from shared.json_rpc import JSONRPCRequest
from shared.wire_json import digest
from tests.shared.cost import costs_less
from transport.jsonrpc import parse

PING: Final = b'{"jsonrpc":"2.0","id":7,"method":"ping"}'


def call(arguments: str, request: str = "7") -> bytes:
    """Return a call as the Python SDK writes it: the id before the parameters."""
    return f'{{"jsonrpc":"2.0","id":{request},"method":"tools/call","params":{{"arguments":{arguments}}}}}'.encode()


def call_of_typescript(arguments: str, request: str = "7") -> bytes:
    """Return a call as the TypeScript SDK writes it: the id at the end."""
    return f'{{"method":"tools/call","params":{{"arguments":{arguments}}},"jsonrpc":"2.0","id":{request}}}'.encode()


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("write", [call, call_of_typescript])
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("1" * 5_000, "a number of 5,000 digits; at most 4,300"),
        ("-" + "1" * 5_000, "a number of 5,000 digits; at most 4,300"),
        (nested(3_000), "nested 3,002 deep; at most 200"),
        ('{"a":' * 198 + "[1]" + "}" * 198, "nested 201 deep; at most 200"),
        (f'"{nested(3_000)}",{nested(3_000)}', "nested 3,002 deep"),
        ("NaN", "JSON has no NaN"),
        ("[Infinity]", "JSON has no Infinity"),
        ("-Infinity", "JSON has no -Infinity"),
        ("01", "not valid JSON: invalid number"),
        ("'a'", "not valid JSON: expected value"),
        ('"a\nb"', "not valid JSON: control character"),
        ('{"a":1,}', "not valid JSON"),
        ('{"id":8,"a":[{"id":9}],"b":"\\"id\\":10,"}x', "not valid JSON"),
    ],
    ids=lambda given: given[:20] if isinstance(given, str) else None,
)
def test_the_reason_is_named_with_the_id(write: Any, arguments: str, reason: str) -> None:
    for request, expected in (("7", 7), ('"seven\\u0020"', "seven "), ("-9007199254740993", -9007199254740993)):
        with pytest.raises(MalformedMessageError) as caught:
            read(write(arguments, request))
        assert reason in str(caught.value)
        assert (caught.value.code, caught.value.request_id) == (-32700, expected)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The message is empty"),
        (b" \r\n", "The message is empty"),
        (b"\xef\xbb\xbf", "The message is empty"),
        (PING.decode().encode("utf-16"), "UTF-16"),
        (PING.decode().encode("utf-16-le"), "UTF-16"),
        (PING.decode().encode("utf-16-be"), "UTF-16"),
        (PING.decode().encode("utf-32"), "UTF-32"),
        (gzip.compress(PING, mtime=0), "The message is compressed"),
        (b"jsonrpc=2.0&id=7&method=ping", "not valid JSON: expected value at line 1 column 1"),
        (b"id: 7", "not valid JSON"),
        (b'{"id":' + b"1" * 5_000 + b',"method":"x"}', "5,000 digits"),
        (b'{"id":1.5,"method":NaN}', "no NaN"),
        (b'[{"id":7,"method":NaN}]', "no NaN"),
        (b'{"id":"\\ud83d","method":NaN}', "no NaN"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_where_no_id_can_be_read_there_is_none(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedMessageError, match=reason) as caught:
        read(body)
    assert caught.value.request_id is None


def test_text_that_is_not_utf_8_is_named_and_never_replaced() -> None:
    with pytest.raises(MalformedMessageError, match="not valid UTF-8") as caught:
        read(b'{"id":7,"text":"\xff"}')
    assert caught.value.request_id == 7


def test_a_byte_order_mark_is_ignored_once() -> None:
    assert read(b"\xef\xbb\xbf" + PING) == json.loads(PING)
    with pytest.raises(MalformedMessageError):
        read(b"\xef\xbb\xbf" * 2 + PING)


def test_what_is_at_a_limit_is_read() -> None:
    assert read(b"[" + b"1" * MAX_DIGITS + b"]") == [int("1" * MAX_DIGITS)]
    assert read(nested(MAX_DEPTH).encode()) is not None
    assert read(f'"\\ud83d{nested(MAX_DEPTH + 1)}"'.encode()) == f"\ud83d{nested(MAX_DEPTH + 1)}"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_that_is_valid_json_is_read_as_it_is(text: str) -> None:
    assert read(json.dumps({text: text}).encode()) == {text: text}


def test_a_body_that_cannot_be_read_costs_little_whatever_it_is() -> None:
    worst = (
        b'{"id' + b'":[' * 1_000_000,
        b'"' * 3_000_000,
        b"\\" * 3_000_000,
        b"[[" + b"]" * 3_000_000,
        b'"id"' * 700_000,
    )
    for body in worst:

        def refused(body: bytes = body) -> None:
            with pytest.raises(MalformedMessageError):
                read(body)

        assert costs_less(refused, 1)


# --------------------------------------------------------------------- half a surrogate pair


@pytest.mark.parametrize("text", ["\\ud83d", "\\udc00", "a\\ud83dz", "\\ud83d\\u0041", "\\udc00\\ud83d"])
def test_half_a_pair_in_an_argument_is_for_the_tool_to_judge(text: str) -> None:
    for arguments in (f'{{"a":"{text}"}}', f'{{"{text}":1}}', f'["{text}"]'):
        (one,), _ = parse(call(arguments))
        assert isinstance(one.message, JSONRPCRequest)
        assert (one.message.params or {})["arguments"] == json.loads(arguments)


def test_messages_with_different_halves_are_different() -> None:
    digests = {digest(parse(call(f'"{text}"'))[0][0].value) for text in ("\\ud83d", "\\ud83e", "?", "\\ufffd")}

    assert len(digests) == 4


@pytest.mark.parametrize(
    ("body", "request_id"),
    [
        (b'{"jsonrpc":"2.0","id":7,"method":"\\ud83d"}', 7),
        (b'{"jsonrpc":"2.0","id":"\\ud83d","method":"ping"}', None),
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"\\ud83d","arguments":{}}}', 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"_meta":{"progressToken":"\\ud83d"}}}', 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"\\ud83d":1}}', 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","\\ud83d":1}', 7),
        (b'{"jsonrpc":"2.0","id":7,"result":{"a":["\\ud83d"]}}', 7),
    ],
)
def test_half_a_pair_anywhere_else_is_named(body: bytes, request_id: int | None) -> None:
    with pytest.raises(MalformedMessageError, match="half a surrogate pair") as caught:
        parse(body)
    assert (caught.value.code, caught.value.request_id) == (-32600, request_id)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"id": 7, "method": "ping"}, '"jsonrpc": "2.0"'),
        ({"jsonrpc": "1.0", "id": 7, "method": "ping"}, '"jsonrpc": "2.0"'),
        ({"jsonrpc": "2.0", "id": 7, "method": 5}, '"method" must be a string'),
        ({"jsonrpc": "2.0", "id": 7, "method": "ping", "params": []}, '"params" must be an object'),
        ({"jsonrpc": "2.0", "id": 7, "method": "ping", "params": "{}"}, '"params" must be an object'),
        ({"jsonrpc": "2.0", "id": 7}, 'needs a "method"'),
        ({"jsonrpc": "2.0", "id": 7, "method": "x" * 201}, "at most 200 characters"),
    ],
)
def test_what_is_no_message_is_refused_by_its_part_with_its_id(message: dict[str, Any], reason: str) -> None:
    for body in (message, [{"jsonrpc": "2.0", "id": 1, "method": "ping"}, message]):
        with pytest.raises(MalformedMessageError) as caught:
            parse(json.dumps(body).encode())
        assert reason in str(caught.value)
        assert caught.value.request_id == 7
