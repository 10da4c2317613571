"""Settings that choose the transports and retire one of them: what is read, and each refusal with its sentence."""

from datetime import date

import pytest

from shared.config import CloudSettings, load
from tests.shared.test_config import KEY, refusal_of

pytestmark = pytest.mark.usefixtures("env")


@pytest.mark.parametrize(
    ("value", "wires"),
    [
        ("", {"sse", "streamable_http"}),
        ("all", {"sse", "streamable_http"}),
        ("sse", {"sse"}),
        ("streamable_http", {"streamable_http"}),
    ],
)
def test_wires_are_chosen_by_name(value: str, wires: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_TRANSPORT_TYPE", value)

    settings = load(CloudSettings, mcp_api_key=KEY)
    assert settings.wires == wires
    assert settings.sse_sunset is None


@pytest.mark.parametrize("value", ["http", "stdio", "SSE", "sse,streamable_http"])
def test_a_wire_that_there_is_not_is_refused(value: str) -> None:
    said = refusal_of(CloudSettings, MCP_MCP_API_KEY=KEY, MCP_TRANSPORT_TYPE=value)

    assert said == "MCP_TRANSPORT_TYPE must be one of all, sse, streamable_http"


@pytest.mark.parametrize("wires", ["all", "streamable_http"])
def test_the_end_of_sse_is_a_day_even_one_that_has_passed(wires: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_TRANSPORT_TYPE", wires)
    for value, day in (("2027-03-31", date(2027, 3, 31)), (" 2025-03-26\n", date(2025, 3, 26))):
        monkeypatch.setenv("MCP_SSE_SUNSET", value)

        assert load(CloudSettings, mcp_api_key=KEY).sse_sunset == day
    assert load(CloudSettings, mcp_api_key=KEY, sse_sunset=date(2028, 2, 29)).sse_sunset == date(2028, 2, 29)


@pytest.mark.parametrize(
    "value",
    ["soon", "2027-02-29", "2027-3-1", "20270331", "2027-W13-3", "1806451200", "2027-03-31T00:00:00", "２０２７-03-31"],
)
def test_a_day_that_is_none_is_refused(value: str) -> None:
    said = refusal_of(CloudSettings, MCP_MCP_API_KEY=KEY, MCP_SSE_SUNSET=value)

    assert said == "MCP_SSE_SUNSET must be a day as YYYY-MM-DD, for example 2027-03-31"


def test_an_end_of_sse_needs_somewhere_to_go_and_may_not_come_before_its_deprecation() -> None:
    alone = refusal_of(CloudSettings, MCP_MCP_API_KEY=KEY, MCP_SSE_SUNSET="2027-03-31", MCP_TRANSPORT_TYPE="sse")
    early = refusal_of(CloudSettings, MCP_MCP_API_KEY=KEY, MCP_SSE_SUNSET="2025-03-25")

    assert alone == (
        "MCP_SSE_SUNSET sends clients to Streamable HTTP, which MCP_TRANSPORT_TYPE=sse does not serve: "
        "set MCP_TRANSPORT_TYPE=all, or leave MCP_SSE_SUNSET out"
    )
    assert early == "MCP_SSE_SUNSET must be 2025-03-26 or later: MCP deprecated HTTP+SSE on that day"
