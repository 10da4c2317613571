"""Settings of the server's own authorization server: what is read, and each refusal with its sentence."""

from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurve, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from shared.config import CloudSettings, SettingsWithoutKeys, load, notes
from shared.config.greeting import who_may_call
from shared.environment import SettingsError
from shared.identity import GOOGLE
from tests.shared.test_config_sign_in import EVERYWHERE, FORM, ISSUER, PUBLIC

CLIENT_ID: Final = "123-abc.apps.googleusercontent.com"
SECRET: Final = "GOCSPX-a-secret"
COMPLETE: Final = {
    "MCP_OAUTH_ENABLED": "true",
    "MCP_OAUTH_CLIENT_ID": CLIENT_ID,
    "MCP_OAUTH_CLIENT_SECRET": SECRET,
    "MCP_PUBLIC_URL": PUBLIC,
    "MCP_IDENTITY_KEYS": "i" * 32,
}

pytestmark = pytest.mark.usefixtures("env")


def set_all(env: pytest.MonkeyPatch, **changes: str) -> None:
    """Set what sign-in with Google needs, with changes; an empty value counts as not set."""
    for name, value in {**COMPLETE, **changes}.items():
        env.setenv(name, value)


def refusal(env: pytest.MonkeyPatch, **changes: str) -> str:
    set_all(env, **changes)
    with pytest.raises(SettingsError) as caught:
        load(CloudSettings)
    said = str(caught.value)
    assert SECRET not in said
    assert "\n" not in said
    return said


def pem(
    curve: EllipticCurve | None = None,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> str:
    key = generate_private_key(curve or SECP256R1())
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()


def test_three_settings_let_people_sign_in_with_google(env: pytest.MonkeyPatch) -> None:
    set_all(env)

    settings = load(CloudSettings)

    assert settings.signs_in
    assert settings.issues_tokens
    assert settings.sign_in_issuers == {GOOGLE: frozenset()}
    assert settings.oauth_registration
    assert settings.oauth_hosted_ranges == ("160.79.104.0/21", "2607:6bc0::/48")
    assert (settings.oauth_redirects, settings.oauth_signing_keys) == ((), ())
    assert SECRET not in repr(settings)
    assert who_may_call(settings).startswith("people who sign in at Google (MCP_OAUTH_CLIENT_ID); ")
    assert [*notes(settings)] == []


@pytest.mark.parametrize(
    ("written", "issuers"),
    [
        (ISSUER, {ISSUER: set()}),
        (f"{ISSUER}=acme globex", {ISSUER: {"acme", "globex"}}),
        (f"{GOOGLE}=acme", {GOOGLE: {"acme"}}),
    ],
    ids=["any", "bound", "google bound"],
)
def test_people_may_sign_in_elsewhere_and_for_some_organisations(
    env: pytest.MonkeyPatch, written: str, issuers: dict[str, set[str]]
) -> None:
    set_all(env, MCP_OAUTH_ISSUER=written)

    assert load(CloudSettings).sign_in_issuers == issuers


def test_another_provider_may_have_any_form_of_id(env: pytest.MonkeyPatch) -> None:
    set_all(env, MCP_OAUTH_ISSUER=ISSUER, MCP_OAUTH_CLIENT_ID="tickets")

    assert load(CloudSettings).oauth_client_id == "tickets"


def test_without_a_client_id_the_tokens_of_the_issuer_are_accepted_as_before(env: pytest.MonkeyPatch) -> None:
    set_all(env, MCP_OAUTH_CLIENT_ID="", MCP_OAUTH_CLIENT_SECRET="", MCP_OAUTH_ISSUER=ISSUER)

    settings = load(CloudSettings)

    assert settings.signs_in
    assert not settings.issues_tokens
    assert settings.sign_in_issuers == {ISSUER: frozenset()}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"MCP_OAUTH_CLIENT_ID": ""}, "MCP_OAUTH_CLIENT_ID is missing: "),
        ({"MCP_OAUTH_CLIENT_ID": "", "MCP_OAUTH_ISSUER": ISSUER}, "MCP_OAUTH_CLIENT_ID is missing: "),
        ({"MCP_OAUTH_CLIENT_SECRET": ""}, "MCP_OAUTH_CLIENT_SECRET is missing: "),
        ({"MCP_PUBLIC_URL": ""}, "MCP_OAUTH_ENABLED needs MCP_PUBLIC_URL as well: see docs/oauth.md"),
        ({"MCP_IDENTITY_KEYS": ""}, "MCP_OAUTH_ENABLED needs MCP_IDENTITY_KEYS as well: see docs/oauth.md"),
        ({"MCP_OAUTH_ISSUER": f"{ISSUER}=a, {GOOGLE}=b"}, "MCP_OAUTH_ISSUER must name one identity provider when "),
        ({"MCP_OAUTH_ISSUER": f"{GOOGLE}/"}, f"MCP_OAUTH_ISSUER must be exactly {GOOGLE} for Google"),
        ({"MCP_OAUTH_ISSUER": f"{GOOGLE}:443"}, f"MCP_OAUTH_ISSUER must be exactly {GOOGLE} for Google"),
        ({"MCP_OAUTH_ISSUER": "accounts.google.com"}, FORM),
        ({"MCP_OAUTH_CLIENT_ID": SECRET}, "MCP_OAUTH_CLIENT_ID must be the client id, which everyone may see"),
        ({"MCP_OAUTH_CLIENT_ID": SECRET, "MCP_OAUTH_ISSUER": ISSUER}, "MCP_OAUTH_CLIENT_ID must be the client id, "),
        ({"MCP_OAUTH_CLIENT_ID": "123-abc"}, "MCP_OAUTH_CLIENT_ID must be the client id, which everyone may see"),
        ({"MCP_OAUTH_CLIENT_ID": "an id"}, "MCP_OAUTH_CLIENT_ID must be the client id that the identity provider"),
        ({"MCP_OAUTH_CLIENT_ID": "<your-client-id>"}, "MCP_OAUTH_CLIENT_ID must be the client id that the identity"),
        ({"MCP_OAUTH_CLIENT_SECRET": "your-secret"}, "MCP_OAUTH_CLIENT_SECRET is the placeholder of an example"),
        ({"MCP_OAUTH_ISSUER": "http://127.0.0.1:9411", "MCP_HOST": EVERYWHERE}, "MCP_OAUTH_ISSUER must not be on this"),
        ({"MCP_PUBLIC_URL": "http://tickets.example.com"}, "MCP_PUBLIC_URL must begin with https:// when MCP_OAUTH_EN"),
        ({"MCP_PUBLIC_URL": f"{PUBLIC}/mcp"}, "MCP_PUBLIC_URL must be the address of the server, without /mcp"),
        ({"MCP_OAUTH_HOSTED_RANGES": "160.79.104.0"}, ""),
        ({"MCP_OAUTH_HOSTED_RANGES": "160.79.104.1/21"}, "MCP_OAUTH_HOSTED_RANGES must be ranges of addresses"),
        ({"MCP_OAUTH_HOSTED_RANGES": "claude.ai"}, "MCP_OAUTH_HOSTED_RANGES must be ranges of addresses"),
        ({"MCP_OAUTH_REGISTRATION": "maybe"}, "MCP_OAUTH_REGISTRATION must be true or false"),
    ],
    ids=range(22),
)
def test_a_sign_in_that_cannot_work_is_refused_with_one_sentence(
    env: pytest.MonkeyPatch, changes: dict[str, str], sentence: str
) -> None:
    if sentence:
        assert refusal(env, **changes).startswith(sentence)
    else:  # one address is a range
        set_all(env, **changes)
        assert load(CloudSettings).oauth_hosted_ranges == ("160.79.104.0/32",)


def test_google_alone_issues_no_tokens_for_this_server(env: pytest.MonkeyPatch) -> None:
    said = refusal(env, MCP_OAUTH_CLIENT_ID="", MCP_OAUTH_CLIENT_SECRET="", MCP_OAUTH_ISSUER=GOOGLE)

    assert said.startswith("MCP_OAUTH_ISSUER names Google, whose access tokens are for Google alone: set MCP_OAUTH_CLI")


def test_signing_keys_are_read_one_after_the_other_in_either_form(env: pytest.MonkeyPatch) -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"  # as openssl writes
    first, second = pem(), pem(form=PrivateFormat.TraditionalOpenSSL)
    set_all(env, MCP_OAUTH_SIGNING_KEYS=f"{first}\n{parameters}{second}")
    plain = load(CloudSettings)
    set_all(env, MCP_OAUTH_SIGNING_KEYS=f"{first}{second}".replace("\n", "\\n"))
    escaped = load(CloudSettings)

    for settings in (plain, escaped):
        assert [key.get_secret_value() for key in settings.oauth_signing_keys] == [first.strip(), second.strip()]
    assert "PRIVATE KEY" not in repr(plain)


def other_than_signing_keys() -> dict[str, str]:
    """Return what may be set by mistake, by a plain name."""
    ed = Ed25519PrivateKey.generate()
    public = generate_private_key(SECP256R1()).public_key()
    return {
        "text": "a-secret-of-32-characters-or-more",
        "curve": pem(SECP384R1()),
        "passphrase": pem(encryption=BestAvailableEncryption(b"x")),
        "public": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "kind": ed.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "cut": pem()[:-30],
        "second": pem() + pem(SECP384R1()),
        "rest": pem() + "and more",
        "parameters": "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----",
        "damaged": pem().replace("M", "!"),
    }


@pytest.mark.parametrize("name", [*other_than_signing_keys()])
def test_what_is_no_signing_key_is_refused_without_its_value(env: pytest.MonkeyPatch, name: str) -> None:
    said = refusal(env, MCP_OAUTH_SIGNING_KEYS=other_than_signing_keys()[name])

    assert said.startswith("MCP_OAUTH_SIGNING_KEYS must be private keys for ES256 (curve P-256) in PEM")
    assert "BEGIN" not in said


def test_what_has_no_effect_is_said(env: pytest.MonkeyPatch) -> None:
    of_clients = {
        "MCP_OAUTH_REGISTRATION": "false",
        "MCP_OAUTH_REDIRECTS": "https://client.example/callback",
        "MCP_OAUTH_HOSTED_RANGES": "192.0.2.0/24",
        "MCP_OAUTH_SIGNING_KEYS": pem(),
    }
    set_all(env, MCP_OAUTH_AUDIENCE="api://tickets", **of_clients)
    assert [*notes(load(CloudSettings))] == [
        "MCP_OAUTH_AUDIENCE has no effect: with MCP_OAUTH_CLIENT_ID this server issues the access tokens itself."
    ]

    set_all(env, MCP_OAUTH_ISSUER=ISSUER, MCP_OAUTH_CLIENT_ID="", MCP_OAUTH_CLIENT_SECRET="")
    why = "MCP_OAUTH_CLIENT_ID is not set, so clients get their tokens elsewhere"
    assert [*notes(load(CloudSettings))] == [f"{name} has no effect: {why}." for name in of_clients]

    set_all(env, MCP_OAUTH_ENABLED="")
    said = [*notes(load(CloudSettings))]
    assert all("MCP_OAUTH_ENABLED is not set to true" in sentence for sentence in said)
    assert len(said) == 2 + len(of_clients) + 2


def test_a_program_with_a_provider_of_its_own_has_no_use_for_them(env: pytest.MonkeyPatch) -> None:
    set_all(env, MCP_PUBLIC_URL="", MCP_OAUTH_CLIENT_SECRET="")

    settings = load(SettingsWithoutKeys)

    assert "MCP_OAUTH_CLIENT_ID has no effect: this program has an authentication of its own." in notes(settings)
