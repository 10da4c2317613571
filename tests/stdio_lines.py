"""Lines that a client may send over STDIO, and what each is answered with: whatever reads STDIN passes this table."""

import json
from typing import Any, Final, NamedTuple

RESULT: Final = None
PARSE: Final = -32700
INVALID: Final = -32600


class Line(NamedTuple):
    """What is sent before a line end, and its responses in any order: an id, and the code of an error or RESULT."""

    sent: bytes
    responses: tuple[tuple[str | int | None, int | None], ...]


def message(request_id: Any = 7, method: Any = "ping", **more: Any) -> bytes:
    """Return a request as one line."""
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, **more}).encode()


def call(name: str, arguments: str = "{}") -> bytes:
    """Return a call with `arguments`, JSON text."""
    return b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"%b","arguments":%b}}' % (
        name.encode(),
        arguments.encode(),
    )


def pretty(text: bytes, end: str = "\n") -> bytes:
    """Return a message over several lines."""
    return json.dumps(json.loads(text), indent=2).replace("\n", end).encode()


def padded(size: int) -> bytes:
    """Return a request of `size` bytes."""
    return message(params={"x": "x" * (size - len(message(params={"x": ""})))})


MARK: Final = b"\xef\xbb\xbf"
PING: Final = message()
FOUR_MB: Final = 4 * 1024 * 1024
NO_ID: Final = ((None, INVALID),)
NO_JSON: Final = ((None, PARSE),)

LINES: Final = {
    # text
    "half a surrogate pair in an argument": Line(call("get_ticket_list", r'{"searchQuery":"\ud83d"}'), ((7, RESULT),)),
    "half a surrogate pair in a name": Line(call(r"\ud83d"), ((7, INVALID),)),
    "half a surrogate pair in a parameter": Line(message(params={"\ud83d": 1}), ((7, INVALID),)),
    "half a surrogate pair as an id": Line(message("\ud83d"), NO_ID),
    "bytes that are not UTF-8": Line(PING.replace(b"ping", b"pi\xffng"), ((7, PARSE),)),
    "Latin-1": Line('{"jsonrpc":"2.0","id":7,"method":"ä"}'.encode("latin-1"), ((7, PARSE),)),
    "a surrogate in UTF-8": Line(PING.replace(b"ping", b"\xed\xa0\xbd"), ((7, PARSE),)),
    "a NUL in a text": Line(PING.replace(b"ping", b"pi\0ng"), ((7, PARSE),)),
    "a NUL alone": Line(b"\0", NO_JSON),
    "a byte order mark": Line(MARK + PING, ((7, RESULT),)),
    "two byte order marks": Line(MARK + MARK + PING, ((7, PARSE),)),
    # ids
    "id 4.0": Line(message(4.0), NO_ID),
    "id 1e3": Line(PING.replace(b"7", b"1e3"), NO_ID),
    "id null": Line(message(None), NO_ID),
    "id true": Line(message(True), NO_ID),
    "id an object": Line(message({"id": 7}), NO_ID),
    "id a list": Line(message([7]), NO_ID),
    "a long id": Line(message("x" * 201), NO_ID),
    "id of 200 digits": Line(message(10**199), ((10**199, RESULT),)),
    "an empty id": Line(message(""), (("", RESULT),)),
    "an id twice": Line(b'{"jsonrpc":"2.0","id":6,"id":7,"method":"ping"}', ((7, RESULT),)),
    # parts of a message
    "params a list": Line(message(params=[]), ((7, INVALID),)),
    "params a text": Line(message(params="{}"), ((7, INVALID),)),
    "params null": Line(message(params=None), ((7, RESULT),)),
    "no jsonrpc": Line(b'{"id":7,"method":"ping"}', ((7, INVALID),)),
    "jsonrpc 1.0": Line(message(jsonrpc="1.0"), ((7, INVALID),)),
    "jsonrpc a number": Line(message(jsonrpc=2.0), ((7, INVALID),)),
    "no method": Line(b'{"jsonrpc":"2.0","id":7}', ((7, INVALID),)),
    "method a number": Line(message(method=5), ((7, INVALID),)),
    "a long method": Line(message(method="x" * 201), ((7, INVALID),)),
    "result a text": Line(b'{"jsonrpc":"2.0","id":7,"result":"x"}', ((7, INVALID),)),
    "error a text": Line(b'{"jsonrpc":"2.0","id":7,"error":"x"}', ((7, INVALID),)),
    "an unknown method": Line(message(method="tickets/steal"), ((7, -32601),)),
    "an unknown notification": Line(b'{"jsonrpc":"2.0","method":"notifications/unknown"}', ()),
    "a response to nothing": Line(b'{"jsonrpc":"2.0","id":7,"result":{}}', ()),
    # what is no message
    "a word": Line(b"hello", NO_JSON),
    "a number": Line(b"7", NO_ID),
    "null": Line(b"null", NO_ID),
    "NaN": Line(call("get_statuses", '{"x":NaN}'), ((7, PARSE),)),
    "Infinity as an id": Line(PING.replace(b"7", b"Infinity"), NO_JSON),
    "single quotes": Line(b"{'jsonrpc':'2.0','id':7,'method':'ping'}", NO_JSON),
    "the end is missing": Line(PING[:-1] + b",", ((7, PARSE),)),
    "the beginning is missing": Line(PING[1:], NO_JSON),
    "a header of LSP": Line(b"Content-Length: 40\r", NO_JSON),
    "UTF-16": Line(PING.decode().encode("utf-16-le"), NO_JSON),
    # lines
    "nothing": Line(b"", ()),
    "white space": Line(b" \t\r", ()),
    "a CR before the line end": Line(PING + b"\r", ((7, RESULT),)),
    "white space around a message": Line(b"\t " + PING + b" \t", ((7, RESULT),)),
    "two messages on a line": Line(PING + message(8), ((7, PARSE), (8, PARSE))),
    "two messages with a space between": Line(PING + b" " + message(8), ((7, PARSE), (8, PARSE))),
    "a message and a word": Line(PING + b" and", ((7, PARSE),)),
    "a message over several lines": Line(pretty(message(params={"_meta": {}})), ((7, RESULT),)),
    "a message over lines of CRLF": Line(pretty(message(params={"_meta": {}}), "\r\n"), ((7, RESULT),)),
    "a bad message over several lines": Line(pretty(message(params=[1, {}])), ((7, INVALID),)),
    "a message with blank lines in it": Line(pretty(PING, "\n\n"), ((7, RESULT),)),
    "half a message before a whole one": Line(PING[:-9] + b"\n" + message(8), ((7, PARSE), (8, RESULT))),
    # batches
    "a batch": Line(b"[" + PING + b"," + message(8) + b"]", ((7, RESULT), (8, RESULT))),
    "a batch with a bad message": Line(b"[" + PING + b"," + message(8, 5) + b"]", ((7, RESULT), (8, INVALID))),
    "a batch over several lines": Line(pretty(b"[" + PING + b"," + message(8) + b"]"), ((7, RESULT), (8, RESULT))),
    "a batch of what is no message": Line(b'[1, "ping", null, [], {}]', 5 * NO_ID),
    "an empty batch": Line(b"[]", NO_ID),
    "a batch of 101": Line(b"[" + b",".join([PING] * 101) + b"]", NO_ID),
    # sizes
    "the longest message": Line(padded(FOUR_MB), ((7, RESULT),)),
    "one byte more": Line(padded(FOUR_MB + 1), ((7, INVALID),)),
    "10 MB": Line(message(params={"x": "x" * 10_000_000}), ((7, INVALID),)),
    "10 MB that are no JSON": Line(b"x" * 10_000_000, NO_ID),
    "200 deep": Line(message(params=json.loads('{"x":' * 199 + "1" + "}" * 199)), ((7, RESULT),)),
    "100,000 deep": Line(call("get_statuses", '{"x":' * 100_000 + "1" + "}" * 100_000), ((7, PARSE),)),
    "brackets that stay open": Line(b"[" * 100_000, NO_JSON),
    "5,000 digits": Line(message(params={"x": "7"}).replace(b'"7"', b"7" * 5_000), ((7, PARSE),)),
    "250,000 values": Line(call("get_statuses", '{"x":[' + "1," * 250_000 + "1]}"), NO_ID),
}
