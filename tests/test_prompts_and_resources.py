"""Prompts, resource templates and completion over every wire of the real programs, with and without their scope."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr
from starlette.requests import HTTPConnection

from cloud_mcp_server import CloudMCPServer
from shared.config import CloudSettings, SettingsWithoutKeys
from shared.identity import AuthProvider, Principal, Scope
from tests.captured_logs import capture_logs
from tests.kills import kills
from tests.processes import KEY, sqlite
from tests.transport.http_client import MODERN
from tests.transport.serving import serve
from tests.wires import WIRES, Ask, asking

PROMPT: Final = {"type": "ref/prompt", "name": "escalation"}
REFUSED: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("resources/read", {"uri": "ticket://TCK-0001"}),
    ("resources/read", {"uri": "tickets://master/users"}),
    ("prompts/get", {"name": "triage"}),
    ("completion/complete", {"ref": PROMPT, "argument": {"name": "toId", "value": ""}}),
)
"""Requests that need the scope to read tickets."""


class WriteOnly(AuthProvider):
    """Admits a caller that may write tickets and not read them."""

    async def authenticate(self, request: HTTPConnection) -> Principal:
        return Principal("intake", scopes=frozenset({Scope.TICKETS_WRITE}), proof="api_key")


@dataclass(frozen=True)
class Connected:
    """A client over one wire."""

    ask: Ask
    wire: str

    async def result(self, method: str, **params: Any) -> dict[str, Any]:
        response = await self.ask(method, params)
        result: dict[str, Any] = response["result"]
        return result

    async def error(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        error: dict[str, Any] = (await self.ask(method, params))["error"]
        return error


@pytest.fixture
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connected]:
    async with AsyncExitStack() as stack:
        url = ""
        if request.param != "stdio":
            settings = CloudSettings(mcp_api_key=SecretStr(KEY), database_url=SecretStr(sqlite(tmp_path)), port=0)
            url = await stack.enter_async_context(serve(CloudMCPServer(settings).app))
        ask = await stack.enter_async_context(asking(request.param, url, {"x-api-key": KEY}, tmp_path))
        yield Connected(ask, request.param)


@pytest.mark.parametrize("here", WIRES, indirect=True)
async def test_every_wire_serves_prompts_resources_and_completion_or_says_why_not(
    here: Connected,
) -> None:
    prompts = (await here.result("prompts/list"))["prompts"]
    given = await here.result("prompts/get", name="reply_draft", arguments={"ticketId": "TCK-0041", "language": "ja"})
    templates = (await here.result("resources/templates/list"))["resourceTemplates"]
    ticket = await here.result("resources/read", uri="ticket://TCK-0041")
    statuses = await here.result("resources/read", uri="tickets://master/statuses")
    person = await here.result("completion/complete", ref=PROMPT, argument={"name": "toId", "value": "okoro"})
    number = await here.result(
        "completion/complete",
        ref={"type": "ref/resource", "uri": "ticket://{id}"},
        argument={"name": "id", "value": "TCK-004"},
        context={"arguments": {}},
    )

    assert [one["name"] for one in prompts] == ["triage", "daily_summary", "reply_draft", "hand_over", "escalation"]
    assert given["messages"][0]["content"]["text"].startswith("チケットの依頼者への返信を下書きしてください。")
    assert '`get_ticket_detail {"ticketId": "TCK-0041"}`' in given["messages"][0]["content"]["text"]
    assert [one["uriTemplate"] for one in templates] == ["ticket://{id}", "tickets://master/{kind}"]
    assert ticket["contents"][0]["text"].startswith("**TCK-0041** ")
    assert "| stat1 | New | no |" in statuses["contents"][0]["text"]
    assert person["completion"]["values"] == ["user3 (Tomas Okoro)"]
    assert "TCK-0041" in number["completion"]["values"]

    await _errors_say_what_is_wrong(here)


async def _errors_say_what_is_wrong(here: Connected) -> None:
    ticket = await here.error("resources/read", {"uri": "ticket://TCK-9999"})
    prompt = await here.error("prompts/get", {"name": "triage", "arguments": {"language": "tlh"}})
    completion = await here.error("completion/complete", {"ref": PROMPT, "argument": {"name": "x", "value": ""}})

    assert ticket["code"] == (-32602 if here.wire == MODERN else -32002)
    assert ticket["message"].startswith("There is no ticket TCK-9999")
    assert (prompt["code"], prompt["data"]["kind"]) == (-32602, "invalid_input")
    assert "Allowed: en, ja." in prompt["message"]
    assert (completion["code"], completion["message"][:22]) == (-32602, "Unknown argument: 'x'.")


@kills("shared/scopes.py", 'case "resources/read":', 'case "resources/reads":')
@pytest.mark.parametrize("wire", ["sse", "2025-11-25", MODERN])
async def test_without_the_scope_to_read_nothing_is_listed_and_nothing_is_read(wire: str, tmp_path: Path) -> None:
    settings = SettingsWithoutKeys(database_url=SecretStr(sqlite(tmp_path)), port=0)
    with capture_logs() as logs:
        async with (
            serve(CloudMCPServer(settings, auth_provider=WriteOnly()).app) as url,
            asking(wire, url, {}, tmp_path) as ask,
        ):
            overview = await ask("resources/read", {"uri": "docs://overview"})
            lists = [await ask(method, {}) for method in ("prompts/list", "resources/templates/list")]
            refusals = [(await ask(method, params))["error"] for method, params in REFUSED]

    assert overview["result"]["contents"]
    assert [one["result"].get("prompts", one["result"].get("resourceTemplates")) for one in lists] == [[], []]
    for error in refusals:
        assert error["data"]["kind"] == "insufficient_scope"
        assert "needs the scope tickets:read" in error["message"]
    audited = [line for line in logs if line["message"] == "audit"]
    assert {(one["outcome"], one["actor"], one["detail"]) for one in audited} == {
        ("insufficient_scope", "intake", "tickets:read")
    }
    assert {one["object"] for one in audited} == {method for method, _ in REFUSED}
    served = [line for line in logs if line.get("message") == "read_finished" and line["outcome"] == "ok"]
    assert len(served) == 1, "the overview, which needs no scope"
