"""Names of variables: misspelt settings are refused, those of clients ignored, and what has no effect is reported."""

import os
from pathlib import Path

import pytest

from shared.config import CloudSettings, IdentitySettings, Settings, StdioSettings, TicketApiSettings, load, notes
from shared.config.names import edits, known
from shared.environment import SettingsError
from tests.kills import kills

KEY = "k" * 32
PROGRAMS = (CloudSettings, StdioSettings, TicketApiSettings, IdentitySettings, Settings)
WRONG = {
    "MCP_API_BASEURL": "MCP_API_BASE_URL",
    "MCP_APIBASE_URL": "MCP_API_BASE_URL",
    "MCP_API_BASE_URI": "MCP_API_BASE_URL",
    "MCP_MCP_APIKEY": "MCP_MCP_API_KEY",
    "MCP_MCP_API_KEYS": "MCP_MCP_API_KEY",
    "MCP_IDENTITY_KEY": "MCP_IDENTITY_KEYS",
    "MCP_OPERTAOR_KEY": "MCP_OPERATOR_KEY",
    "MCP_MCP_MCP_API_KEY": "MCP_MCP_API_KEY",
    "MCP_MCP_LOG_LEVEL": "MCP_LOG_LEVEL",
    "MCP_MCP_READONLY": "MCP_READ_ONLY",
    "MCP__HOST": "MCP_HOST",
    "MPC_DATABASE_URL": "MCP_DATABASE_URL",
    "MCPDATABASE_URL": "MCP_DATABASE_URL",
    "mcp_sample_date": "MCP_SAMPLE_DATA",
    "MCP_CLIENT_HABIT_OFF": "MCP_CLIENT_HABITS_OFF",
}
OF_CLIENTS = (
    *("MCP_TIMEOUT", "MCP_TOOL_TIMEOUT", "MAX_MCP_OUTPUT_TOKENS", "MCP_CLIENT_SECRET", "MCP_OAUTH_CALLBACK_PORT"),
    *("MCP_CONNECTION_NONBLOCKING", "MCP_SERVER_CONNECTION_BATCH_SIZE", "MCP_REMOTE_SERVER_CONNECTION_BATCH_SIZE"),
    *("MCP_AUTO_OPEN_ENABLED", "MCP_SERVER_REQUEST_TIMEOUT", "MCP_REQUEST_MAX_TOTAL_TIMEOUT", "MCP_PROXY_AUTH_TOKEN"),
    *("MCP_PROXY_FULL_ADDRESS", "MCP_REQUEST_TIMEOUT_RESET_ON_PROGRESS", "MCP_REMOTE_CONFIG_DIR", "MCP_PROXY_PORT"),
)
OF_OTHERS = ("TCP_PORT", "APP_HOST", "APP_DATABASE_URL", "FTP_PORT", "CLAUDE_CODE_MCP", "MC", "MCP", "COMPOSE_FILE")


@pytest.fixture(autouse=True)
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without settings, and a `.env` that the test may write."""
    for name in os.environ:
        if name.upper() in known() or name.upper().startswith("MCP_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(Settings, "dotenv_path", tmp_path / ".env")
    monkeypatch.setenv("MCP_ALLOW_ANONYMOUS", "true")
    return monkeypatch


def refusal_of(settings: type[Settings]) -> str:
    with pytest.raises(SettingsError) as caught:
        load(settings)
    return str(caught.value)


@kills(
    "shared/config/loading.py", "refuse_wrong_names(settings, os.environ, dotenv.read(Settings.dotenv_path))", "pass"
)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_misspelt_setting_is_refused_with_the_right_name(env: pytest.MonkeyPatch, program: type[Settings]) -> None:
    for name in WRONG:
        env.setenv(name, "hush")

    said = refusal_of(program)

    assert sorted(said.splitlines()) == sorted(
        f"{name.upper()} is not a setting; did you mean {right}? Rename or remove it." for name, right in WRONG.items()
    )


@pytest.mark.parametrize("wrong", WRONG)
def test_a_misspelt_setting_in_the_file_is_refused_with_its_line(tmp_path: Path, wrong: str) -> None:
    (tmp_path / ".env").write_text(f"# settings\n{wrong}=hush\n", "utf-8")

    assert refusal_of(StdioSettings) == (
        f"{wrong.upper()} (line 2 of .env) is not a setting; did you mean {WRONG[wrong]}? Rename or remove it."
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_variables_of_clients_and_of_other_programs_are_ignored(
    env: pytest.MonkeyPatch, program: type[Settings]
) -> None:
    """Claude Code hands MCP_TIMEOUT and MCP_TOOL_TIMEOUT to a STDIO server; MCP Inspector has the others."""
    for name in (*OF_CLIENTS, *OF_OTHERS):
        env.setenv(name, "30000")

    assert not [said for said in notes(load(program)) if "ALLOW_ANONYMOUS" not in said]


def test_every_setting_is_distinguished_from_every_variable_of_a_client() -> None:
    near = [(name, right) for name in OF_CLIENTS for right in known() if edits(name, right) <= 2]

    assert near == []


@pytest.mark.parametrize("name", ["MCP_SOMETHING", "MCP_API_URL", "mcp_debug_level", "MCP_SERVICE_HOST"])
def test_any_other_name_with_the_prefix_is_one_line_and_refused_in_the_file(
    env: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    env.setenv(name, "1")

    assert list(notes(load(IdentitySettings))) == [f"{name.upper()} is not a setting of this program and is ignored."]

    (tmp_path / ".env").write_text(f"{name}=1\nSOMETHING=1\n", "utf-8")
    assert refusal_of(StdioSettings) == (
        f"{name.upper()} (line 1 of .env) is not a setting; README.md lists all. Remove it."
    )


@pytest.mark.parametrize("name", ["DATABASE_URL", "API_BASE_URL", "IDENTITY_KEYS", "SAMPLE_DATA", "BROKER_URL"])
def test_a_name_without_the_prefix_is_refused(env: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    sentence = f"{name} is not a setting; did you mean MCP_{name}? Rename or remove it."
    env.setenv(name, "redis://localhost")
    assert refusal_of(CloudSettings) == sentence

    env.delenv(name)
    (tmp_path / ".env").write_text(f"{name}=redis://localhost\n", "utf-8")
    assert refusal_of(CloudSettings) == sentence.replace(" is", " (line 1 of .env) is", 1)


def test_a_name_without_the_prefix_is_ignored_beside_the_right_one(env: pytest.MonkeyPatch) -> None:
    env.setenv("DATABASE_URL", "postgresql://another/program")
    env.setenv("MCP_DATABASE_URL", "sqlite:///here.sqlite3")

    assert load(CloudSettings).database_url.get_secret_value() == "sqlite:///here.sqlite3"


def test_common_names_and_all_that_a_client_hands_on_are_reported_only(env: pytest.MonkeyPatch) -> None:
    """A client starts a STDIO server with the environment of a developer's shell."""
    for name in ("HOST", "LOG_LEVEL"):
        env.setenv(name, "1")
    assert [said for said in notes(load(CloudSettings)) if said.startswith(("HOST", "LOG"))] == [
        "HOST is ignored; the setting is MCP_HOST.",
        "LOG_LEVEL is ignored; the setting is MCP_LOG_LEVEL.",
    ]

    env.setenv("DATABASE_URL", "postgresql://another/program")
    env.delenv("MCP_ALLOW_ANONYMOUS")
    assert list(notes(load(StdioSettings))) == [
        "DATABASE_URL is ignored; the setting is MCP_DATABASE_URL.",
        "LOG_LEVEL is ignored; the setting is MCP_LOG_LEVEL.",
    ]


@pytest.mark.parametrize(
    ("program", "given", "sentence"),
    [
        (StdioSettings, {"MCP_PORT": "1"}, "MCP_PORT has no effect here: another program"),
        (StdioSettings, {"API_KEY": "k"}, "API_KEY has no effect: the ticket API is embedded"),
        (StdioSettings, {"MCP_API_KEY": "k", "API_KEY": "j", "API_BASE_URL": "https://h"}, "API_KEY has no effect"),
        (StdioSettings, {"API_BASE_URL": "http://h", "MCP_SAMPLE_DATA": "ja"}, "MCP_SAMPLE_DATA has no effect: the"),
        (StdioSettings, {"API_BASE_URL": "http://h", "MCP_DATABASE_URL": "sqlite:///x"}, "MCP_DATABASE_URL has no"),
        (CloudSettings, {"MCP_API_BASE_URL": "http://h", "MCP_DATABASE_URL": "sqlite:///x"}, "MCP_DATABASE_URL has no"),
        (CloudSettings, {"MCP_API_CONCURRENCY": "3"}, "MCP_API_CONCURRENCY has no effect: the ticket API is embedded"),
        (CloudSettings, {"PORT": "1", "MCP_PORT": "2"}, "MCP_PORT has no effect: PORT wins"),
        (CloudSettings, {"MCP_MCP_API_KEY": KEY}, "MCP_ALLOW_ANONYMOUS has no effect: a key is required"),
        (CloudSettings, {"MCP_REVOKE_WITHIN": "3"}, "MCP_REVOKE_WITHIN has no effect: only keys of MCP_IDENTITY_KEYS"),
        (CloudSettings, {"MCP_WRITES_PER_MINUTE": "3"}, "MCP_WRITES_PER_MINUTE has no effect: without keys"),
        (CloudSettings, {"MCP_ALLOW_EPHEMERAL": "true"}, "MCP_ALLOW_EPHEMERAL has no effect: this is not Cloud Run"),
        (
            CloudSettings,
            {"MCP_TRANSPORT_TYPE": "streamable_http", "MCP_SSE_SUNSET": "2030-01-01"},
            "MCP_SSE_SUNSET has no effect",
        ),
    ],
)  # fmt: skip
def test_a_setting_without_effect_is_reported(
    env: pytest.MonkeyPatch, program: type[Settings], given: dict[str, str], sentence: str
) -> None:
    for name, value in given.items():
        env.setenv(name, value)

    said = [one for one in notes(load(program)) if program is CloudSettings or "ANONYMOUS" not in one]

    assert [one for one in said if one.startswith(sentence)] == said


def test_nothing_is_reported_of_settings_that_have_an_effect(env: pytest.MonkeyPatch) -> None:
    for name, value in {"MCP_API_BASE_URL": "https://h", "MCP_API_KEY": "k", "MCP_MCP_API_KEY": KEY}.items():
        env.setenv(name, value)
    env.delenv("MCP_ALLOW_ANONYMOUS")

    assert list(notes(load(CloudSettings))) == []
