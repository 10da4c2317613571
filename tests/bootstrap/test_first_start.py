"""`run.py stdio` before the environment is there: real processes; another process holds the lock of the set-up."""

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final, cast

import pytest

from bootstrap.waiting_room import LONGEST_WAIT_S, read_opening
from tests.checkout import NO_SET_UP, TIMEOUT_S, Checkout, lines_until
from tests.opening import initialize
from tests.stdio_lines import LINES

SERVER: Final = """\
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    print("server received", message.get("method"), message.get("id"), file=sys.stderr, flush=True)
    if message.get("method") == "leave":
        sys.exit(3)
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"server": message["method"]}}), flush=True)
print("server ended", file=sys.stderr, flush=True)
sys.exit(5)
"""
ENDS_WITHIN_S: Final = LONGEST_WAIT_S / 2
"""Long before the calls that wait would be answered."""


class Client:
    """A client that speaks with `run.py stdio`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._stdin, self._stdout = process.stdin, process.stdout

    def send(self, method: str, request_id: int | str | None = None, **params: Any) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        self._stdin.write(json.dumps(message | ({} if request_id is None else {"id": request_id})) + "\n")
        self._stdin.flush()

    def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._stdout.readline())
        return message

    def ask(self, method: str, request_id: int | str, **params: Any) -> dict[str, Any]:
        self.send(method, request_id, **params)
        response = self.receive()
        assert response["id"] == request_id
        return response

    def responses_to(self, line: bytes, count: int) -> list[tuple[int | str | None, int | None]]:
        """Send a line, then a ping; return the id and the error code of each response to the line."""
        cast("TextIOWrapper", self._stdin).buffer.write(line + b"\n")
        self.send("ping", "mark")
        found: list[tuple[int | str | None, int | None]] = []
        while len(found) < count or ("mark", None) not in found:
            response = self.receive()
            found.append((response["id"], response.get("error", {}).get("code")))
        found.remove(("mark", None))
        return found

    def end(self) -> tuple[int, list[dict[str, Any]], str]:
        """End the input; return the exit code, the messages that still came, and everything on stderr."""
        stdout, stderr = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, [json.loads(line) for line in stdout.splitlines()], stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    made.write("mcp_server.py", SERVER)
    return made


@contextmanager
def connected(checkout: Checkout, **how: str) -> Iterator[Client]:
    """Connect a client that has shaken hands."""
    with checkout.start("stdio", **how) as process:
        client = Client(process)
        try:
            assert client.ask("initialize", "hands", **initialize("2025-06-18"))["result"]["serverInfo"]
            client.send("notifications/initialized")
            yield client
        finally:
            process.kill()


@contextmanager
def waiting(checkout: Checkout, other: ExitStack, **how: str) -> Iterator[Client]:
    """Connect a client while another process sets up; `other.close()` completes that."""
    other.enter_context(checkout.set_up_by_another())
    with connected(checkout, **how) as client:
        yield client


def test_a_client_is_received_at_once_and_handed_over_unnoticed(checkout: Checkout) -> None:
    with ExitStack() as other, waiting(checkout, other) as client:
        assert client.ask("ping", 1)["result"] == {}
        assert client.ask("tools/list", 2)["result"]["tools"] == read_opening()["tools/list"]["tools"]
        client.send("tools/call", 3, name="get_users")
        client.send("tools/call", "given up", name="create_ticket")
        client.send("notifications/cancelled", requestId="given up")
        client.send("resources/list", 4)
        client.ask("ping", 5)  # everything before it was read
        other.close()

        assert client.receive() == {"jsonrpc": "2.0", "id": 3, "result": {"server": "tools/call"}}
        assert client.receive() == {"jsonrpc": "2.0", "id": 4, "result": {"server": "resources/list"}}
        assert client.ask("tools/list", 6)["result"] == {"server": "tools/list"}
        code, rest, log = client.end()

    received = [line.removeprefix("server received ") for line in log.splitlines() if "server received" in line]
    assert received == [
        *("initialize hands", "notifications/initialized None", "tools/call 3", "resources/list 4", "tools/list 6"),
    ]
    assert (code, rest) == (5, []), "the exit code is that of the server"
    assert "waiting for process" in log
    assert "server ended" in log


def waits(checkout: Checkout, seconds: float) -> str:
    """Return a prelude that makes requests wait so long at most."""
    root = str(checkout.root)
    return f"sys.path.insert(0, {root!r}); import bootstrap.waiting_room as room; room.LONGEST_WAIT_S = {seconds}"


def test_a_call_that_comes_too_early_is_answered_and_never_reaches_the_server(checkout: Checkout) -> None:
    with ExitStack() as other, waiting(checkout, other, prelude=waits(checkout, 0.3)) as client:
        lines_until(client.process.stderr, "waiting for process")
        response = client.ask("tools/call", 1, name="create_ticket")
        text = "Still being set up (waiting for another set-up). Nothing was changed; ask again in a minute."
        assert response["result"]["content"][0]["text"] == text
        other.close()
        assert client.ask("tools/call", 2, name="create_ticket")["result"]
        _, _, log = client.end()

    assert "server received tools/call 1" not in log


def test_the_set_up_ends_with_its_client_whose_calls_are_answered(checkout: Checkout) -> None:
    with ExitStack() as other, waiting(checkout, other) as client:
        client.send("tools/call", 1, name="get_users")
        client.send("resources/list", 2)
        began = time.monotonic()
        code, responses, log = client.end()

    assert time.monotonic() - began < ENDS_WITHIN_S
    assert (code, [response["id"] for response in responses]) == (0, [1, 2])
    assert "To complete it: python3 run.py setup" in log


def test_a_signal_ends_it_too(checkout: Checkout) -> None:
    with ExitStack() as other, waiting(checkout, other) as client:
        client.process.send_signal(signal.SIGTERM)
        assert client.process.wait(ENDS_WITHIN_S) == 128 + signal.SIGTERM


def test_a_set_up_that_fails_says_why_and_is_tried_again_for_the_next_call(checkout: Checkout) -> None:
    with connected(checkout, prelude=NO_SET_UP) as client:
        for number in (1, 2):
            text = client.ask("tools/call", number, name="get_users")["result"]["content"][0]["text"]
            assert text.startswith("The ticket server could not be set up: This Python")
            assert text.endswith("Nothing was changed.")
        assert client.ask("ping", 3)["result"] == {}
        code, _, log = client.end()

    assert code == 0
    assert log.count("cannot make virtual environments") >= 2


def test_a_server_that_ends_leaves_no_waiting_request_without_a_response(checkout: Checkout) -> None:
    with ExitStack() as other, waiting(checkout, other) as client:
        client.send("leave", 1)
        client.send("tools/call", 2, name="create_ticket")
        client.ask("ping", 3)  # everything before it was read
        other.close()
        first, second = client.receive(), client.receive()
        code = client.process.wait(TIMEOUT_S)

    assert code == 3
    assert first["error"]["data"] == {"kind": "interrupted"}
    assert second["error"]["data"] == {"kind": "outcome_unknown"}


def test_read_only_counts_before_the_server_is_there(checkout: Checkout) -> None:
    checkout.write(".env", "MCP_READ_ONLY=true\n")
    with ExitStack() as other, waiting(checkout, other) as client:
        names = [tool["name"] for tool in client.ask("tools/list", 1)["result"]["tools"]]

    assert "get_users" in names
    assert "create_ticket" not in names


LEFT_TO_THE_SERVER: Final = {"half a surrogate pair in an argument", "an unknown method"}


@pytest.mark.parametrize("parser", ["pydantic's", "the standard library's"])
def test_every_line_is_answered_as_by_the_server(checkout: Checkout, parser: str) -> None:
    prelude = "" if parser == "pydantic's" else "; sys.modules['pydantic_core'] = None"
    with ExitStack() as other, waiting(checkout, other, prelude=waits(checkout, TIMEOUT_S) + prelude) as client:
        for name, line in LINES.items():
            expected = [] if name in LEFT_TO_THE_SERVER else list(line.responses)
            assert Counter(client.responses_to(line.sent, len(expected))) == Counter(expected), name
        _, left, log = client.end()

    assert len(left) == len(LEFT_TO_THE_SERVER)
    assert "a message could not be read: The message is not valid JSON" in log
