"""Attacks as a separate program: `python -m tests.attacks.attacker NAME ADDRESS --key KEY`.

Standard library only, niced to 19, on loopback. Each attack is bounded in connections, bytes and time, and ends with
its standard input; its last line is a JSON object with the numbers of what was sent and received.
"""

import argparse
import http.client
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any, Final
from urllib.parse import urlsplit

CHUNK: Final = 64 * 1024
MOST_BYTES: Final = 160 * 1024 * 1024
"""Most bytes sent on one connection."""
PIPELINED: Final = 200_000
"""Most requests pipelined on one connection."""
MOST_CALLS: Final = 20_000
WAIT_S: Final = 10.0
LONGEST_S: Final = 90.0
NO_RESPONSE: Final = "no answer"


def tool_call(name: str, arguments: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a tool call of 2026-07-28, which needs no session."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": name, "arguments": arguments, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": name,
    }
    return headers, json.dumps(message, separators=(",", ":")).encode()


@dataclass
class Attack:
    """Target and key of an attack."""

    address: str
    key: str
    seen: Counter[str] = field(default_factory=Counter)
    """What was sent, and which statuses were received."""

    def __post_init__(self) -> None:
        url = urlsplit(self.address)
        assert url.hostname == "127.0.0.1", "attacks stay on this machine"
        self.where = (url.hostname, url.port)
        self.over = threading.Event()

    def goes_on(self) -> bool:
        """Whether there is time left."""
        return not self.over.is_set()

    def end_with_input(self) -> None:
        """End with the standard input, at the latest after `LONGEST_S`."""
        limit = threading.Timer(LONGEST_S, self.over.set)
        limit.daemon = True
        limit.start()
        os.read(sys.stdin.fileno(), 1)
        self.over.set()

    def connect(self, receive_bytes: int | None = None) -> socket.socket:
        """Open a connection on which every operation waits at most `WAIT_S`. Raises: OSError."""
        connection = socket.socket()
        connection.settimeout(WAIT_S)
        if receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.connect(self.where)
        return connection

    def at_once(self, work: Callable[[], None], threads: int) -> None:
        """Repeat `work` in threads until the time is over; a refused or cut connection ends a turn, not the attack."""

        def repeat() -> None:
            while self.goes_on():
                try:
                    work()
                except OSError as error:
                    self.seen[type(error).__name__] += 1
                    time.sleep(0.01)

        running = [threading.Thread(target=repeat) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()

    def flood(self, start: bytes, more: Iterable[bytes]) -> None:
        """Send `start`, then `more` until the server closes, the bytes are used up or the time is over."""
        with self.connect() as connection:
            self.seen["connections"] += 1
            try:
                connection.sendall(start)
                for chunk in islice(more, MOST_BYTES // CHUNK):
                    if not self.goes_on():
                        return
                    connection.sendall(chunk)
                    self.seen["bytes"] += len(chunk)
            except OSError:
                pass  # closed; what it sent before may still be read
            self.seen[status_of(connection)] += 1
            time.sleep(0.05)

    def call(self, calls: Sequence[tuple[dict[str, str], bytes]], *, threads: int) -> None:
        """Make at most `MOST_CALLS`, the given ones in turn, one at a time in each thread."""
        left: Iterator[tuple[dict[str, str], bytes]] = islice(cycle(calls), MOST_CALLS)
        taking = threading.Lock()

        def one() -> None:
            with taking:
                headers, body = next(left, ({}, b""))
            if not body:
                self.over.set()
                return
            connection = http.client.HTTPConnection(*self.where, timeout=WAIT_S)
            try:
                connection.request("POST", "/mcp", body, headers | {"x-api-key": self.key})
                self.seen["calls"] += 1
                self.seen[str(connection.getresponse().status)] += 1
            finally:
                connection.close()

        self.at_once(one, threads)


def status_of(connection: socket.socket) -> str:
    """Return the status received on a connection, or `NO_ANSWER`."""
    connection.settimeout(1)
    try:
        words = connection.recv(256).split()
    except OSError:
        return NO_RESPONSE
    return words[1].decode() if len(words) > 1 else NO_RESPONSE


def header_lines(attack: Attack) -> None:
    """A4: a head that never ends, line by line."""
    line = b"x-%08d: " + b"a" * 100 + b"\r\n"

    def lines() -> Iterator[bytes]:
        number = 0
        while True:
            yield b"".join(line % (number + one) for one in range(CHUNK // len(line)))
            number += CHUNK // len(line)

    attack.at_once(lambda: attack.flood(b"GET /health HTTP/1.1\r\nHost: a\r\n", lines()), 1)


def header_value(attack: Attack) -> None:
    """A4: one header whose value never ends."""
    attack.at_once(lambda: attack.flood(b"GET /health HTTP/1.1\r\nHost: a\r\nx-a: ", cycle([b"a" * CHUNK])), 1)


def address_line(attack: Attack) -> None:
    """A4: a request line that never ends."""
    attack.at_once(lambda: attack.flood(b"GET /", cycle([b"a" * CHUNK])), 1)


def pipeline(attack: Attack) -> None:
    """A5: pipelined requests on three connections that read nothing."""
    request = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    many = CHUNK // len(request)

    def one() -> None:
        with attack.connect(receive_bytes=4096) as connection:
            attack.seen["connections"] += 1
            for _ in range(PIPELINED // many):
                if not attack.goes_on():
                    return
                connection.settimeout(1)
                connection.sendall(request * many)
                attack.seen["requests"] += many
            attack.over.wait()

    attack.at_once(one, 3)


def silent(attack: Attack) -> None:
    """A6: 120 connections that send nothing, or half a head; those that the server closes are reopened."""
    beginnings = cycle(
        [b"", b"GET /health HTTP/1.1\r\nHost:", b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"]
    )
    held: list[socket.socket] = []
    while attack.goes_on():
        held = [one for one in held if is_open(one)]
        while len(held) < 120 and attack.goes_on():
            try:
                held.append(attack.connect())
                held[-1].sendall(next(beginnings))
                attack.seen["connections"] += 1
            except OSError as error:
                attack.seen[type(error).__name__] += 1
                break
        time.sleep(0.5)
    for one in held:
        one.close()


def is_open(connection: socket.socket) -> bool:
    """Return whether the server has neither closed nor responded; otherwise close our side."""
    connection.setblocking(False)
    try:
        connection.recv(1024)
    except BlockingIOError:
        return True
    except OSError:
        pass
    connection.close()
    return False


def unknown_names(attack: Attack) -> None:
    """A2: arguments that no tool has, in one object or one level down; sequential calls."""
    names = {f"n{number}": 0 for number in range(60_000)}  # 0.7 MB
    calls = [tool_call("get_statuses", names), tool_call("get_ticket_list", {"searchQuery": names})]
    attack.call(calls, threads=1)


def attachments(attack: Attack) -> None:
    """A3: a list too long, an object with too many keys, and both as text; sequential calls."""
    keys = [{f"key{number}": number for number in range(80_000)}]
    values: list[Any] = [[0] * 150_000, keys, json.dumps([0] * 150_000), json.dumps(keys), [[]] * 150_000]
    attack.call([tool_call("create_ticket", {"attachments": one}) for one in values], threads=1)


def searches(attack: Attack) -> None:
    """A7: 30 concurrent searches by one viewer."""
    calls = [tool_call("get_ticket_list", {"searchQuery": f"report {number}", "limit": 100}) for number in range(50)]
    attack.call(calls, threads=30)


def wildcards(attack: Attack) -> None:
    """A7: 20 concurrent searches for slow patterns."""
    attack.call([tool_call("get_ticket_list", {"searchQuery": "%_" * 99})], threads=20)


def cross_site(attack: Attack) -> None:
    """A8: a page with 500 images, each of them an event stream of a server on this machine."""
    head = f"GET /sse HTTP/1.1\r\nHost: {attack.where[0]}:{attack.where[1]}\r\nSec-Fetch-Site: cross-site\r\n"
    request = f"{head}Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\nAccept: image/*\r\n\r\n".encode()
    held: list[socket.socket] = []
    while attack.goes_on():
        for _ in range(500 - len(held)):
            if not attack.goes_on():
                break
            connection = attack.connect()
            connection.sendall(request)
            status = status_of(connection)
            attack.seen[status] += 1
            (held.append if status == "200" else socket.socket.close)(connection)
        time.sleep(0.5)
    for connection in held:
        connection.close()


ATTACKS: Final[Mapping[str, Callable[[Attack], None]]] = {
    one.__name__: one
    for one in (
        *(header_lines, header_value, address_line, pipeline, silent),
        *(unknown_names, attachments, searches, wildcards, cross_site),
    )
}


def main() -> None:
    """Run one attack."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.attacker", description=__doc__)
    parser.add_argument("name", choices=ATTACKS)
    parser.add_argument("address")
    parser.add_argument("--key", default="")
    given = parser.parse_args()
    if sys.platform != "win32":
        os.nice(19)
    attack = Attack(given.address, given.key)
    threading.Thread(target=attack.end_with_input, daemon=True).start()
    ATTACKS[given.name](attack)
    print(json.dumps(attack.seen))


if __name__ == "__main__":
    main()
