"""Settings of sign-in: what is read, and each refusal with its sentence."""

from typing import Final

import pytest
from pydantic import SecretStr

from shared.config import CloudSettings, SettingsWithoutKeys, load, notes
from shared.environment import SettingsError

PUBLIC: Final = "https://tickets.example.com"
ISSUER: Final = "https://login.example.com"
COMPLETE: Final = {
    "MCP_OAUTH_ENABLED": "true",
    "MCP_OAUTH_ISSUER": ISSUER,
    "MCP_PUBLIC_URL": PUBLIC,
    "MCP_IDENTITY_KEYS": "i" * 32,
}
FORM: Final = (
    "MCP_OAUTH_ISSUER must be the URL of an identity provider, exactly as its metadata spells `issuer`, for example "
    "https://login.example.com"
)
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - nothing listens in these tests

pytestmark = pytest.mark.usefixtures("env")


def set_all(env: pytest.MonkeyPatch, **changes: str) -> None:
    """Set what a complete sign-in needs, with changes; an empty value counts as not set."""
    for name, value in {**COMPLETE, **changes}.items():
        env.setenv(name, value)


def refusal(env: pytest.MonkeyPatch, **changes: str) -> str:
    set_all(env, **changes)
    with pytest.raises(SettingsError) as caught:
        load(CloudSettings)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "issuers"),
    [
        (ISSUER, {ISSUER: set()}),
        (f"{ISSUER}/", {f"{ISSUER}/": set()}),
        (f" {ISSUER}/realms/A%20b ", {f"{ISSUER}/realms/A%20b": set()}),
        (f"{ISSUER}=acme", {ISSUER: {"acme"}}),
        (
            f"{ISSUER} = acme globex ,https://id.initech.example:8443/=initech,",
            {ISSUER: {"acme", "globex"}, "https://id.initech.example:8443/": {"initech"}},
        ),
        (f"{ISSUER}=acme,{ISSUER}/=acme", {ISSUER: {"acme"}, f"{ISSUER}/": {"acme"}}),
        ("http://127.0.0.1:9412", {"http://127.0.0.1:9412": set()}),
        ("http://localhost:8080/realms/dev", {"http://localhost:8080/realms/dev": set()}),
    ],
)
def test_issuers_are_read_byte_for_byte_with_their_organisations(
    env: pytest.MonkeyPatch, written: str, issuers: dict[str, set[str]]
) -> None:
    set_all(env, MCP_OAUTH_ISSUER=written)

    settings = load(CloudSettings)

    assert settings.oauth_issuer == issuers
    assert list(settings.oauth_issuer) == list(issuers)
    assert settings.signs_in
    assert settings.has_loopback_issuer is ("http://" in written)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("login.example.com", FORM),
        ("HTTPS://login.example.com", FORM),
        ("https://", FORM),
        ("https://login.example.com/?a=b", FORM),
        ("https://login.example.com/?a", FORM),
        ("https://login.example.com/#a", FORM),
        ("https://user@login.example.com", FORM),
        ("https://login.example.com acme", FORM),
        ("https://login.example.com:http", FORM),
        ("https://[::1", FORM),
        ("https://<your-provider>/", FORM),
        ("https://a.example;https://b.example", FORM),
        ("https://a.example;https://b.example=acme", FORM),
        ("https://a.example|https://b.example", FORM),
        ("https://a.example https://b.example", FORM),
        ("https://login.example.com/<tenant>/v2.0", FORM),
        ("https://login.例え.jp", FORM),
        ("https://login..example.com", FORM),
        (f"https://{'x' * 64}.example.com", FORM),
        (f"https://login.example.com/{'x' * 300}", FORM),
        ("http://login.example.com", "MCP_OAUTH_ISSUER must begin with https:// (http:// only on this machine)"),
        ("https://keycloak:8443", "MCP_OAUTH_ISSUER must be a public address: "),
        ("https://169.254.169.254", "MCP_OAUTH_ISSUER must be a public address: "),
        ("https://id.corp.internal", "MCP_OAUTH_ISSUER must be a public address: "),
        (f"{ISSUER}=", "MCP_OAUTH_ISSUER must name an organisation after each =: URL=ORGANISATION ORGANISATION"),
        (f"{ISSUER}=Acme Inc.", "MCP_OAUTH_ISSUER must name organisations by their ids, separated by spaces: "),
        (f"{ISSUER}=acme,{ISSUER}=globex", "MCP_OAUTH_ISSUER must name each issuer once: "),
        (f"{ISSUER},https://id.example.com=acme", "MCP_OAUTH_ISSUER must bind each of several issuers to its "),
    ],
)
def test_an_issuer_that_cannot_be_meant_is_refused_without_its_value(
    env: pytest.MonkeyPatch, written: str, sentence: str
) -> None:
    said = refusal(env, MCP_OAUTH_ISSUER=written)

    assert sentence in said
    assert "\n" not in said
    assert "keycloak" not in said
    assert "user@" not in said


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (["MCP_OAUTH_ISSUER"], "MCP_OAUTH_CLIENT_ID (or MCP_OAUTH_ISSUER)"),
        (["MCP_PUBLIC_URL"], "MCP_PUBLIC_URL"),
        (["MCP_IDENTITY_KEYS"], "MCP_IDENTITY_KEYS"),
        (["MCP_PUBLIC_URL", "MCP_IDENTITY_KEYS"], "MCP_PUBLIC_URL and MCP_IDENTITY_KEYS"),
        ([*COMPLETE][1:], "MCP_OAUTH_CLIENT_ID (or MCP_OAUTH_ISSUER), MCP_PUBLIC_URL and MCP_IDENTITY_KEYS"),
    ],
    ids=["issuer", "address", "keys", "two", "all"],
)
@pytest.mark.parametrize("others", [{}, {"MCP_ALLOW_ANONYMOUS": "true"}, {"MCP_HOST": EVERYWHERE}])
def test_an_incomplete_sign_in_is_refused_with_one_sentence(
    env: pytest.MonkeyPatch, missing: list[str], named: str, others: dict[str, str]
) -> None:
    said = refusal(env, **dict.fromkeys(missing, ""), **others)

    assert said == f"MCP_OAUTH_ENABLED needs {named} as well: see docs/oauth.md"


def test_an_issuer_on_this_machine_is_for_servers_that_only_this_machine_reaches(env: pytest.MonkeyPatch) -> None:
    for issuer in ("http://127.0.0.1:9412", "https://localhost:8443"):
        said = refusal(env, MCP_OAUTH_ISSUER=issuer, MCP_HOST=EVERYWHERE)
        assert said.startswith(f"MCP_OAUTH_ISSUER must not be on this machine while the server listens on {EVERYWHERE}")


@pytest.mark.parametrize(("public", "is_refused"), [("http://tickets.example.com", True), ("http://localhost", False)])
def test_access_tokens_are_not_sent_in_clear(env: pytest.MonkeyPatch, public: str, is_refused: bool) -> None:
    if is_refused:
        assert "MCP_PUBLIC_URL must begin with https:// when MCP_OAUTH_ENABLED" in refusal(env, MCP_PUBLIC_URL=public)
    else:
        set_all(env, MCP_PUBLIC_URL=public)
        assert load(CloudSettings).signs_in


@pytest.mark.parametrize("path", ["/mcp", "/sse", "/mcp/", "/tickets/sse"])
def test_the_public_address_is_that_of_the_server_and_of_none_of_its_resources(
    env: pytest.MonkeyPatch, path: str
) -> None:
    said = refusal(env, MCP_PUBLIC_URL=PUBLIC + path)
    assert said.startswith("MCP_PUBLIC_URL must be the address of the server, without /mcp or /sse at its end")

    set_all(env, MCP_PUBLIC_URL=PUBLIC + path, MCP_OAUTH_ENABLED="", MCP_OAUTH_ISSUER="")
    assert not load(CloudSettings).signs_in


@pytest.mark.parametrize("name", ["/mcp", "/sse", "/mcp/", "/sse//"])
@pytest.mark.parametrize("base", [f"{PUBLIC}/tickets", "https://TICKETS.example.com/tickets"])
def test_a_token_for_one_resource_is_not_made_one_for_both(env: pytest.MonkeyPatch, base: str, name: str) -> None:
    said = refusal(env, MCP_PUBLIC_URL=f"{PUBLIC}/tickets/", MCP_OAUTH_AUDIENCE=f"api://tickets,{base}{name}")

    assert said.startswith("MCP_OAUTH_AUDIENCE must not name /mcp or /sse below MCP_PUBLIC_URL")


def test_other_addresses_may_be_names_of_the_server(env: pytest.MonkeyPatch) -> None:
    named = ("https://old.example.com/mcp", PUBLIC, f"{PUBLIC}/tickets/mcp", "api://tickets/mcp")
    set_all(env, MCP_OAUTH_AUDIENCE=",".join(named))

    assert load(CloudSettings).oauth_audience == named


def test_sign_in_is_off_unless_it_is_turned_on(env: pytest.MonkeyPatch) -> None:
    set_all(env, MCP_OAUTH_ENABLED="", MCP_OAUTH_AUDIENCE="api://tickets, tickets")

    settings = load(CloudSettings)

    assert not settings.signs_in
    assert settings.oauth_audience == ("api://tickets", "tickets")
    assert [*notes(settings)] == [
        f"MCP_OAUTH_{name} has no effect: MCP_OAUTH_ENABLED is not set to true." for name in ("ISSUER", "AUDIENCE")
    ]


def test_with_sign_in_on_its_settings_have_an_effect(env: pytest.MonkeyPatch) -> None:
    set_all(env, MCP_OAUTH_AUDIENCE="api://tickets")

    assert [*notes(load(CloudSettings))] == []


def test_a_program_with_a_provider_of_its_own_decides_itself(env: pytest.MonkeyPatch) -> None:
    set_all(env, MCP_PUBLIC_URL="")

    settings = load(SettingsWithoutKeys)

    assert not settings.signs_in
    assert "MCP_OAUTH_ENABLED has no effect: this program has an authentication of its own." in notes(settings)


@pytest.mark.parametrize("name", ["MCP_OAUTH_ISSUERS", "MCP_OAUTH_ENABLE", "MCP_OAUTH_AUDIENCES", "OAUTH_ISSUER"])
def test_a_misspelt_name_is_refused_with_the_right_one(env: pytest.MonkeyPatch, name: str) -> None:
    env.setenv("MCP_MCP_API_KEY", "k" * 32)
    env.setenv(name, "x")

    with pytest.raises(SettingsError, match=f"{name} is not a setting; did you mean MCP_OAUTH_"):
        load(CloudSettings)


def test_callbacks_of_claude_code_are_no_setting(env: pytest.MonkeyPatch) -> None:
    env.setenv("MCP_OAUTH_CALLBACK_PORT", "3000")

    assert load(CloudSettings, mcp_api_key=SecretStr("k" * 32)).mcp_api_key
