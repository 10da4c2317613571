"""The README's snippets, run as a new user would paste them: only addresses and program paths are changed."""

import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests import processes
from tests.interop.commands import bridge
from tests.interop.environments import version
from tests.interop.rows import PATHS, ROWS
from tests.interop.sign_in.deployment import GOOGLE
from tests.javascript import node
from tests.processes import ROOT

README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN: Final = "http://127.0.0.1:8080"
SNIPPET_S: Final = 60.0


def snippet(language: str, containing: str) -> str:
    """Return the only code block in that language that contains that text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if containing in block]
    return str(found)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server without authentication, as `python3 run.py` starts it."""
    settings = {"PORT": "0", "MCP_ALLOW_ANONYMOUS": "true"}
    database = processes.sqlite(tmp_path_factory.mktemp("readme"))
    with processes.started(processes.HTTP_DOOR, MCP_DATABASE_URL=database, **settings) as (where, _):
        yield where


async def run(*command: str, cwd: Path, **settings: str) -> str:
    """Run a program to its end and return its stdout; it must succeed."""
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=cwd,
        env=processes.environment(**settings),
        capture_output=True,
        encoding="utf-8",
        timeout=SNIPPET_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_python_snippet_prints_tickets(address: str, tmp_path: Path) -> None:
    code = snippet("python", "streamable_http_client(").replace(SHOWN, address)
    said = await run(sys.executable, "-W", "ignore", "-c", code, cwd=tmp_path)
    assert "| Ticket |" in said


async def test_the_stdio_snippet_prints_statuses(tmp_path: Path) -> None:
    code = snippet("python", "stdio_client(")
    path = "/full/path/to/ticket-server/run.py"  # run.py itself is tested in test_run.py
    shown = f'command="python3", args=["{path}", "stdio"]'
    assert shown in code
    variables = {name: value for name, value in processes.environment().items() if name.startswith(("PATH", "SYSTEM"))}
    settings = variables | {"MCP_DATABASE_URL": processes.sqlite(tmp_path)}
    code = code.replace(shown, f"command={sys.executable!r}, args=[{str(ROOT / 'mcp_server.py')!r}], env={settings!r}")
    said = await run(sys.executable, "-W", "ignore", "-c", code, cwd=tmp_path)
    assert "| stat1 | New |" in said


async def test_the_typescript_snippet_prints_a_ticket(address: str, node_modules: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules, target_is_directory=True)
    program = tmp_path / "example.mjs"
    program.write_text(snippet("js", "StreamableHTTPClientTransport").replace(SHOWN, address), encoding="utf-8")
    done = await node(str(program))
    assert done.stdout.startswith("**TCK-0001** "), done.stderr


async def test_the_inspector_command_prints_tickets(address: str, node_modules: Path, tmp_path: Path) -> None:
    npx, package, *arguments = shlex.split(snippet("sh", "inspector").replace(SHOWN, address))
    name, _, version = package.rpartition("@")
    installed = node_modules / name
    assert npx == "npx"
    assert f'"version": "{version}"' in (installed / "package.json").read_text(encoding="utf-8")
    launcher = installed / "clients" / "launcher" / "build" / "index.js"
    done = await node(str(launcher), *arguments, HOME=str(tmp_path), USERPROFILE=str(tmp_path))
    assert "TCK-" in done.stdout, done.stderr


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_every_entry_that_starts_a_program_can_be_pasted(readme: str) -> None:
    """On macOS `python3` may be 3.9 for desktop programs, and Windows has none: there are other forms."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    blocks = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]
    entries = [block["mcpServers"]["tickets"] for block in blocks if "mcpServers" in block]
    ours = {entry["command"]: entry["args"] for entry in entries if entry["command"] != "npx"}

    assert ours == {
        "python3": ["/full/path/to/ticket-server/run.py", "stdio"],
        "py": ["C:\\full\\path\\to\\ticket-server\\run.py", "stdio"],
        "uv": ["run", "/full/path/to/ticket-server/run.py", "stdio"],
        "uvx": ["--from", "git+<address of this repository>", "ticket-server", "stdio"],
    }


@pytest.mark.parametrize("pinned", ["mcp==2.3.0", "@modelcontextprotocol/sdk@1.32.2"])
def test_the_versions_named_are_the_ones_tested(pinned: str) -> None:
    name, version = re.split(r"==|(?<=.)@", pinned)
    assert pinned in README
    lock = (ROOT / "tests" / "clients" / "package.json").read_text(encoding="utf-8")
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert f'"{name}": "{version}"' in lock or f"{name}=={version} " in pins


@pytest.mark.long
def test_the_bridge_to_a_team_server_is_named_as_it_was_driven() -> None:
    """The interop tests drive the bridge with the same arguments, also with a wrong key."""
    written = json.loads(snippet("json", "mcp-remote"))["mcpServers"]["tickets"]
    _, package, url, *arguments = written["args"]
    (row,) = [one for one in ROWS if (one.client.driver, one.wire) == ("mcp_remote", "http")]

    assert written["command"] == "npx"
    assert package == f"mcp-remote@{version(row.client.package, row.client.home)}"
    assert url.endswith(PATHS[row.wire])
    assert [url, *arguments] == bridge(row, url, "${KEY}")[2:-2], "without --transport it detects the transport"
    assert list(written["env"]) == ["KEY"], "mcp-remote replaces ${KEY} by it"


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_clients_that_cannot_send_a_key_are_sent_to_sign_in(readme: str) -> None:
    """The section names the settings of the guide, which the long tests follow."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    (connectors,) = re.findall(r"^\*\*Claude\*\*.*\*\*ChatGPT\*\*.*$", text, re.MULTILINE)
    guide = readme.replace("README", "docs/oauth")
    (settings,) = re.findall(r"^\*\*(?:Sign-in\.|サインイン。)\*\* .*$", text, re.MULTILINE)

    assert f"]({guide})" in connectors
    assert f"]({guide})" in settings
    assert [name for name in GOOGLE.settings() if f"`{name}`" not in settings] == []
