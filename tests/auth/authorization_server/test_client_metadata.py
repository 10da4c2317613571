"""What is used of the metadata of clients, and what is refused."""

from collections.abc import Mapping
from typing import Any

import pytest

from auth.authorization_server.clients.metadata import (
    ClientMetadataError,
    display_name,
    is_document_address,
    metadata_in_document,
    metadata_in_registration,
)
from auth.authorization_server.clients.redirects import RedirectPolicy
from tests.auth.authorization_server.documents import CALLBACK, CLIENT_ID, HOST, document
from tests.kills import kills


@pytest.mark.parametrize(
    "client_id",
    [
        *("https://client.example", "https://client.example/", "https://client.example?a=/b", "https:///oauth"),
        *("https://client.example/a#b", "https://client.example/a#", "https://user@client.example/a"),
        *("https://client.example/a/../b", "https://client.example/./a", "https://client.example/a//b"),
        *("https://client.example/%2e%2e/a", "https://client.example/a%2Fb", "https://client.example/a\\b"),
        *(
            "https://client.example:port/a",
            "https://[::1]/a",
            "https://クライアント.example/a",
            "https://CLIENT.example/a",
        ),
        *("https://client.example/a b", "https://client.example/a\n", f"https://client.example/{'a' * 500}"),
    ],
    ids=range(20),
)
def test_an_id_that_is_not_the_address_of_a_document_is_recognised(client_id: str) -> None:
    assert not is_document_address(client_id)


@pytest.mark.parametrize(
    "client_id",
    [
        *("https://client.example/a", "https://client.example:8443/a/", "https://client.example/a?b=/../c"),
        *(f"https://client.example/{'a' * 476}", "https://chatgpt.com/oauth/ig2N09X8ZQ6D/client.json"),
    ],
    ids=range(5),
)
def test_an_address_with_a_path_can_be_that_of_a_document(client_id: str) -> None:
    assert is_document_address(client_id)


@kills("auth/authorization_server/clients/metadata.py", 'document.get("client_id") != address', "False")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_id": "https://client.example/oauth/client.json?a"}, "`client_id` is not the address"),
        ({"client_id": CLIENT_ID.upper()}, "`client_id` is not the address"),
        ({"client_id": ...}, "`client_id` is not the address"),
        ({"client_secret": "secret"}, "holds no secret"),
        ({"client_secret": None}, "holds no secret"),
        ({"client_secret_expires_at": 0}, "holds no secret"),
        ({"token_endpoint_auth_method": "client_secret_post"}, "asks for a secret or a key"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "asks for a secret or a key"),
        ({"token_endpoint_auth_method": None}, "asks for a secret or a key"),
        (
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_methods_supported": ["private_key_jwt", "tls_client_auth"],
            },
            "asks for a secret or a key",
        ),
        ({"redirect_uris": ...}, "`redirect_uris` must list"),
        ({"redirect_uris": []}, "`redirect_uris` must list"),
        ({"redirect_uris": CALLBACK}, "`redirect_uris` must list"),
        ({"redirect_uris": [CALLBACK, 1]}, "`redirect_uris` must list"),
        ({"redirect_uris": [f"{CALLBACK}{number}" for number in range(51)]}, "may hold 50 addresses"),
        ({"redirect_uris": [f"{CALLBACK}?{'a' * 2000}"]}, "may hold 50 addresses"),
    ],
    ids=range(16),
)
def test_a_document_that_cannot_be_used_is_refused_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ClientMetadataError, match=reason):
        metadata_in_document(CLIENT_ID, document(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"token_endpoint_auth_method": "none"},
        {"token_endpoint_auth_method": ...},
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        },
        {"token_endpoint_auth_method": "none", "token_endpoint_auth_methods_supported": ["private_key_jwt"]},
        {"grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"], "jwks": {"keys": []}},
    ],
    ids=range(5),
)
def test_a_client_that_needs_no_secret_is_accepted(changes: dict[str, Any]) -> None:
    assert metadata_in_document(CLIENT_ID, document(**changes))["redirect_uris"] == [CALLBACK]


@pytest.mark.parametrize("content", [[], "text", None, 1, [document()]], ids=range(5))
def test_a_document_is_an_object(content: object) -> None:
    with pytest.raises(ClientMetadataError, match="not a JSON object"):
        metadata_in_document(CLIENT_ID, content)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  Claude \n\t Code ", "Claude Code"),
        ("Cl\u200bau\u202ede\u0000", "Claude"),
        ("\u2066\u200b \n", HOST),
        ("", HOST),
        (None, HOST),
        (["Claude"], HOST),
        ("<b>Claude</b>", "<b>Claude</b>"),  # a page escapes it
        ("あ" * 61, f"{'あ' * 59}…"),
        ("x" * 10_000, f"{'x' * 59}…"),
    ],
    ids=range(9),
)
def test_a_name_is_cleaned_for_display(name: object, shown: str) -> None:
    assert display_name(name, HOST) == shown


def registered(**changes: Any) -> Mapping[str, Any]:
    """Return the metadata of a registration that is complete but for `changes`; a member set to ... is left out."""
    body = {"redirect_uris": [CALLBACK], **changes}
    return metadata_in_registration({name: value for name, value in body.items() if value is not ...}, RedirectPolicy())


def test_a_registration_may_have_redirect_addresses_alone() -> None:
    assert registered() == {
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    }


@pytest.mark.parametrize(
    "method", ["none", "client_secret_post", "client_secret_basic", "private_key_jwt", "x", None, 1, ...], ids=range(8)
)
def test_every_client_is_public_whatever_it_asked_for(method: object) -> None:
    answer = registered(token_endpoint_auth_method=method, client_secret="x", client_secret_expires_at=0)

    assert answer["token_endpoint_auth_method"] == "none"
    assert not [name for name in answer if "secret" in name]


def test_an_answer_repeats_what_was_asked_where_this_server_can_do_it() -> None:
    asked = {
        "redirect_uris": [CALLBACK, "https://vscode.dev/redirect", CALLBACK],
        "client_name": "VS\u200b Code",
        "grant_types": ["refresh_token", "authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
        "response_types": ["code", "token"],
        "application_type": "native",
        "scope": "tickets:read openid offline_access",
        "jwks": {"keys": []},
        "client_id": "mine",
    }

    assert registered(**asked) == {
        "redirect_uris": [CALLBACK, "https://vscode.dev/redirect"],
        "client_name": "VS Code",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "native",
        "scope": "tickets:read offline_access",
    }


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"redirect_uris": ...}, "invalid_redirect_uri", "must list"),
        ({"redirect_uris": []}, "invalid_redirect_uri", "must list"),
        ({"redirect_uris": [CALLBACK, ""]}, "invalid_redirect_uri", "must list"),
        ({"redirect_uris": {CALLBACK: 1}}, "invalid_redirect_uri", "must list"),
        ({"redirect_uris": [CALLBACK] * 51}, "invalid_redirect_uri", "may hold 50"),
        ({"redirect_uris": [CALLBACK, "https://evil.example/c"]}, "invalid_redirect_uri", "evil.example.*_REDIRECTS"),
        ({"redirect_uris": [f"{CALLBACK}#a"]}, "invalid_redirect_uri", "#a' is not allowed"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri", "is not allowed"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata", "`authorization_code`"),
        ({"grant_types": ["refresh_token"]}, "invalid_client_metadata", "`authorization_code`"),
        ({"grant_types": "authorization_code"}, "invalid_client_metadata", "must be a list of texts"),
        ({"response_types": ["token"]}, "invalid_client_metadata", "`code`"),
        ({"response_types": [1, "code"]}, "invalid_client_metadata", "must be a list of texts"),
        ({"client_name": 1}, "invalid_client_metadata", "`client_name` must be a text"),
        ({"scope": ["tickets:read"]}, "invalid_client_metadata", "`scope` must be a text"),
    ],
    ids=range(15),
)
def test_a_registration_that_cannot_be_used_is_refused_with_its_reason(
    changes: dict[str, Any], error: str, reason: str
) -> None:
    with pytest.raises(ClientMetadataError, match=reason) as refused:
        registered(**changes)

    assert refused.value.error == error


@pytest.mark.parametrize("body", [[], "text", None, 1], ids=range(4))
def test_a_registration_is_an_object(body: object) -> None:
    with pytest.raises(ClientMetadataError, match="JSON object"):
        metadata_in_registration(body, RedirectPolicy())
