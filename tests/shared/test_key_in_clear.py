"""No door sends the key of the ticket API over `http://` to another machine, except a private one if allowed (U6)."""

from typing import Any, Final

import pytest

from auth.validation import upstream_address
from shared.config import CloudSettings, SettingsWithoutKeys, StdioSettings, ToolSettings, load
from shared.environment import SettingsError
from shared.errors import InvalidInputError, UpstreamNotSetError
from shared.identity import Tenant, Upstream
from tests.kills import kills
from ticket_service import TicketService

DOORS: Final = (StdioSettings, CloudSettings, SettingsWithoutKeys)
RULE: Final = (
    "it must begin with https:// (http:// only for a loopback or private address, if an operator explicitly allows it)"
)
PUBLIC: Final = (
    "http://tickets.example",
    "http://8.8.8.8:8080/api",
    "http://localhost.example",
    "HTTP://TICKETS.EXAMPLE",
)
PRIVATE: Final = (
    *("http://10.0.0.3:8080", "http://192.168.1.5/api", "http://ticket-api:8081", "http://host.docker.internal:8080"),
    *("http://api.ns.svc.cluster.local", "http://[fd00::7]:8081"),
)
LINK_LOCAL: Final = ("http://169.254.169.254", "http://[fe80::1]")
doors = pytest.mark.parametrize("door", DOORS, ids=lambda one: one.__name__)


def start(door: type[ToolSettings], address: str, **given: Any) -> ToolSettings:
    """Read the settings of `door` for a ticket API with a key."""
    return load(door, **{"api_key": "our-key", "allow_anonymous": True, **given, "api_base_url": address})


@kills("shared/config/common.py", "if not may_carry_key(", "if not str(")
@doors
@pytest.mark.parametrize("address", [*PUBLIC, *PRIVATE, *LINK_LOCAL])
def test_a_key_is_not_sent_in_clear_to_another_machine(door: type[ToolSettings], address: str) -> None:
    with pytest.raises(SettingsError) as refused:
        start(door, address)

    assert str(refused.value) == (
        f"MCP_API_BASE_URL is not valid, since MCP_API_KEY is sent to it: {RULE}. For a private address, set "
        "MCP_ALLOW_PRIVATE=true"
    )


@doors
@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_an_operators_explicit_wish(door: type[ToolSettings], address: str) -> None:
    assert str(start(door, address, allow_private=True).api_base_url).startswith(address)


@pytest.mark.parametrize("address", [*PUBLIC, *LINK_LOCAL])
def test_that_wish_is_for_no_other_address(address: str) -> None:
    with pytest.raises(SettingsError):
        start(StdioSettings, address, allow_private=True)


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8081", "http://localhost:3000", "http://[::1]:1", "http://127.1", "https://tickets.example"],
)
def test_this_machine_and_https_need_no_permission(address: str) -> None:
    start(StdioSettings, address)


@pytest.mark.parametrize("address", [*PUBLIC, *PRIVATE])
def test_without_a_key_there_is_nothing_to_protect(address: str) -> None:
    start(StdioSettings, address, api_key=None)


@pytest.mark.parametrize("address", [*PUBLIC, *PRIVATE, *LINK_LOCAL])
def test_the_command_for_organisations_judges_and_says_the_same(address: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        upstream_address(address)
    assert RULE in str(refused.value)
    if address in PRIVATE:
        assert upstream_address(address, allow_private=True) == address


@pytest.mark.parametrize(("address", "allow_private"), [(PUBLIC[0], True), (PRIVATE[0], False)])
def test_nor_is_the_key_of_an_organisation_sent_to_the_shared_ticket_api(address: str, allow_private: bool) -> None:
    service = TicketService(load(StdioSettings, api_base_url=address, allow_private=allow_private))

    with pytest.raises(UpstreamNotSetError, match="MCP_ALLOW_PRIVATE=true for a private one"):
        service._connect(Tenant("acme"), Upstream(api_key="key"))


@pytest.mark.parametrize("address", [PRIVATE[0], "http://127.0.0.1:8081", "https://tickets.example"])
def test_other_keys_of_organisations_are_sent(address: str) -> None:
    service = TicketService(load(StdioSettings, api_base_url=address, allow_private=True))

    service._connect(Tenant("acme"), Upstream(api_key="key"))
