"""Resources that show tickets: the text of the tool, by a URI; what is unknown is an error with its sentence."""

from typing import Any, Final, Literal

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, ErrorData, TextResourceContents

from shared.mcp_resources.catalog import KINDS, template_of
from shared.tickets.master_lists import MASTER_LISTS
from tests.captured_logs import capture_logs
from tests.shared.given import World, hangs, refuses, responses, text_of
from tests.shared.test_scopes import VIEWER

ERAS: Final[tuple[Literal["auto", "legacy"], ...]] = ("auto", "legacy")


async def read(here: World, uri: str, era: Literal["auto", "legacy"] = "auto") -> str:
    """Return the text of a resource."""
    async with Client(here.server, mode=era) as client:
        (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "text/markdown")
    return content.text


async def failure(here: World, uri: str, era: Literal["auto", "legacy"] = "auto") -> ErrorData:
    async with Client(here.server, mode=era) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    return caught.value.error


@pytest.mark.parametrize("era", ERAS)
async def test_templates_are_listed_and_the_list_of_resources_stays_short(
    either: World, era: Literal["auto", "legacy"]
) -> None:
    async with Client(either.server, mode=era) as client:
        listed = (await client.list_resource_templates()).resource_templates
        resources = (await client.list_resources()).resources

    assert [one.uri_template for one in listed] == ["ticket://{id}", "tickets://master/{kind}"]
    assert [one.title for one in listed] == ["Ticket", "Master data"]
    assert [one.uri for one in resources] == ["docs://overview"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_ticket_is_what_the_tool_shows(either: World, era: Literal["auto", "legacy"]) -> None:
    shown = text_of(await either.call("get_ticket_detail", ticketId="TCK-0003"))

    assert await read(either, "ticket://TCK-0003", era) == shown
    assert await read(either, "ticket://tck-3", era) == shown, "some clients write the host of a URI in small letters"
    assert await read(either, "ticket://%23%EF%BC%93", era) == shown, "an encoded #３ is the same number"


@pytest.mark.parametrize("source", MASTER_LISTS, ids=lambda source: source.name)
async def test_a_list_is_what_its_tool_shows(either: World, source: Any) -> None:
    shown = text_of(await either.call(source.tool))
    kind = source.name.replace("_", "-")

    assert await read(either, f"tickets://master/{kind}") == shown
    assert await read(either, f"tickets://master/{source.name.upper()}") == shown


@pytest.mark.parametrize(("era", "code"), [("auto", INVALID_PARAMS), ("legacy", -32002)])
async def test_what_does_not_exist_is_not_found_and_says_what_does(
    either: World, era: Literal["auto", "legacy"], code: int
) -> None:
    ticket = await failure(either, "ticket://TCK-9999", era)
    kind = await failure(either, "tickets://master/colours", era)
    other = await failure(either, "ticket://TCK-0001/history", era)

    assert [one.code for one in (ticket, kind, other)] == [code] * 3
    assert ticket.message == "There is no ticket TCK-9999; get_ticket_list finds ids."
    assert ticket.data == {"uri": "ticket://TCK-9999", "kind": "not_found"}
    assert kind.message == f"There is no such list. There are: {', '.join(KINDS)}."


async def test_a_failure_is_said_in_the_language_of_the_call(existing: World) -> None:
    existing.principal, existing.headers = VIEWER, {"accept-language": "ja"}
    async with Client(existing.server) as client:
        (ticket, master) = (await client.list_resource_templates()).resource_templates

    error = await failure(existing, "tickets://master/colours")

    assert (ticket.title, master.title) == ("チケット", "マスターデータ")

    assert error.message.startswith("そのような一覧はありません。")


@pytest.mark.parametrize(
    "name", ["", "%20", "..", "%2e%2e", "%00", "a%2F..%2Fb", "%2Fetc%2Fpasswd", "x" * 60, "TCK-0001,TCK-0002", "💥"]
)
async def test_odd_ids_are_unknown_tickets(either: World, name: str) -> None:
    error = await failure(either, f"ticket://{name}")

    assert error.code == INVALID_PARAMS
    assert "/etc" not in str(either.wire.sent)


@pytest.mark.parametrize(("act", "kind"), [(refuses, "upstream_unavailable"), (responses(500), "upstream_fault")])
async def test_a_failing_ticket_api_is_an_internal_error_with_its_kind(either: World, act: Any, kind: str) -> None:
    either.wire.when("GET", "/tickets/TCK-0001", act, always=True)
    with capture_logs() as logs:
        error = await failure(either, "ticket://TCK-0001")

    assert (error.code, error.data) == (INTERNAL_ERROR, {"uri": "ticket://TCK-0001", "kind": kind})
    assert "ticket" in error.message
    (line,) = [one for one in logs if one["message"] == "read_finished"]
    assert (line["action"], line["name"], line["outcome"]) == ("resource_read", "ticket://{id}", kind)


async def test_a_fault_of_ours_is_logged_and_never_told(existing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> object:
        raise KeyError("secret-in-exception")

    monkeypatch.setattr(existing.api, "get", fails)
    with capture_logs() as logs:
        error = await failure(existing, "ticket://TCK-0001")

    assert error.message.startswith("This server failed; the operator finds the reason in its log.")
    assert [one["tool"] for one in logs if one["message"] == "tool_call_fault"] == ["get_ticket_detail"]


async def test_a_read_that_is_given_up_is_recorded_as_cancelled(existing: World) -> None:
    with capture_logs() as logs, anyio.CancelScope() as scope:

        async def hangs_and_is_given_up(inner: Any, request: Any) -> Any:
            scope.cancel()
            return await hangs(inner, request)

        existing.wire.when("GET", "/tickets/TCK-0001", hangs_and_is_given_up)
        await read(existing, "ticket://TCK-0001")

    assert scope.cancelled_caught
    assert [one["outcome"] for one in logs if one["message"] == "read_finished"] == ["cancelled"]


async def test_a_long_list_ends_at_its_first_page_and_says_who_shows_the_rest(existing: World) -> None:
    accounts = [{"id": f"acc{number}", "name": f"Account {number}"} for number in range(201)]
    existing.wire.when("GET", "/tickets/master/accounts", responses(json=accounts), always=True)

    said = await read(existing, "tickets://master/accounts")

    assert "acc199" in said
    assert "acc200" not in said
    assert said.endswith("This resource ends here; get_accounts shows the rest, with query or offset.")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("ticket://TCK-0001", "ticket"), ("TICKET://x", "ticket"), ("ticket://{id}", "ticket"),
        ("tickets://master/users", "master"), ("tickets://other", None), ("docs://overview", None), (5, None),
    ],
)  # fmt: skip
def test_a_uri_belongs_to_the_template_that_it_begins_like(uri: object, expected: str | None) -> None:
    found = template_of(uri)

    assert (None if found is None else found.name) == expected
