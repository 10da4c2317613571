"""The tools of a call: one contract for both implementations, and the isolation of tenants."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import anyio.lowlevel
import httpx2
import pytest

from shared.api_client import APIClient
from shared.errors import NotFoundError, UpstreamNotSetError, UpstreamUnavailableError
from shared.identity import Principal, Tenant, Upstream
from shared.mcp_tools import inputs, tenant_tools
from shared.mcp_tools.tenant_tools import ASK_AGAIN_S, SingleToolsProvider, TenantToolsProvider, ToolsProvider
from shared.tickets.acting_user import ToolCall
from shared.tools import TicketTools
from tests.kills import kills

A: Final = Principal("a", Tenant("tenant-a"))
B: Final = Principal("b", Tenant("tenant-b"))


class Api(httpx2.AsyncBaseTransport):
    """The ticket API behind one client: it returns its name, can be made to wait, and records when it is closed."""

    def __init__(self, log: list[str], name: str) -> None:
        self._log, self.name = log, name
        self.may_respond = asyncio.Event()
        self.may_respond.set()
        self.asked = asyncio.Event()
        self.is_closed = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Respond with one item that has the name of this API."""
        assert not self.is_closed
        self.asked.set()
        await self.may_respond.wait()
        return httpx2.Response(200, json=[{"id": "one", "name": self.name}], request=request)

    async def aclose(self) -> None:
        """Close."""
        assert not self.is_closed
        self.is_closed = True
        self._log.append(self.name)


@dataclass
class Office:
    """Tools by tenant, with a directory and a clock that the test controls."""

    upstreams: dict[str, Upstream] = field(default_factory=dict)
    now: float = 0.0
    asked: list[str] = field(default_factory=list)
    may_answer_now: asyncio.Event = field(default_factory=asyncio.Event)
    opened: list[Api] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def provider(self, most: int = 10) -> TenantToolsProvider:
        return TenantToolsProvider(self, connect=self.connect, tools=TicketTools, most=most, clock=lambda: self.now)

    async def upstream_of(self, tenant: Tenant) -> Upstream:
        self.asked.append(tenant.id)
        await anyio.lowlevel.checkpoint()
        await self.may_answer_now.wait()
        return self.upstreams.get(tenant.id, Upstream(f"http://{tenant.id}", "key"))

    def connect(self, tenant: Tenant, upstream: Upstream) -> APIClient:
        if upstream.address is None:
            raise UpstreamNotSetError("None is set.")
        self.opened.append(Api(self.closed, f"{tenant.id} at {upstream.address} with {upstream.api_key}"))
        return APIClient(upstream.address, transport=self.opened[-1])


@pytest.fixture
async def office() -> Office:
    made = Office()
    made.may_answer_now.set()
    return made


async def served(here: ToolsProvider, caller: Principal | None = A) -> str:
    """Make one call; return the name of the API that served it."""
    async with here.acquire(caller) as tools:
        return str((await tools.get_users(inputs.UsersInput(), ToolCall())).rows[0][1])


@pytest.fixture(params=["one", "tenants"])
async def any_provider(request: pytest.FixtureRequest, office: Office) -> AsyncIterator[ToolsProvider]:
    if request.param == "one":
        yield SingleToolsProvider(TicketTools(office.connect(Tenant("default"), Upstream("http://default", "key"))))
        return
    here = office.provider()
    async with here.run():
        yield here


@pytest.mark.parametrize("caller", [None, Principal("person-1")])
async def test_a_caller_gets_tools_again_and_again_and_at_once(
    any_provider: ToolsProvider, caller: Principal | None
) -> None:
    names = await asyncio.gather(*(served(any_provider, caller) for _ in range(5)))

    assert set(names) == {"default at http://default with key"}


async def test_an_error_of_a_call_reaches_its_caller(any_provider: ToolsProvider) -> None:
    with pytest.raises(NotFoundError):
        async with any_provider.acquire(None):
            raise NotFoundError("There is no such ticket.")


async def test_each_tenant_has_a_way_of_its_own_that_is_opened_once(office: Office) -> None:
    here = office.provider()
    async with here.run():
        names = await asyncio.gather(*(served(here, caller) for caller in (A, B, A, B)))

    assert names == [f"tenant-{x} at http://tenant-{x} with key" for x in "abab"]
    assert len(office.opened) == 2
    assert sorted(office.asked) == ["tenant-a", "tenant-b"]


async def test_all_are_closed_at_the_end_the_last_one_first(office: Office) -> None:
    here = office.provider()
    async with here.run():
        await served(here, A)
        await served(here, B)
        assert office.closed == []

    assert [name.split()[0] for name in office.closed] == ["tenant-b", "tenant-a"]


async def test_the_directory_is_asked_again_after_half_a_minute(office: Office) -> None:
    here = office.provider()
    async with here.run():
        await served(here)
        office.now = ASK_AGAIN_S - 1
        await served(here)
        assert len(office.asked) == 1
        office.now = ASK_AGAIN_S
        await served(here)
        await served(here)

    assert len(office.asked) == 2
    assert len(office.opened) == 1, "what has not changed is kept"


@kills(
    "shared/mcp_tools/tenant_tools.py",
    "if connected.calls or not connected.is_replaced:",
    "if not connected.is_replaced:",
)
@pytest.mark.parametrize("changed", [Upstream("http://elsewhere", "key"), Upstream("http://tenant-a", "another")])
async def test_a_call_in_flight_ends_where_it_began_when_address_or_key_is_changed(
    office: Office, changed: Upstream
) -> None:
    here = office.provider()
    async with here.run(), asyncio.TaskGroup() as group:
        await served(here)
        (old,) = office.opened
        old.may_respond.clear()
        in_flight = group.create_task(served(here))
        old.asked.clear()
        await old.asked.wait()
        office.upstreams["tenant-a"], office.now = changed, ASK_AGAIN_S

        assert await served(here) == f"tenant-a at {changed.address} with {changed.api_key}"
        assert not old.is_closed
        old.may_respond.set()
        assert await in_flight == "tenant-a at http://tenant-a with key"
        await until_closed(old)


async def until_closed(api: Api) -> None:
    """Wait for the task that closes it."""
    with anyio.fail_after(30):
        while not api.is_closed:
            await anyio.lowlevel.checkpoint()


@kills("shared/mcp_tools/tenant_tools.py", "if spare <= 0:", "if True:")
async def test_of_too_many_the_one_that_called_longest_ago_is_closed(office: Office) -> None:
    here = office.provider(most=2)
    async with here.run():
        await served(here, A)
        await served(here, B)
        await served(here, A)
        await served(here, Principal("c", Tenant("tenant-c")))
        await until_closed(office.opened[1])
        assert [api.is_closed for api in office.opened] == [False, True, False]
        assert await served(here, B) == "tenant-b at http://tenant-b with key"

    assert len(office.closed) == 4, "each was closed exactly once"


async def test_who_is_being_served_does_not_have_to_make_room(office: Office) -> None:
    here = office.provider(most=1)
    async with here.run():
        async with here.acquire(A):
            await served(here, B)
            await served(here, A)
            assert not office.opened[0].is_closed
            assert len(office.opened) == 2
        await served(here, Principal("c", Tenant("tenant-c")))
        await until_closed(office.opened[0])
        await until_closed(office.opened[1])


async def test_without_the_word_of_the_directory_no_one_is_served(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = office.provider()
    async with here.run():
        await served(here)
        office.now = ASK_AGAIN_S
        office.may_answer_now.clear()

        with monkeypatch.context() as patch:
            patch.setattr(tenant_tools, "ASK_S", 0.01)
            async with asyncio.timeout(30):
                results: list[Any] = await asyncio.gather(*(served(here) for _ in range(3)), return_exceptions=True)

        assert [type(one) for one in results] == [UpstreamUnavailableError] * 3
        assert "cannot be looked up at the moment. Nothing was changed; try again" in str(results[0])
        office.may_answer_now.set()
        assert await served(here) == "tenant-a at http://tenant-a with key"


async def test_a_tenant_without_a_ticket_system_is_refused_until_it_has_one(office: Office) -> None:
    office.upstreams["tenant-a"] = Upstream()
    here = office.provider()
    async with here.run():
        with pytest.raises(UpstreamNotSetError):
            await served(here)
        del office.upstreams["tenant-a"]

        assert await served(here) == "tenant-a at http://tenant-a with key", "a refusal is not kept"
        office.upstreams["tenant-a"], office.now = Upstream(), ASK_AGAIN_S
        with pytest.raises(UpstreamNotSetError):
            await served(here)


async def test_a_tenant_that_was_refused_makes_room_like_any_other(office: Office) -> None:
    office.upstreams["tenant-a"] = Upstream()
    here = office.provider(most=1)
    async with here.run():
        with pytest.raises(UpstreamNotSetError):
            await served(here)

        assert await served(here, B) == "tenant-b at http://tenant-b with key"
        assert await served(here, B) == "tenant-b at http://tenant-b with key"

    assert len(office.opened) == 1
