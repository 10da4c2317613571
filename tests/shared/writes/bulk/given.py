"""Shared by the tests of `update_tickets`: calls, what others do meanwhile, and what is stored."""

from typing import Any, Final

from tests.shared.given import Act, World

SEVEN: Final = [f"TCK-000{number}" for number in range(1, 8)]
TO_ONE: Final = {"ticketIds": SEVEN, "change": {"personInChargeId": "user5", "comment": "Handed over."}}
AS_USER: Final = {"updatedById": "user4"}


async def call(here: World, **arguments: Any) -> dict[str, Any]:
    """Call the tool; return its structured content."""
    return await here.done("update_tickets", **AS_USER | arguments)


async def confirmed(here: World, **arguments: Any) -> dict[str, Any]:
    """Call the tool twice, the second time with the token."""
    return await call(here, **arguments, confirm=(await call(here, **arguments))["confirm"])


def states(result: dict[str, Any]) -> dict[str, str]:
    """Return the state of each ticket."""
    columns = result["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in result["rows"]]
    return {row["ticketId"]: row.get("state") or next(iter(result["counts"])) for row in rows}


def why(result: dict[str, Any], ticket_id: str) -> str:
    """Return what is said of one ticket."""
    row = next(row for row in result["rows"] if row[0] == ticket_id)
    return str(row[result["columns"].index("why")])


async def in_charge(here: World) -> list[str]:
    """Return who is in charge of each of the seven tickets."""
    return [(await here.api.get(f"/tickets/{one}"))["personInChargeId"] for one in SEVEN]


async def comments(here: World, comment: str = "Handed over.") -> int:
    """Return how many entries of the seven tickets have the comment."""
    histories = [await here.api.get(f"/tickets/{one}/history") for one in SEVEN]
    return sum(entry["comment"] == comment for entries in histories for entry in entries)


def first(here: World, ticket_id: str = "TCK-0003", **values: Any) -> Act:
    """Let another user change a ticket before a request is sent."""

    async def act(inner: Any, request: Any) -> Any:
        await here.api.put(f"/tickets/{ticket_id}", {"updatedById": "user3", "summary": "By another", **values})
        return await inner.handle_async_request(request)

    return act
