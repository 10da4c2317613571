"""The smoke test of a deployment, run as a workflow runs it, against started servers in right and wrong states."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from shared.server import VERSION
from tests.processes import HTTP_DOOR, KEY, ROOT, environment, free_port, http_door, sqlite, started

SMOKE: Final = ROOT / "gcp-deploy" / "smoke.py"


def smoke(address: str, *options: str, key: str = KEY, stdin: str = "") -> tuple[int, str]:
    """Return the exit code and the output; the key is in the environment."""
    command = [sys.executable, str(SMOKE), address, "--timeout", "20", "--patience", "0", *options]
    env = environment(SMOKE_KEY=key)
    done = subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, check=False, timeout=100)
    assert not done.stderr
    assert KEY not in done.stdout
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that works."""
    with http_door(tmp_path_factory.mktemp("door")) as (address, _):
        yield address


def test_a_server_that_works_passes_on_every_transport(door: str) -> None:
    code, said = smoke(door, "--version", VERSION)

    assert code == 0
    assert [line.removeprefix(f"{door} ") for line in said.splitlines()] == [
        "is ready.",
        "serves sessions of 2025-11-25.",
        "serves requests of 2026-07-28.",
        "serves HTTP+SSE.",
    ]


def test_the_key_comes_from_a_file_or_the_standard_input(door: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n", "utf-8")

    assert smoke(door, "--key-file", str(file), key="")[0] == 0
    assert smoke(door, "--key-file", "-", key="", stdin=KEY)[0] == 0


@pytest.mark.parametrize(
    ("options", "key", "says"),
    [
        (["--version", "99.0.0"], KEY, f"It is version {VERSION} instead of 99.0.0."),
        ([], "not-the-key-of-this-server-0123456789", "initialize: HTTP 401"),
        ([], "", "There is no key"),
        (["--key-file", "/does/not/exist"], KEY, "The key cannot be read"),
    ],
)
def test_another_version_and_a_wrong_key_fail(door: str, options: list[str], key: str, says: str) -> None:
    code, said = smoke(door, *options, key=key)

    assert code == 1
    assert says in said.splitlines()[-1]


def test_a_server_whose_ticket_api_is_down_is_not_ready(tmp_path: Path) -> None:
    with http_door(tmp_path, MCP_API_BASE_URL=f"http://127.0.0.1:{free_port()}", MCP_API_KEY=KEY) as (address, _):
        code, said = smoke(address)

    assert (code, "/ready: HTTP 503" in said) == (1, True)


def test_a_server_that_lets_everyone_in_fails(tmp_path: Path) -> None:
    settings = {"PORT": "0", "MCP_ALLOW_ANONYMOUS": "true", "MCP_DATABASE_URL": sqlite(tmp_path)}
    with started(HTTP_DOOR, **settings) as (address, _):
        code, said = smoke(address)

    assert (code, "/mcp without a key: HTTP 200 instead of 401." in said) == (1, True)


@pytest.mark.parametrize(("transport", "steps"), [("streamable_http", 3), ("sse", 2)])
def test_a_transport_that_is_turned_off_is_not_tried(tmp_path: Path, transport: str, steps: int) -> None:
    with http_door(tmp_path, MCP_TRANSPORT_TYPE=transport) as (address, _):
        code, said = smoke(address, "--version", VERSION)

    assert (code, len(said.splitlines())) == (0, steps)


def test_nothing_that_answers_fails_with_a_sentence() -> None:
    code, said = smoke(f"http://127.0.0.1:{free_port()}")

    assert (code, "GET health: no response" in said) == (1, True)


def test_the_key_is_sent_to_no_other_server() -> None:
    module = importlib.import_module("gcp-deploy.smoke")
    server = module.Deployment("https://tickets.example.com", KEY, 1.0)

    for endpoint in ("https://elsewhere.example.com/messages", "http://tickets.example.com/messages", "//elsewhere/"):
        with pytest.raises(module.SmokeError, match="another server"):
            server.status(endpoint, {})
