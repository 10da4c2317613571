"""What an authorization request may say, and what it means."""

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from auth.authorization_server.sign_in.requests import (
    MAX_PARAMETERS,
    MAX_STATE,
    AuthorizationFault,
    AuthorizationRequest,
    AuthorizationRequestError,
    Requester,
    RequestReader,
    read_parameters,
    scopes_of,
    state_of,
)
from auth.oauth.resources import ProtectedResources
from shared.identity import Scope
from tests.auth.authorization_server.browsing import BASE, CALLBACK, CHALLENGE, CLIENT, asked

READ, WRITE, ADMIN = Scope
READER = RequestReader(ProtectedResources(f"{BASE}/"), ["/mcp"])


def read(*more: tuple[str, str], **changes: str | None) -> AuthorizationRequest:
    """Return the request with changed parameters, or with `more` of them."""
    parameters = read_parameters(urlencode([*asked(**changes).items(), *more]))
    to = Requester(client_id=CLIENT, client_name="Example", redirect_uri=CALLBACK, state=state_of(parameters))
    return READER.read(parameters, to)


def fault_of(*more: tuple[str, str], **changes: str | None) -> AuthorizationFault:
    with pytest.raises(AuthorizationRequestError) as refused:
        read(*more, **changes)
    assert refused.value.description.isascii()
    assert not set('"\\') & set(refused.value.description)
    return refused.value.fault


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        pytest.param({"response_type": None}, "invalid_request", id="no response_type"),
        pytest.param({"response_type": ""}, "invalid_request", id="an empty response_type"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="a token"),
        pytest.param({"response_type": "code id_token"}, "unsupported_response_type", id="hybrid"),
        pytest.param({"response_mode": "fragment"}, "invalid_request", id="in the fragment"),
        pytest.param({"response_mode": "form_post"}, "invalid_request", id="by a form"),
        pytest.param({"code_challenge": None}, "invalid_request", id="no PKCE"),
        pytest.param({"code_challenge_method": None}, "invalid_request", id="plain by default"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain"),
        pytest.param({"code_challenge_method": "s256"}, "invalid_request", id="another spelling of S256"),
        pytest.param({"code_challenge": CHALLENGE[:-1]}, "invalid_request", id="a short challenge"),
        pytest.param({"code_challenge": CHALLENGE + "a"}, "invalid_request", id="a long challenge"),
        pytest.param({"code_challenge": CHALLENGE + "\n"}, "invalid_request", id="a challenge with a line end"),
        pytest.param({"code_challenge": CHALLENGE[:-1] + "="}, "invalid_request", id="a padded challenge"),
        pytest.param({"code_challenge": "é" * 43}, "invalid_request", id="a challenge of other letters"),
        pytest.param({"request": "a.b.c"}, "request_not_supported", id="a request object"),
        pytest.param({"request_uri": "urn:a"}, "request_uri_not_supported", id="a pushed request"),
        pytest.param({"prompt": "none"}, "interaction_required", id="no prompt"),
        pytest.param({"prompt": "none login"}, "invalid_request", id="no prompt and a prompt"),
        pytest.param({"resource": f"{BASE}/other"}, "invalid_target", id="an unknown resource"),
        pytest.param({"resource": f"{BASE}/sse"}, "invalid_target", id="a resource that is not served"),
        pytest.param({"resource": f"{BASE}/mcp?a=1"}, "invalid_target", id="a resource with a query"),
        pytest.param({"resource": f"{BASE}/mcp#a"}, "invalid_target", id="a resource with a fragment"),
        pytest.param({"resource": f"{BASE}//mcp"}, "invalid_target", id="a resource with an empty segment"),
        pytest.param({"resource": f"{BASE}.evil.example"}, "invalid_target", id="the resource of a stranger"),
        pytest.param({"resource": "/mcp"}, "invalid_target", id="a path as a resource"),
        pytest.param({"state": "a" * (MAX_STATE + 1)}, "invalid_request", id="a long state"),
        pytest.param({"state": "a\nb"}, "invalid_request", id="a state with a line end"),
    ],
)
def test_what_is_wrong_with_a_request_has_a_word(changes: dict[str, str | None], fault: str) -> None:
    assert fault_of(**changes) == fault


@pytest.mark.parametrize(
    "name",
    [
        *("state", "response_type", "response_mode", "request", "request_uri", "prompt", "scope"),
        *("code_challenge", "code_challenge_method"),
    ],
)
def test_a_parameter_that_is_there_twice_is_refused(name: str) -> None:
    assert fault_of((name, "a"), (name, "a")) == AuthorizationFault.INVALID_REQUEST


def test_a_state_that_is_there_twice_is_not_repeated() -> None:
    assert state_of({"state": ["a", "b"]}) is None


def test_only_one_resource_may_be_asked_for() -> None:
    assert fault_of(("resource", BASE), ("resource", f"{BASE}/mcp")) == AuthorizationFault.INVALID_TARGET
    assert read(("resource", f"{BASE}/mcp"), ("resource", f"{BASE}/mcp/")).resource == f"{BASE}/mcp"


@pytest.mark.parametrize(
    ("resource", "canonical"),
    [
        pytest.param(None, BASE, id="none"),
        pytest.param(BASE, BASE, id="the public address"),
        pytest.param(f"{BASE}/", BASE, id="the public address with a slash"),
        pytest.param(f"{BASE}/mcp", f"{BASE}/mcp", id="a wire"),
        pytest.param(f"{BASE}/mcp/", f"{BASE}/mcp", id="a wire with a slash"),
        pytest.param("HTTPS://Tickets.Example/mcp", f"{BASE}/mcp", id="in upper case"),
    ],
)
def test_a_resource_has_one_spelling(resource: str | None, canonical: str) -> None:
    assert read(resource=resource).resource == canonical


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("tickets:read", (READ,)),
        ("tickets:write tickets:read", (READ, WRITE)),
        ("tickets:admin", (ADMIN,)),
        ("tickets:read openid offline_access", (READ,)),
        (" offline_access", (READ, WRITE)),
        ("offline_access", (READ, WRITE)),
        ("openid email", (READ, WRITE)),
        ("", (READ, WRITE)),
        ("   ", (READ, WRITE)),
    ],
)
def test_scopes_are_those_of_this_server_or_the_usual_ones(scope: str, scopes: tuple[Scope, ...]) -> None:
    assert scopes_of(scope) == scopes


@pytest.mark.parametrize(
    ("prompt", "select_account"),
    [("", False), ("consent", False), ("login", True), ("select_account", True), ("consent select_account", True)],
)
def test_a_prompt_for_an_account_is_handed_on(prompt: str, select_account: bool) -> None:
    assert read(prompt=prompt).select_account is select_account


def test_a_request_survives_the_form_that_carries_it() -> None:
    request = read(scope="tickets:write", prompt="login", state=' "quoted" \\ ~')

    assert AuthorizationRequest.from_json(json.loads(json.dumps(request.as_json()))) == request


@pytest.mark.parametrize(
    "text", ["&".join("a=1" for _ in range(MAX_PARAMETERS + 1)), "a=%ff"], ids=["many", "no UTF-8"]
)
def test_what_is_no_list_of_parameters_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_parameters(text)


@pytest.mark.parametrize(
    ("uri", "begins"),
    [
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:1/cb?code=a+b&"),
        ("http://127.0.0.1:1/cb?tab=1", "http://127.0.0.1:1/cb?tab=1&code=a+b&"),
        ("http://127.0.0.1:1/cb?", "http://127.0.0.1:1/cb?code=a+b&"),
        ("cursor://app/cb", "cursor://app/cb?code=a+b&"),
    ],
)
def test_a_response_has_state_and_issuer_behind_a_query_that_is_there(uri: str, begins: str) -> None:
    to = Requester(client_id=CLIENT, client_name="", redirect_uri=uri, state="1&2 #é")

    url = to.response_url(BASE, code="a b")

    assert url.startswith(begins)
    assert {**parse_qs(urlsplit(url).query), "tab": []} == {
        "code": ["a b"],
        "state": ["1&2 #é"],
        "iss": [BASE],
        "tab": [],
    }


def test_a_response_without_a_state_has_none() -> None:
    to = Requester(client_id=CLIENT, client_name="", redirect_uri=CALLBACK, state=None)

    assert "state" not in to.response_url(BASE, error="access_denied")
