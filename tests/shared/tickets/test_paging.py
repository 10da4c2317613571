"""Every filter and order means the same over both ticket APIs, and pages by cursor cover a list once (case T19)."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import pytest

from shared.tickets.paging import windows
from shared.tickets.selection import TicketFilters, TicketSelection
from tests.shared.given import NOW, TICKET, World, world
from tests.shared.tickets.paged import COMPLETED, Ticket, ids, in_order, many, pages_of, tickets_of, walked

Kind = Literal["existing", "reference"]
SORTS: Final = ("receptionDateTime", "scheduledCompletionDate", "completionDate")
KINDS: Final[tuple[Kind, ...]] = ("existing", "reference")
SINCE: Final = NOW - timedelta(hours=3)

SELECTED: Final[MappingProxyType[str, tuple[dict[str, Any], Callable[[Ticket], Any]]]] = MappingProxyType({
    "everything": ({}, bool),
    "open": ({"completed": False}, lambda t: t["statusId"] != COMPLETED),
    "one status": ({"status_ids": ("stat2",)}, lambda t: t["statusId"] == "stat2"),
    "several statuses": ({"status_ids": ("stat1", "stat4")}, lambda t: t["statusId"] in {"stat1", "stat4"}),
    "several open ones": ({"status_ids": ("stat1", "stat2")}, lambda t: t["statusId"] in {"stat1", "stat2"}),
    "category": ({"category_id": "cat2"}, lambda t: t["categoryId"] == "cat2"),
    "person": ({"person_in_charge_id": "user2"}, lambda t: t["personInChargeId"] == "user2"),
    "account": ({"account_id": "acc1"}, lambda t: t["accountId"] == "acc1"),
    "due": (
        {"due_from": "2026-12-02", "due_to": "2026-12-03"},
        lambda t: "2026-12-02" <= (t["scheduledCompletionDate"] or "") <= "2026-12-03",
    ),
    "received": (
        {"received_from": "2026-11-21", "received_to": "2026-11-23"},
        lambda t: "2026-11-21" <= t["receptionDateTime"][:10] <= "2026-11-23",
    ),
    "completed": (
        {"completed_from": "2026-11-20", "completed_to": "2026-11-21"},
        lambda t: "2026-11-20" <= (t["completionDate"] or "") <= "2026-11-21",
    ),
    "completed since": ({"completed_from": "2026-11-21"}, lambda t: (t["completionDate"] or "") >= "2026-11-21"),
    "changed": ({"updated_since": SINCE.isoformat()}, lambda t: t["updated"] >= SINCE),
    "all of it": (
        {
            "category_id": "cat2", "status_ids": ("stat4", "stat1"), "account_id": "acc1", "received_to": "2026-11-25",
            "completed_to": "2026-11-22", "due_from": "2026-12-01",
        },
        lambda t: t["categoryId"] == "cat2" and t["statusId"] in {"stat4", "stat1"} and t["accountId"] == "acc1"
        and t["receptionDateTime"][:10] <= "2026-11-25" and "" < (t["completionDate"] or "") <= "2026-11-22"
        and (t["scheduledCompletionDate"] or "") >= "2026-12-01",
    ),
})  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_every_filter_selects_the_same_tickets_in_every_order(tmp_path: Path, kind: Kind) -> None:
    async with world(kind, tmp_path) as here:
        await many(here, 25)
        for number in (3, 9, 11):
            await here.api.post(f"/tickets/TCK-{number:04}/history", {"userId": "user2", "comment": "Called back."})
        tickets, pages = await tickets_of(here), pages_of(here)

        for name, (given, fits) in SELECTED.items():
            for sort_by in SORTS:
                order: dict[str, Any] = {"sort_by": sort_by, "descends": len(name) % 2 == 0}
                selection = TicketSelection(filters=TicketFilters(**given), limit=100, **order)
                page = await pages.page(selection)
                wanted = in_order(tickets, selection, fits)

                assert (name, sort_by, ids(page)) == (name, sort_by, wanted)
                assert (name, page.total, page.total_is_exact) == (name, len(wanted), True)
                assert (page.has_more, page.next_cursor, page.notes) == (False, None, ())
                assert wanted, name


@pytest.mark.parametrize("descends", [True, False], ids=["desc", "asc"])
@pytest.mark.parametrize("sort_by", SORTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_pages_by_cursor_neither_repeat_nor_skip_while_tickets_come_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, sort_by: str, descends: bool
) -> None:
    """Others write between the pages: tickets with dates of every kind, and a new date for none that is listed."""
    monkeypatch.setattr(windows, "KEEP_S", 0.0)
    async with world(kind, tmp_path) as here:
        await many(here, 20)
        tickets, pages = await tickets_of(here), pages_of(here)
        order: dict[str, Any] = {"sort_by": sort_by, "descends": descends}
        seen: list[str] = []

        async for page in walked(pages, TicketFilters(), limit=20 if kind == "reference" else 6, **order):
            seen += ids(page)
            await many(here, 3)
            await here.api.post("/tickets", TICKET | {"receptionDateTime": "2031-01-01 09:00"})

        assert len(seen) == len(set(seen))
        wanted = in_order(tickets, TicketSelection(filters=TicketFilters(), **order), bool)
        held = set(wanted)
        assert [one for one in seen if one in held] == wanted


async def test_an_api_with_details_in_its_rows_is_asked_once(reference: World) -> None:
    selection = TicketSelection(filters=TicketFilters(), fields=("completionDate", "updatedAt", "statusId"))

    page = await pages_of(reference).page(selection)

    assert reference.wire.sent == [("GET", "/health"), ("GET", "/tickets")]
    assert all(row["updatedAt"] and row["statusId"] for row in page.rows)
