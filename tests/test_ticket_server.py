"""The command `ticket-server` and the bundle, as far as they can be tested without installing them.

What is installed is tested in tests/bootstrap/test_installed.py.
"""

import os
import zipfile
from pathlib import Path

import pytest

import ticket_server
from shared.command_lines import is_installed as is_installed_in
from shared.config import machine
from shared.server import VERSION
from tests import bundle


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["ticket-server", *arguments])
    return ticket_server.main()


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]], ids=["nothing", "--help", "-h"])
def test_without_a_command_all_commands_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(monkeypatch, *arguments) == 0

    said = capsys.readouterr().out
    assert [name for name in ("stdio", "http", "auth", "ticket-api") if f"\n  {name} " not in said] == []
    assert ".env" in said
    assert "MCP_DATABASE_URL" in said


@pytest.mark.parametrize("name", ["htpp", "--port", "serve"])
def test_an_unknown_command_lists_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run(monkeypatch, name, "x") == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"ticket-server: there is no command `{name}`.\n\nusage: ticket-server COMMAND")


@pytest.mark.parametrize("name", ["stdio", "http"])
def test_a_server_refuses_arguments_that_it_would_ignore(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run(monkeypatch, name, "--port", "9") == 2

    assert f"`{name}` takes no arguments" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["stdio", "http"])
def test_a_server_says_what_it_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run(monkeypatch, name, "--help") == 0

    assert capsys.readouterr().out.startswith(f"usage: ticket-server {name}\n")


def test_http_without_a_key_is_refused_where_others_reach_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MCP_HOST", "0.0.0.0")  # noqa: S104 - it never listens
    monkeypatch.delenv("MCP_ALLOW_ANONYMOUS", raising=False)

    assert run(monkeypatch, "http") == 2

    assert "MCP_MCP_API_KEY" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("beside", "is_installed"),
    [("mcp_ticket_server-1.1.0.dist-info", True), ("pyproject.toml", False), ("mcp-2.3.0.dist-info", False)],
    ids=["installed", "checkout", "another package"],
)
def test_an_installed_package_is_told_from_a_checkout(tmp_path: Path, beside: str, *, is_installed: bool) -> None:
    (tmp_path / beside).mkdir()

    assert is_installed_in(tmp_path) is is_installed


@pytest.mark.parametrize(
    ("system", "variable", "folder"),
    [
        ("linux", "XDG_DATA_HOME", "{given}"),
        ("linux", "HOME", "{given}/.local/share"),
        ("darwin", "HOME", "{given}/Library/Application Support"),
        ("win32", "LOCALAPPDATA", "{given}"),
    ],
    ids=["linux, set", "linux", "macOS", "Windows"],
)
def test_data_of_an_installed_package_are_in_the_user_s_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, variable: str, folder: str
) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setenv(variable, str(tmp_path))

    assert machine.data_folder() == Path(folder.format(given=tmp_path), "mcp-ticket-server")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no users without a home")
def test_a_user_without_a_home_can_start_with_a_database_that_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    monkeypatch.chdir(tmp_path)

    assert machine.data_folder().is_relative_to(tmp_path)


def test_the_bundle_has_what_runs_and_nothing_else(tmp_path: Path) -> None:
    names = zipfile.ZipFile(bundle.write(tmp_path)).namelist()

    assert {"manifest.json", "pyproject.toml", "ticket_server.py", "ticket_api/sample/ja.toml"} <= set(names)
    assert [name for name in names if name.startswith(("tests/", "data/")) or ".env" in name or ".pyc" in name] == []


def test_the_package_has_the_version_that_the_server_says() -> None:
    assert bundle.project()["project"]["version"] == VERSION


def test_the_bundle_asks_for_the_address_the_key_and_read_only() -> None:
    manifest = bundle.manifest()

    env = manifest["server"]["mcp_config"]["env"]
    assert env == {
        "MCP_API_BASE_URL": "${user_config.api_base_url}",
        "MCP_API_KEY": "${user_config.api_key}",
        "MCP_LANGUAGE": "${user_config.language}",
        "MCP_READ_ONLY": "${user_config.read_only}",
        "MCP_TICKET_USER": "${user_config.ticket_user}",
    }
    asked = manifest["user_config"]
    assert [name for name, field in asked.items() if field.get("sensitive")] == ["api_key"]
    assert [name for name, field in asked.items() if "default" not in field] == [], "it would be handed its own name"
