"""Which requests are authenticated: every refusal, and that the comparison reveals nothing about the key."""

import hmac
from collections.abc import Sequence
from hashlib import sha256

import pytest
from starlette.requests import HTTPConnection

from auth.providers import AnonymousAuthProvider, APIKeyAuthProvider, AuthenticationError, AuthProvider, presented_key
from shared.identity import DEFAULT_TENANT, Principal, Scope
from tests.kills import kills

KEY = "a-key-of-thirty-two-characters-!"
BEARER = f"Bearer {KEY}"


def request(*headers: tuple[str, str | bytes]) -> HTTPConnection:
    """Return a request with `headers` as bytes, as a server passes them."""
    raw = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
    return HTTPConnection({"type": "http", "headers": raw})


async def refusal_of(provider: AuthProvider, *headers: tuple[str, str | bytes]) -> AuthenticationError:
    with pytest.raises(AuthenticationError) as caught:
        await provider.authenticate(request(*headers))
    return caught.value


@pytest.mark.parametrize(
    "header",
    [
        ("x-api-key", KEY),
        ("x-api-key", f" \t{KEY}  "),
        ("authorization", BEARER),
        ("authorization", f"bearer  {KEY} "),
        ("authorization", f"BEARER {KEY}"),
    ],
)
async def test_the_key_is_let_in_as_the_service_account(header: tuple[str, str]) -> None:
    principal = await APIKeyAuthProvider(KEY).authenticate(request(header))

    assert principal == Principal(id="service-account", proof="api_key", credential="shared")
    assert principal.tenant == DEFAULT_TENANT
    assert principal.scopes == set(Scope)


async def test_no_key_is_401_and_told_where_to_put_one() -> None:
    refusal = await refusal_of(APIKeyAuthProvider(KEY), ("accept", "text/event-stream"))

    assert refusal.status == 401
    assert str(refusal) == "Send the server's API key in the header x-api-key."


HINTS = {
    f"Bearer {KEY}": "without the word Bearer",
    f"bearer\t{KEY}": "without the word Bearer",
    "Bearer": "without the word Bearer",
    f"x-api-key: {KEY}": "without the name of a header",
    f"Authorization: Bearer {KEY}": "without the name of a header",
    f'"{KEY}"': "without quotation marks",
    f"'{KEY}'": "without quotation marks",
    "${KEY}": "placeholder",
    "$MCP_API_KEY": "placeholder",
    "%KEY%": "placeholder",
    "<your key>": "placeholder",
    "{{ key }}": "placeholder",
}


@pytest.mark.parametrize("sent", HINTS)
async def test_a_key_that_is_written_in_another_way_is_refused_with_a_hint(sent: str) -> None:
    for header in (("x-api-key", sent), ("authorization", f"Bearer {sent}")):
        refusal = await refusal_of(APIKeyAuthProvider(KEY), header)
        assert refusal.status == 401
        assert str(refusal).startswith("This API key is not valid. ")
        assert HINTS[sent] in str(refusal)
        assert KEY not in str(refusal)

    assert (await APIKeyAuthProvider(sent).authenticate(request(("x-api-key", sent)))).proof == "api_key"


@kills("auth/providers.py", "if not self._is_right", "if not key and not self._is_right")
@pytest.mark.parametrize(
    "wrong",
    [
        "x",
        KEY[:-1],
        KEY + "!",
        KEY.upper(),
        KEY[::-1],
        "",
        " ",
        "キー",
        "é" * 32,
        "*",
        pytest.param("x" * 100_000, id="long"),
    ],
)
@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
async def test_a_wrong_key_is_401_and_never_shown(wrong: str, header: str) -> None:
    value = wrong if header == "x-api-key" else f"Bearer {wrong}"

    refusal = await refusal_of(APIKeyAuthProvider(KEY), (header, value))

    assert refusal.status == 401
    assert str(refusal) == "This API key is not valid."


@pytest.mark.parametrize(
    "headers",
    [
        [("x-api-key", KEY), ("authorization", "Basic eDp5")],
        [("x-api-key", KEY), ("x-api-key", "other"), ("authorization", "Bearer foreign")],
        [("x-api-key", KEY), ("authorization", "Bearer foreign"), ("authorization", "Bearer other")],
        [("x-api-key", KEY), ("x-api-key", "other")],
        [("x-api-key", KEY), ("x-api-key", KEY)],
        [("authorization", BEARER), ("authorization", BEARER)],
    ],
)
async def test_two_credentials_at_once_are_400(headers: Sequence[tuple[str, str]]) -> None:
    refusal = await refusal_of(APIKeyAuthProvider(KEY), *headers)

    assert refusal.status == 400
    assert str(refusal) == "Send one credential: either the header x-api-key or Authorization: Bearer, not both."


@pytest.mark.parametrize("value", [f"Basic {KEY}", KEY, "", f"Bearer\t{KEY}", f"Bearer{KEY}"])
async def test_an_authorization_of_another_form_is_400(value: str) -> None:
    refusal = await refusal_of(APIKeyAuthProvider(KEY), ("authorization", value))

    assert refusal.status == 400
    assert str(refusal) == "Authorization must be of the form 'Bearer <key>'."


@kills("auth/providers.py", "hmac.compare_digest(presented", "(lambda one, other: one == other)(presented")
@pytest.mark.parametrize("presented", ["", "x", "キー", KEY[:-1], KEY, pytest.param("y" * 1_000, id="long")])
async def test_what_is_compared_has_one_length_whatever_was_sent(
    presented: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hmac.compare_digest` takes constant time only for values of equal length (Python, hmac)."""
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def spy(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    provider = APIKeyAuthProvider(KEY)
    if presented == KEY:
        await provider.authenticate(request(("x-api-key", presented)))
    else:
        await refusal_of(provider, ("x-api-key", presented))

    assert compared == [(sha256(presented.encode()).digest(), sha256(KEY.encode()).digest())]


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_key_is_refused_at_the_start(empty: str) -> None:
    with pytest.raises(ValueError, match="an empty API key protects nothing"):
        APIKeyAuthProvider(empty)


@pytest.mark.parametrize("key", ["ключ-à", "鍵" * 12])  # à ends in a byte that Latin-1 decodes as a no-break space
async def test_a_key_beyond_ascii_is_compared_by_its_bytes(key: str) -> None:
    principal = await APIKeyAuthProvider(key).authenticate(request(("x-api-key", key.encode())))

    assert principal.proof == "api_key"


async def test_a_key_read_from_a_file_with_a_line_end_works() -> None:
    assert await APIKeyAuthProvider(f"{KEY}\n").authenticate(request(("x-api-key", KEY)))


@pytest.mark.parametrize(
    "headers", [[], [("x-api-key", "anything")], [("authorization", "Basic x"), ("x-api-key", "")]]
)
async def test_anonymous_lets_everyone_in_as_one(headers: Sequence[tuple[str, str]]) -> None:
    principal = await AnonymousAuthProvider().authenticate(request(*headers))

    assert principal == Principal(id="anonymous", proof="none")


def test_nothing_presented_is_none() -> None:
    assert presented_key(request(("cookie", f"x-api-key={KEY}"))) is None


async def test_while_a_key_is_rotated_the_new_and_the_old_one_are_one_principal() -> None:
    new, old, other = (sign * 32 for sign in "nox")
    provider = APIKeyAuthProvider(new, old)

    principals = [await provider.authenticate(request(("x-api-key", key))) for key in (new, old)]

    assert principals[0] == principals[1]  # so a session goes on when its client changes the key
    assert provider.recognised(new) == provider.recognised(old) == principals[0]
    assert (await refusal_of(provider, ("x-api-key", other))).status == 401
