"""Requests of clients are read strictly and within limits, and refused with a sentence."""

import asyncio
from base64 import b64encode
from collections.abc import Iterable
from typing import Any, Final

import pytest
from starlette.requests import Request

from auth.authorization_server import bodies, limits
from auth.authorization_server.tokens.client_request import MAX_BYTES, ClientRequest, TokenRequestError, read_request
from shared.rate import Rate
from tests.auth.authorization_server.tokens.installation import DESKTOP, Installation, answer, refused

FORM: Final = "application/x-www-form-urlencoded"
ENCODED: Final = "https%3A%2F%2Fdesktop.example%2Fclient.json"
KIND: Final = "grant_type=refresh_token"

Headers = Iterable[tuple[str, str]]


def basic(text: str, word: str = "Basic") -> Headers:
    return [("authorization", f"{word} {b64encode(text.encode()).decode()}")]


class Body:
    """The parts of a body, which arrive one after the other; `read` counts those that were asked for."""

    def __init__(self, *parts: bytes, ends: bool = True) -> None:
        self._parts = [*parts]
        self._ends = ends
        self.read = 0

    async def __call__(self) -> dict[str, Any]:
        self.read += 1
        if not self._parts:
            await asyncio.Event().wait()
        part = self._parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self._parts) or not self._ends}


async def read(
    form: str, headers: Headers = (), *, kinds: Iterable[str] = (FORM,), body: Body | None = None
) -> ClientRequest:
    lines = [*(("content-type", kind) for kind in kinds), *headers]
    scope = {"type": "http", "method": "POST", "headers": [(name.encode(), value.encode()) for name, value in lines]}
    return await read_request(Request(scope, body or Body(form.encode("latin-1"))))


async def refusal_of(form: str, headers: Headers = (), **sent: Any) -> tuple[int, str, str]:
    """Return status, error and the scheme that a refusal asks for."""
    with pytest.raises(TokenRequestError) as refused:
        await read(form, headers, **sent)
    asked = refused.value.headers.get("www-authenticate", "")
    return refused.value.status, refused.value.fault.value, asked.partition(" ")[0]


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ((), f"client_id={ENCODED}"),
        (basic(f"{ENCODED}:"), ""),
        (basic(f"{ENCODED}:", "bASIC"), "client_id="),
        (basic(f"{DESKTOP}:"), f"client_id={ENCODED}"),
        ([("authorization", "Bearer of-a-gateway")], f"client_id={ENCODED}&client_secret="),
    ],
    ids=["body", "header", "any case", "both", "other scheme"],
)
async def test_a_client_names_itself_in_the_header_or_the_body(headers: Headers, form: str) -> None:
    sent = await read(f"{KIND}&{form}", headers)

    assert (sent.client_id, sent.required("grant_type"), sent.get("client_secret")) == (DESKTOP, "refresh_token", None)


@pytest.mark.parametrize(
    ("headers", "form", "refusal"),
    [
        (basic(f"{ENCODED}:a-secret"), "", (401, "invalid_client", "Basic")),
        ((), f"client_id={ENCODED}&client_secret=a-secret", (401, "invalid_client", "")),
        (basic(f"{ENCODED}:"), "client_id=cli_other", (400, "invalid_request", "")),
        (basic(ENCODED), "", (400, "invalid_request", "")),
        (basic(":"), "", (400, "invalid_request", "")),
        (basic("%00:"), "", (400, "invalid_request", "")),
        ([("authorization", "Basic")], "", (400, "invalid_request", "")),
        ([("authorization", "Basic !")], "", (400, "invalid_request", "")),
        ([*basic("a:"), *basic("a:")], "", (400, "invalid_request", "")),
        ((), "", (400, "invalid_request", "")),
    ],
    ids=[
        *("secret in header", "secret in body", "two clients", "no colon", "no id", "control character", "empty"),
        *("not base64", "two headers", "none"),
    ],
)
async def test_a_client_with_a_secret_or_without_a_name_is_refused(
    headers: Headers, form: str, refusal: tuple[int, str, str]
) -> None:
    assert await refusal_of(f"{KIND}&{form}", headers) == refusal


@pytest.mark.parametrize(
    "kinds",
    [[FORM], [f"{FORM}; charset=UTF-8"], [f' {FORM.upper()} ;charset="utf-8"']],
    ids=["plain", "charset", "in capitals"],
)
async def test_a_form_is_read(kinds: list[str]) -> None:
    assert (await read("client_id=a", kinds=kinds)).client_id == "a"


@pytest.mark.parametrize(
    "kinds",
    [
        *([f"{FORM}-and-more"], [f"application/json; {FORM}"], [f"{FORM}; charset=utf-16"], ["application/json"]),
        *([f"{FORM}, application/json"], [FORM, FORM], []),
    ],
    ids=["longer", "in a parameter", "other charset", "json", "list", "twice", "none"],
)
async def test_nothing_but_a_form_is_read(kinds: list[str]) -> None:
    body = Body(b"client_id=a")

    assert await refusal_of("", kinds=kinds, body=body) == (400, "invalid_request", "")
    assert body.read == 0


@pytest.mark.parametrize(
    "form",
    [
        *("client_id=a&client_id=a", "client_id=a&resource=a&resource=b", "client_id=a&unknown=&unknown=1"),
        *("client_id=a&code=%00", "client_id=a&code=%ff", "client_id=a&code=%E3%81%82", "client_id=\xe3"),
        *("client_id=", "&".join(f"p{n}=1" for n in range(60)), ""),
    ],
    ids=["client", "resource", "unknown", "null", "not utf-8", "not ascii", "raw bytes", "blank", "many", "empty"],
)
async def test_a_form_that_is_ambiguous_or_cannot_be_read_is_refused(form: str) -> None:
    assert await refusal_of(form) == (400, "invalid_request", "")


async def test_a_body_is_not_read_beyond_its_limit() -> None:
    announced, endless = Body(b"client_id=a"), Body(*[b"x" * 1024] * 100)

    for length in (str(MAX_BYTES + 1), "9" * 5000):
        said = await refusal_of("", [("content-length", length)], body=announced)
        assert said == (413, "invalid_request", "")
    assert announced.read == 0
    assert await refusal_of("", body=endless) == (413, "invalid_request", "")
    assert endless.read == MAX_BYTES // 1024 + 1
    assert (await read("client_id=" + "x" * (MAX_BYTES - 10))).client_id


async def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WITHIN_S", 0.01)

    assert await refusal_of("", body=Body(b"client_id=a", ends=False)) == (408, "invalid_request", "")


async def test_a_client_that_is_not_known_is_refused(desktop: Installation) -> None:
    token = f"{KIND}&refresh_token=nonsense"
    for headers, form, scheme in (
        (basic("cli_unknown:", "BASIC"), token, "Basic"),
        ((), f"{token}&client_id=cli_unknown", ""),
        ((), f"{token}&client_id=https://unknown.example/client.json", ""),
    ):
        response = await desktop.http.post("/token", content=form, headers={"content-type": FORM, **dict(headers)})
        assert refused(response) == (401, "invalid_client")
        assert response.headers.get("www-authenticate", "").partition(" ")[0] == scheme


async def test_refused_requests_of_an_address_are_limited_and_right_ones_are_not(
    desktop: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_RATES", {"token": limits._Rates(Rate(60, 3), None, Rate(60, 3))})
    first = await desktop.sign_in()
    assert [(await desktop.revoke("nonsense")).status_code for _ in range(4)] == [200] * 4
    unreadable = [(await desktop.http.post("/token")).status_code for _ in range(4)]
    assert unreadable == [400] * 4  # it has cost nothing, so it takes no room
    assert [(await desktop.refresh("nonsense")).status_code for _ in range(3)] == [400] * 3

    late = await desktop.refresh(first["refresh_token"])

    assert refused(late) == (429, "temporarily_unavailable")
    assert int(late.headers["retry-after"]) >= 1


async def test_pages_of_every_origin_may_ask(desktop: Installation) -> None:
    for path in ("/token", "/revoke", "/jwks"):
        preflight = await desktop.http.options(path, headers={"origin": "https://inspector.example"})
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
        assert "access-control-allow-credentials" not in preflight.headers
    refusal = await desktop.http.post("/token")
    assert (refusal.headers["access-control-allow-origin"], refused(refusal)) == ("*", (400, "invalid_request"))
    assert "as a form" in answer(refusal)["error_description"]
    assert (await desktop.http.get("/token")).status_code == 405
