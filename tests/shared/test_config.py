"""Settings: their sources, and each refusal with its sentence. Tests never read the real environment."""

import runpy
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.config import (
    CloudSettings,
    IdentitySettings,
    Settings,
    StdioSettings,
    TicketApiSettings,
    ToolSettings,
    is_loopback,
    load,
    settings_table,
)
from shared.environment import SettingsError
from tests.kills import kills

KEY = "k" * 32
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens in these tests

pytestmark = pytest.mark.usefixtures("env")


def refusal_of(settings: type[Settings], **variables: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with pytest.raises(SettingsError) as caught:
            load(settings)
    assert caught.value.__cause__ is None  # pydantic's error shows more than its messages
    assert caught.value.__suppress_context__
    return str(caught.value)


# --- every entry point


def test_nothing_set_is_enough_for_stdio() -> None:
    settings = load(StdioSettings)

    assert settings.is_embedded
    assert settings.database_url.get_secret_value().startswith("sqlite:///")
    assert settings.database_url.get_secret_value().endswith("/data/tickets.sqlite3")
    assert (settings.sample_data, settings.log_level, settings.completed_status_id) == ("en", "INFO", "stat4")
    assert settings.api_key is None


def test_the_default_database_does_not_depend_on_the_working_directory(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = load(Settings).database_url
    env.chdir(tmp_path)

    assert load(Settings).database_url == here
    assert Path(here.get_secret_value().removeprefix("sqlite:///")).is_absolute()


def test_every_variable_has_the_prefix(env: pytest.MonkeyPatch) -> None:
    env.setenv("MCP_DATABASE_URL", "postgresql://u:p@h/n")
    env.setenv("MCP_SAMPLE_DATA", "ja")
    env.setenv("MCP_LOG_LEVEL", "DEBUG")
    env.setenv("MCP_API_BASE_URL", "https://tickets.example.com/api")
    env.setenv("MCP_API_KEY", "their-key")
    env.setenv("MCP_COMPLETED_STATUS_ID", "done")

    settings = load(ToolSettings)

    assert settings.database_url.get_secret_value() == "postgresql://u:p@h/n"
    assert (settings.sample_data, settings.log_level, settings.completed_status_id) == ("ja", "DEBUG", "done")
    assert str(settings.api_base_url) == "https://tickets.example.com/api"
    assert not settings.is_embedded
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "their-key"


def test_what_is_given_wins_over_the_environment_and_that_over_the_file(
    env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("MCP_SAMPLE_DATA=ja\nMCP_LOG_LEVEL=ERROR\n", "utf-8")
    env.setenv("MCP_LOG_LEVEL", "DEBUG")

    assert load(Settings).sample_data == "ja"
    assert load(Settings).log_level == "DEBUG"
    assert load(Settings, log_level="WARNING").log_level == "WARNING"


def test_an_empty_variable_is_an_unset_one(env: pytest.MonkeyPatch) -> None:
    for name in ("MCP_API_BASE_URL", "MCP_API_KEY", "MCP_SAMPLE_DATA", "MCP_PORT", "MCP_ALLOW_ANONYMOUS"):
        env.setenv(name, "")

    assert load(CloudSettings, allow_anonymous=True) == CloudSettings(allow_anonymous=True)


def test_blanks_around_a_value_do_not_count(env: pytest.MonkeyPatch) -> None:
    """Values from secret stores come as files, and files end in a newline."""
    env.setenv("MCP_MCP_API_KEY", f"{KEY}\n")
    env.setenv("MCP_API_KEY", " their-key\r\n")

    settings = load(CloudSettings)

    assert [key.get_secret_value() for key in settings.mcp_api_key] == [KEY]
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "their-key"


def test_settings_do_not_change_while_the_program_runs() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(load(Settings), "log_level", "DEBUG")  # noqa: B010 - mypy knows, the test is for those without it


def test_secrets_are_masked(env: pytest.MonkeyPatch) -> None:
    secrets = {"MCP_DATABASE_URL": "postgresql://u:hush@h/n", "MCP_API_KEY": "hush", "MCP_MCP_API_KEY": "hush" * 8}
    for name, value in secrets.items():
        env.setenv(name, value)

    settings = load(CloudSettings)

    assert "hush" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_no_refusal_shows_a_value() -> None:
    names = ("SAMPLE_DATA", "LOG_LEVEL", "API_BASE_URL", "PORT", "MCP_API_KEY", "ALLOW_ANONYMOUS", "MAX_SESSIONS")

    said = refusal_of(CloudSettings, **{f"MCP_{name}": "hush" for name in names})

    assert len(said.splitlines()) == len(names)
    assert "hush" not in said


def test_pydantic_itself_shows_no_value_either() -> None:
    with pytest.raises(ValidationError) as caught:
        CloudSettings(mcp_api_key="hush", port="hush")

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("MCP_SAMPLE_DATA", "fr", "MCP_SAMPLE_DATA must be one of en, ja, none"),
        ("MCP_LOG_LEVEL", "LOUD", "MCP_LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR"),
        ("MCP_COMPLETED_STATUS_ID", "s" * 51, "MCP_COMPLETED_STATUS_ID must be 1 to 50 characters long"),
        ("MCP_PORT", "http", "PORT or MCP_PORT must be a whole number from 0 to 65535"),
        ("PORT", "65536", "PORT or MCP_PORT must be a whole number from 0 to 65535"),
        ("PORT", "-1", "PORT or MCP_PORT must be a whole number from 0 to 65535"),
        ("MCP_CLOUD_RUN_TIMEOUT", "0", "MCP_CLOUD_RUN_TIMEOUT must be a whole number from 1 to 3600"),
        ("MCP_CLOUD_RUN_TIMEOUT", "3601", "MCP_CLOUD_RUN_TIMEOUT must be a whole number from 1 to 3600"),
        ("MCP_CLOUD_RUN_TIMEOUT", "1.5", "MCP_CLOUD_RUN_TIMEOUT must be a whole number from 1 to 3600"),
        ("MCP_MAX_SESSIONS", "0", "MCP_MAX_SESSIONS must be a whole number, 1 or more"),
        ("MCP_MAX_SESSIONS_PER_PRINCIPAL", "0", "MCP_MAX_SESSIONS_PER_PRINCIPAL must be a whole number, 1 or more"),
        ("MCP_ALLOW_ANONYMOUS", "maybe", "MCP_ALLOW_ANONYMOUS must be true or false"),
        ("MCP_ALLOW_EPHEMERAL", "2", "MCP_ALLOW_EPHEMERAL must be true or false"),
        ("MCP_MCP_API_KEY", "k" * 31, "MCP_MCP_API_KEY must be 32 characters long or more"),
        ("MCP_PUBLIC_URL", "tickets", "MCP_PUBLIC_URL must be an address that begins with http:// or https://"),
        ("MCP_PUBLIC_URL", "ftp://x", "MCP_PUBLIC_URL must be an address that begins with http:// or https://"),
        (
            "MCP_API_BASE_URL",
            "localhost:3000",
            "MCP_API_BASE_URL must be an address that begins with http:// or https://, or embedded",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(variable: str, value: str, sentence: str) -> None:
    assert refusal_of(CloudSettings, **{variable: value}) == sentence


@pytest.mark.parametrize("address", ["http://u:p@h", "https://h/?key=x", "https://h/#x", "http://u@h"])
@pytest.mark.parametrize("variable", ["MCP_API_BASE_URL", "MCP_PUBLIC_URL"])
def test_an_address_with_a_secret_in_it_is_refused(variable: str, address: str) -> None:
    said = refusal_of(CloudSettings, MCP_MCP_API_KEY=KEY, **{variable: address})

    assert said.startswith(f"{variable} must be an address without user, password, ? and #")


@pytest.mark.parametrize("variable", ["MCP_API_KEY", "MCP_MCP_API_KEY"])
@pytest.mark.parametrize("key", ["", " " * 40, "é" * 32, "two words " * 4, "k" * 32 + "\x00"])
def test_a_key_that_no_header_can_carry_is_refused(variable: str, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(CloudSettings, **{variable.removeprefix("MCP_").lower(): key})

    assert f"{variable} must be ASCII letters, digits and symbols without spaces" in str(caught.value)


def test_all_wrong_variables_are_named_at_once() -> None:
    said = refusal_of(CloudSettings, MCP_SAMPLE_DATA="fr", MCP_PORT="x")

    assert [line.partition(" must ")[0] for line in said.splitlines()] == ["MCP_SAMPLE_DATA", "PORT or MCP_PORT"]


# --- the STDIO server


def test_the_variables_of_todays_script_are_read_by_stdio(env: pytest.MonkeyPatch) -> None:
    env.setenv("API_BASE_URL", "http://localhost:3000")
    env.setenv("API_KEY", "old")

    settings = load(StdioSettings)

    assert str(settings.api_base_url) == "http://localhost:3000/"
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "old"


def test_the_variables_with_prefix_win_over_those_of_todays_script(env: pytest.MonkeyPatch) -> None:
    for name, value in {"API_BASE_URL": "https://old", "API_KEY": "old"}.items():
        env.setenv(name, value)
        env.setenv(f"MCP_{name}", value.replace("old", "new"))

    settings = load(StdioSettings)

    assert str(settings.api_base_url) == "https://new/"
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "new"


def test_the_http_door_does_not_read_the_variables_of_todays_script(env: pytest.MonkeyPatch) -> None:
    env.setenv("API_BASE_URL", "http://localhost:3000")
    env.setenv("MCP_API_BASE_URL", "embedded")  # alone, the variable without prefix is refused
    env.setenv("API_KEY", "old")

    settings = load(CloudSettings, mcp_api_key=KEY)

    assert settings.is_embedded
    assert settings.api_key is None


def test_a_wrong_value_names_both_variables_it_may_have_come_from() -> None:
    said = refusal_of(StdioSettings, API_BASE_URL="localhost")

    assert said == (
        "MCP_API_BASE_URL or API_BASE_URL must be an address that begins with http:// or https://, or embedded"
    )


@pytest.mark.parametrize("settings", [StdioSettings, CloudSettings, TicketApiSettings])
@pytest.mark.parametrize("zone", ["JST", "UTC+9", "Tokyo", "Asia", "+09:00", "../etc/passwd"])
def test_a_time_zone_is_an_iana_name(settings: type[Settings], zone: str) -> None:
    said = refusal_of(settings, MCP_TIME_ZONE=zone)

    assert "MCP_TIME_ZONE must be a time zone by its IANA name, for example Asia/Tokyo or UTC" in said.split("\n")


# --- the HTTP server


@kills("shared/config/cloud.py", "if not self.allow_anonymous:", "if False:")
def test_without_a_key_nothing_is_served() -> None:
    assert refusal_of(CloudSettings) == (
        "set MCP_MCP_API_KEY (32 characters or more), MCP_IDENTITY_KEYS for a key for each user, or "
        "MCP_ALLOW_ANONYMOUS=true on a loopback address"
    )


def test_keys_of_the_identity_store_are_keys_too() -> None:
    settings = load(CloudSettings, identity_keys=KEY)

    assert settings.asks_for_keys
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    ("tickets", "identity"),
    [
        ("sqlite:////data/tickets.sqlite3", "sqlite:////data/tickets-identity.sqlite3"),
        ("sqlite:////data.d/tickets", "sqlite:////data.d/tickets-identity"),
        ("postgresql://u:p@h/n", "postgresql://u:p@h/n"),
    ],
)
def test_the_identity_store_is_beside_the_tickets(tickets: str, identity: str) -> None:
    assert load(IdentitySettings, database_url=tickets).identity_database_url == identity


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "LocalHost", "::1", "[::1]"])
def test_anonymous_is_served_on_loopback(host: str) -> None:
    assert is_loopback(host)
    assert load(CloudSettings, allow_anonymous=True, host=host).mcp_api_key == ()


@kills("shared/config/cloud.py", "if not is_loopback(self.host):", "if False:")
@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.168.1.5", "tickets.example.com", "localhost.example.com", ""])
def test_anonymous_is_served_nowhere_else(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(SettingsError) as caught:
        load(CloudSettings, allow_anonymous=True, host=host, public_url="https://tickets.example.com")

    assert str(caught.value) == (f"MCP_ALLOW_ANONYMOUS serves loopback only, not {host}: set MCP_MCP_API_KEY instead")


def test_a_host_for_others_needs_the_names_they_use() -> None:
    said = refusal_of(CloudSettings, MCP_MCP_API_KEY=KEY, MCP_HOST=EVERYWHERE)

    assert said == "listening on 0.0.0.0 needs the names clients use: set MCP_PUBLIC_URL or MCP_ALLOWED_HOSTS"


def test_a_port_from_cloud_run_is_read_first(env: pytest.MonkeyPatch) -> None:
    assert load(CloudSettings, mcp_api_key=KEY).port == 8080
    env.setenv("MCP_PORT", "9000")
    assert load(CloudSettings, mcp_api_key=KEY).port == 9000
    env.setenv("PORT", "9001")
    assert load(CloudSettings, mcp_api_key=KEY).port == 9001
    assert load(TicketApiSettings, api_key=KEY).port == 9001


def test_limits_have_defaults_and_are_read(env: pytest.MonkeyPatch) -> None:
    settings = load(CloudSettings, mcp_api_key=KEY)
    assert (settings.cloud_run_timeout, settings.max_sessions, settings.max_sessions_per_principal) == (840, 1000, 500)

    env.setenv("MCP_CLOUD_RUN_TIMEOUT", "3600")
    env.setenv("MCP_MAX_SESSIONS", "2")
    env.setenv("MCP_MAX_SESSIONS_PER_PRINCIPAL", "1")
    settings = load(CloudSettings, mcp_api_key=KEY)
    assert (settings.cloud_run_timeout, settings.max_sessions, settings.max_sessions_per_principal) == (3600, 2, 1)


def test_loopback_is_known_by_its_own_names_and_pages() -> None:
    settings = load(CloudSettings, mcp_api_key=KEY)

    assert settings.accepted_hosts == ("localhost", "127.0.0.1", "[::1]")
    assert settings.accepted_origins == ("http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*")


def test_a_public_host_is_known_by_its_name_and_tag_form_only() -> None:
    settings = load(
        CloudSettings, mcp_api_key=KEY, host=EVERYWHERE, public_url="https://Tickets.example.com:8443/some/path"
    )

    assert settings.accepted_hosts == ("tickets.example.com", "*---tickets.example.com")
    assert settings.accepted_origins == ()


def test_a_public_address_in_front_of_loopback_adds_to_its_names() -> None:
    settings = load(CloudSettings, mcp_api_key=KEY, public_url="https://t.example.com")

    assert settings.accepted_hosts == ("t.example.com", "*---t.example.com", "localhost", "127.0.0.1", "[::1]")


def test_hosts_and_origins_that_are_named_replace_the_defaults(env: pytest.MonkeyPatch) -> None:
    env.setenv("MCP_ALLOWED_HOSTS", " a.example.com, *.b.example.com ,,")
    env.setenv("MCP_ALLOWED_ORIGINS", "https://a.example.com")

    settings = load(CloudSettings, mcp_api_key=KEY, public_url="https://t.example.com")

    assert settings.accepted_hosts == ("a.example.com", "*.b.example.com")
    assert settings.accepted_origins == ("https://a.example.com",)


# --- on Cloud Run


@pytest.fixture
def cloud_run(env: pytest.MonkeyPatch) -> None:
    env.setenv("K_SERVICE", "tickets")
    env.setenv("MCP_MCP_API_KEY", KEY)
    env.setenv("MCP_PUBLIC_URL", "https://tickets.example.com")
    env.setenv("MCP_API_BASE_URL", "https://api.example.com")


@pytest.mark.usefixtures("cloud_run")
def test_on_cloud_run_every_address_is_listened_on() -> None:
    assert load(CloudSettings).host == EVERYWHERE


@pytest.mark.usefixtures("cloud_run")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_on_cloud_run_loopback_is_refused(host: str) -> None:
    assert refusal_of(CloudSettings, MCP_HOST=host) == (f"on Cloud Run {host} cannot be reached: set MCP_HOST=0.0.0.0")


@pytest.mark.usefixtures("cloud_run")
def test_on_cloud_run_the_embedded_api_is_refused_unless_the_loss_is_accepted() -> None:
    assert refusal_of(CloudSettings, MCP_API_BASE_URL="embedded") == (
        "on Cloud Run the embedded ticket API would lose its data: set MCP_API_BASE_URL to a ticket API "
        "(or MCP_ALLOW_EPHEMERAL=true to accept the loss)"
    )
    assert load(CloudSettings, api_base_url="embedded", allow_ephemeral=True).is_embedded


@pytest.mark.usefixtures("cloud_run")
def test_on_cloud_run_keys_in_a_file_are_refused() -> None:
    assert "keys in an SQLite file would be lost" in refusal_of(CloudSettings, MCP_IDENTITY_KEYS=KEY)
    assert load(CloudSettings, database_url="postgresql://u:p@h/n", identity_keys=KEY).trusted_proxies == 1


@pytest.mark.usefixtures("cloud_run")
def test_on_cloud_run_anonymous_is_refused() -> None:
    said = refusal_of(CloudSettings, MCP_MCP_API_KEY="", MCP_ALLOW_ANONYMOUS="true")

    assert said == "MCP_ALLOW_ANONYMOUS serves loopback only, not 0.0.0.0: set MCP_MCP_API_KEY instead"


# --- the ticket API as a service


@kills("shared/config/ticket_api.py", "not (self.allow_anonymous and is_loopback(self.host))", "False")
def test_the_ticket_api_asks_for_a_key_unless_it_is_on_loopback() -> None:
    sentence = "set MCP_API_KEY, or MCP_ALLOW_ANONYMOUS=true on a loopback address"

    assert refusal_of(TicketApiSettings) == sentence
    assert refusal_of(TicketApiSettings, MCP_ALLOW_ANONYMOUS="true", MCP_HOST=EVERYWHERE) == sentence
    assert refusal_of(TicketApiSettings, MCP_ALLOW_ANONYMOUS="true", K_SERVICE="api") == sentence
    assert refusal_of(TicketApiSettings, MCP_API_KEY="") == sentence
    assert refusal_of(TicketApiSettings, MCP_API_KEY=" ").startswith("MCP_API_KEY must be ASCII")
    assert load(TicketApiSettings, allow_anonymous=True).port == 8081
    assert load(TicketApiSettings, api_key=KEY, host=EVERYWHERE).host == EVERYWHERE


@pytest.mark.parametrize("host", [EVERYWHERE, "192.168.1.5"])
def test_a_short_key_guards_the_ticket_api_on_loopback_only(host: str) -> None:
    said = refusal_of(TicketApiSettings, MCP_API_KEY="k" * 31, MCP_HOST=host)

    assert said == f"listening on {host} needs an MCP_API_KEY of 32 characters or more"
    assert load(TicketApiSettings, api_key=KEY, host=host).api_key
    assert load(TicketApiSettings, api_key="k").host == "127.0.0.1"


@pytest.mark.parametrize("url", ["", "sqlite:////data/t.sqlite3", "sqlite+aiosqlite:///t.sqlite3", " sqlite:///t\n"])
def test_on_cloud_run_the_ticket_api_refuses_a_file_unless_the_loss_is_accepted(
    url: str, env: pytest.MonkeyPatch
) -> None:
    env.setenv("MCP_API_KEY", KEY)
    env.setenv("MCP_DATABASE_URL", url)
    assert load(TicketApiSettings).host == "127.0.0.1"

    assert refusal_of(TicketApiSettings, K_SERVICE="api") == (
        "on Cloud Run an SQLite file would be lost: set MCP_DATABASE_URL to a PostgreSQL database "
        "(or MCP_ALLOW_EPHEMERAL=true to accept the loss)"
    )
    env.setenv("K_SERVICE", "api")
    assert load(TicketApiSettings, allow_ephemeral=True).host == EVERYWHERE
    assert load(TicketApiSettings, database_url="postgresql://u:p@h/n").host == EVERYWHERE


# --- the table of the README


def test_the_table_has_a_meaning_and_a_default_for_every_setting() -> None:
    head, line, *rows = settings_table().splitlines()

    assert head == "| variable | default | meaning |"
    assert line == "|---|---|---|"
    assert len(rows) == len(CloudSettings.model_fields)
    for row in rows:
        variable, default, meaning = row.strip("| ").split(" | ")
        assert variable.startswith(("`MCP_", "`PORT`", "`OTEL_"))
        assert default == "–" or default.startswith("`")
        assert meaning.endswith(".")


def test_the_table_names_what_people_set_and_no_path_of_this_machine() -> None:
    table = settings_table()

    assert "| `MCP_DATABASE_URL` | `sqlite:///…/data/tickets.sqlite3` of the checkout |" in table
    assert "| `MCP_MCP_API_KEY` | – |" in table
    assert "| `MCP_ALLOW_ANONYMOUS` | `false` |" in table
    assert "| `MCP_HOST` | `127.0.0.1`; on Cloud Run `0.0.0.0` |" in table
    assert "| `PORT` | `8080` |" in table
    assert str(Path.cwd()) not in table
    assert "None" not in table


def test_the_table_is_printed_by_the_module(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("shared.config", run_name="__main__")

    assert capsys.readouterr().out == settings_table()


def test_keys_for_request_states_come_in_order_and_are_never_shown(env: pytest.MonkeyPatch) -> None:
    env.setenv("MCP_REQUEST_STATE_KEYS", f"{'n' * 32}, {'o' * 40}")

    settings = load(CloudSettings, mcp_api_key="k" * 32)

    assert [key.get_secret_value() for key in settings.request_state_keys] == ["n" * 32, "o" * 40]
    assert "nnn" not in repr(settings)


def test_a_short_key_seals_nothing(env: pytest.MonkeyPatch) -> None:
    env.setenv("MCP_REQUEST_STATE_KEYS", f"{'n' * 32}, short")

    with pytest.raises(SettingsError, match="must be keys of 32 characters or more") as error:
        load(CloudSettings, mcp_api_key="k" * 32)

    assert str(error.value).startswith("MCP_REQUEST_STATE_KEYS ")
    assert "short" not in str(error.value)
