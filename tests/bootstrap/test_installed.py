"""Installed without a clone: what `uvx` builds from this repository, and the bundle, run in environments of their own.

The copy that is built has what a checkout gathers: settings with secrets, a database, caches.
"""

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from shared.mcp_tools.catalog import TOOLS
from tests import bundle
from tests.javascript import node
from tests.processes import ROOT, environment, free_port, started
from tests.test_requirements import wishes

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("set-up"), pytest.mark.timeout(400)]

UV: Final = (sys.executable, "-m", "uv")
SECRET: Final = "hunter2-is-secret"
TOP_LEVEL: Final = {
    *("auth", "recovery", "shared", "ticket_api", "transport", "web"),
    *("cloud_mcp_server.py", "mcp_server.py", "operations.py", "ticket_server.py", "ticket_service.py"),
}
TICKETS: Final = "mcp-ticket-server/data/tickets.sqlite3"
BUILD_S: Final = 300
CONFIGURED: Final = """\
import { getMcpConfigForManifest } from %s;
import { readFileSync } from "node:fs";
const [folder] = process.argv.slice(-1);
const manifest = JSON.parse(readFileSync(`${folder}/manifest.json`, "utf8"));
const userConfig = { read_only: true };
const options = { manifest, extensionPath: folder, systemDirs: {}, userConfig, pathSeparator: "/" };
console.log(JSON.stringify(await getMcpConfigForManifest(options)));
"""


@dataclass(frozen=True)
class Built:
    """A repository, and what was built from it."""

    repository: Path
    wheel: Path
    source: Path


def run(command: Sequence[str | Path], cwd: Path, **variables: str) -> str:
    """Run a command to its end and return what it printed."""
    env = environment(**variables)
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=BUILD_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The wheel and the source archive of a copy with everything that must not be in them."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "repository"
    for name in sorted(TOP_LEVEL | {"bootstrap", "tests", "run.py", "pyproject.toml", "README.md", "LICENSE"}):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (ROOT / name).exists():
            copy.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, copy)
    run(["git", "init", "-q"], copy)
    run(["git", "add", "."], copy)
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    run(["git", *who, "commit", "-q", "-m", "x", "--no-gpg-sign"], copy)
    for place in (copy, copy / "shared"):  # no .gitignore hides them here
        (place / ".env").write_text(f"MCP_MCP_API_KEY={SECRET}\n", "utf-8")
        (place / "data").mkdir()
        (place / "data" / "tickets.sqlite3").write_text(SECRET, "utf-8")
    run([*UV, "build", "-q", "-o", folder], copy)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(copy, wheel, source)


def uvx(where: Path | str, *arguments: str) -> list[str]:
    """Return the command line that README.md gives, with the Python of the tests."""
    return [*UV, "tool", "run", "--python", sys.executable, "--from", str(where), "ticket-server", *arguments]


def databases(folder: Path) -> list[str]:
    """Return the databases below `folder` that are not part of an installation."""
    found = (path.relative_to(folder) for path in folder.rglob("*.sqlite3"))
    return [path.as_posix() for path in found if ".venv" not in path.parts]


async def talk(parameters: StdioServerParameters) -> tuple[list[str], str]:
    """Return the tools that a server over STDIO lists, and what it says of one ticket."""
    async with Client(stdio_client(parameters)) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        return tools, text_of(await client.call_tool("get_ticket_detail", {"ticketId": "TCK-0001"}))


def text_of(result: Any) -> str:
    return str(result.content[0].text)


def test_the_wheel_has_every_file_of_the_programs_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        (metadata,) = (wheel.read(n).decode() for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))

    assert {name.partition("/")[0] for name in names} <= TOP_LEVEL
    tracked = run(["git", "ls-files", *sorted(TOP_LEVEL)], built.repository).splitlines()
    assert names == set(tracked)
    assert metadata.count("\nRequires-Dist: ") == len([*wishes(ROOT / "requirements-cloud.in")])


def test_the_bundle_has_the_files_of_the_wheel(built: Built, tmp_path: Path) -> None:
    names = set(zipfile.ZipFile(bundle.write(tmp_path)).namelist())

    wheel = {name for name in zipfile.ZipFile(built.wheel).namelist() if ".dist-info/" not in name}
    assert names == wheel | {"manifest.json", "pyproject.toml", "README.md", "LICENSE"}


def test_the_source_archive_has_no_secrets_and_no_data(built: Built) -> None:
    with tarfile.open(built.source) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
        texts = [file.read() for member in archive if (file := archive.extractfile(member))]

    assert {name.partition("/")[0] for name in names} <= TOP_LEVEL | {
        *("PKG-INFO", "README.md", "LICENSE", "pyproject.toml", ".gitignore"),
    }
    assert [text for text in texts if SECRET.encode() in text] == []


async def test_uvx_serves_over_stdio_and_keeps_tickets_in_the_data_folder(built: Built, tmp_path: Path) -> None:
    command, *arguments = uvx(built.wheel, "stdio")
    env = environment(XDG_DATA_HOME=str(tmp_path))

    tools, said = await talk(StdioServerParameters(command=command, args=arguments, env=env, cwd=tmp_path))

    assert tools == [tool.name for tool in TOOLS]
    assert "TCK-0001" in said
    assert databases(tmp_path) == [TICKETS]


async def test_a_database_that_is_set_wins_over_the_data_folder(built: Built, tmp_path: Path) -> None:
    command, *arguments = uvx(built.wheel, "stdio")
    elsewhere = tmp_path / "elsewhere.sqlite3"
    env = environment(XDG_DATA_HOME=str(tmp_path), MCP_DATABASE_URL=f"sqlite:///{elsewhere.as_posix()}")

    await talk(StdioServerParameters(command=command, args=arguments, env=env, cwd=tmp_path))

    assert databases(tmp_path) == ["elsewhere.sqlite3"]


async def test_uvx_serves_over_http_without_a_key_on_loopback(built: Built, tmp_path: Path) -> None:
    settings = {"XDG_DATA_HOME": str(tmp_path), "PORT": str(free_port())}
    with started(uvx(built.wheel, "http")[1:], **settings) as (address, _):
        health = httpx2.get(f"{address}/health").json()
        async with Client(streamable_http_client(f"{address}/mcp")) as client:
            said = text_of(await client.call_tool("get_ticket_detail", {"ticketId": "TCK-0001"}))

    assert health["status"] == "healthy"
    assert "TCK-0001" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version"], f"ticket-server {bundle.project()['project']['version']}\n"),
        (["auth", "--help"], "Usage: ticket-server auth "),
        (["ticket-api", "--help"], "usage: ticket-server ticket-api "),
    ],
    ids=["version", "auth", "ticket-api"],
)
def test_uvx_runs_the_commands_from_the_address_of_a_repository(
    built: Built, tmp_path: Path, arguments: list[str], said: str
) -> None:
    address = f"git+{built.repository.as_uri()}"

    assert run(uvx(address, *arguments), tmp_path).startswith(said)


async def test_the_bundle_is_valid_and_its_server_runs_as_it_is_configured(node_modules: Path, tmp_path: Path) -> None:
    extension = tmp_path / "extension"
    shutil.unpack_archive(bundle.write(tmp_path), extension, "zip")
    mcpb = node_modules / "@anthropic-ai" / "mcpb" / "dist"
    program = tmp_path / "configured.mjs"
    program.write_text(CONFIGURED % json.dumps((mcpb / "shared" / "config.js").as_uri()), "utf-8")

    validated = await node(str(mcpb / "cli" / "cli.js"), "validate", str(extension / "manifest.json"))
    assert validated.returncode == 0, validated.stdout + validated.stderr
    configured: Mapping[str, Any] = json.loads((await node(str(program), str(extension))).stdout)

    assert configured["command"] == "uv"
    env = environment(**configured["env"], XDG_DATA_HOME=str(tmp_path / "home"), UV_PYTHON=sys.executable)
    env.pop("VIRTUAL_ENV", None)
    parameters = StdioServerParameters(command=UV[0], args=[*UV[1:], *configured["args"]], env=env, cwd=tmp_path)
    tools, _ = await talk(parameters)

    listed = json.loads((extension / "manifest.json").read_text("utf-8"))["tools"]
    assert [tool["name"] for tool in listed] == [tool.name for tool in TOOLS]
    assert tools == [tool.name for tool in TOOLS if tool.read_only], "as the user has chosen"
    assert databases(tmp_path) == [f"home/{TICKETS}"], "an update replaces the folder of the bundle"
