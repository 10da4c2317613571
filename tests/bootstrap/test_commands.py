"""What the command line says: its commands, what is wrong on this machine, and who has taken a port."""

import json
import os
import re
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bootstrap.commands import DEVELOPERS, USERS
from cloud_mcp_server import CloudMCPServer
from shared.config import CloudSettings
from tests.checkout import NO_SET_UP, Checkout, a_port
from tests.processes import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_help_lists_the_commands_of_users_before_those_of_developers(checkout: Checkout) -> None:
    said = checkout.run("--help", prelude=NO_SET_UP).stdout

    listed = [line.split()[0] for line in said.splitlines() if re.match(r"  [a-z]", line)]
    assert listed == [*USERS, *DEVELOPERS]
    users, developers = said.split("for the development of this server:")
    assert all(f"  {name} " in users for name in USERS)
    assert all(f"  {name} " in developers for name in DEVELOPERS)
    assert "--port" in developers


@pytest.mark.parametrize(
    ("name", "near"),
    [("stido", "stdio"), ("serve", None), ("set-up", "setup")],
)
def test_an_unknown_command_lists_those_that_there_are(checkout: Checkout, name: str, near: str | None) -> None:
    result = checkout.run(name, "--port", "1", prelude=NO_SET_UP)

    assert (result.returncode, result.stdout) == (2, "")
    assert f"there is no command `{name}`" in result.stderr
    assert (f"Did you mean `{near}`?" in result.stderr) is (near is not None)
    assert all(f"\n  {name} " in result.stderr for name in (*USERS, *DEVELOPERS))
    assert not (checkout.root / ".venv.lock").exists()


def test_the_version_is_that_of_the_project(checkout: Checkout) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert checkout.run("--version", prelude=NO_SET_UP).stdout == f"ticket-server {project['version']}\n"


def test_stdio_help_has_the_entry_for_this_checkout(checkout: Checkout) -> None:
    said = checkout.run("stdio", "--help", prelude=NO_SET_UP).stdout

    (line,) = [line for line in said.splitlines() if "mcpServers" in line]
    entry = json.loads(line)["mcpServers"]["tickets"]
    assert entry["args"] == [str(checkout.root / "run.py"), "stdio"]
    assert Path(entry["command"]).exists()


@pytest.mark.parametrize("command", ["setup", "doctor"])
def test_commands_without_arguments_refuse_them(checkout: Checkout, command: str) -> None:
    result = checkout.run(command, "now", prelude=NO_SET_UP)

    assert result.returncode == 1
    assert f"`{command}` takes no arguments" in result.stderr


# --------------------------------------------------------------------- a port that is taken


@contextmanager
def answering(body: bytes) -> Iterator[int]:
    """Serve `body` at every path of a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_port_that_this_server_has_taken_is_said_so(checkout: Checkout) -> None:
    health = CloudMCPServer(CloudSettings(allow_anonymous=True)).health()
    with answering(json.dumps(health).encode()) as port:
        prelude = (
            f"{NO_SET_UP}; sys.path.insert(0, {str(checkout.root)!r}); import bootstrap.ports as p; p._ASKED_S = 30"
        )
        result = checkout.run("--port", str(port), prelude=prelude, http_proxy="http://127.0.0.1:9")

    assert result.returncode == 1
    assert f"This ticket server already runs on port {port}" in result.stderr
    assert f"--port {port + 1}" in result.stderr


@pytest.mark.parametrize("body", [b"[]", b'{"status": "healthy"}', b"\xff"])
def test_another_program_on_the_port_is_not_taken_for_this_server(checkout: Checkout, body: bytes) -> None:
    with answering(body) as port:
        result = checkout.run("--port", str(port), prelude=NO_SET_UP)

    assert f"Port {port} is taken by another program" in result.stderr


# --------------------------------------------------------------------- the doctor


def test_the_doctor_of_a_fresh_checkout_says_what_to_do_first(checkout: Checkout) -> None:
    with a_port() as port:
        result = checkout.run("doctor", prelude=NO_SET_UP, PORT=str(port))

    wrong = [line for line in result.stdout.splitlines() if line.startswith("WRONG")]
    assert result.returncode == 1
    assert [line.split()[1].rstrip(":") for line in wrong] == ["port", "environment"]
    assert f"Port {port} is taken by another program. Choose another" in wrong[0]
    assert wrong[1].endswith("To make it: python3 run.py setup")
    assert not (checkout.root / ".venv").exists()


@pytest.mark.parametrize(("port", "sentence"), [("8o80", "PORT is '8o80'")])
def test_the_doctor_names_a_port_that_is_none(checkout: Checkout, port: str, sentence: str) -> None:
    assert sentence in checkout.run("doctor", prelude=NO_SET_UP, PORT=port).stdout


@pytest.mark.parametrize(("mode", "verdict"), [(0o640, "WRONG"), (0o600, "ok")])
def test_the_doctor_looks_who_can_read_the_keys(checkout: Checkout, mode: int, verdict: str) -> None:
    checkout.write(".env", f"MCP_MCP_API_KEY={'k' * 32}\n")
    (checkout.root / ".env").chmod(mode)

    said = checkout.run("doctor", prelude=NO_SET_UP, PORT="0").stdout
    (line,) = [line for line in said.splitlines() if ".env" in line.partition("environment:")[0]]
    if os.name == "posix":
        assert line.startswith(verdict)
    assert "k" * 32 not in said


def test_the_doctor_says_what_it_cannot_read(checkout: Checkout) -> None:
    checkout.write(".env", "just some words\n")

    result = checkout.run("doctor", prelude=NO_SET_UP)
    assert result.returncode == 1
    assert "Line 1 of" in result.stderr
