"""A new ticket says which tickets of its account it looks like; looking never fails, delays or falsifies a write."""

import asyncio
from pathlib import Path
from typing import Any, Final, Literal

import anyio
import pytest

import ticket_api
from shared.api_client import APIClient
from shared.concurrency import beside
from shared.embedded.in_process import InProcessTransport
from shared.tickets.similar import look_alikes
from tests.kills import kills
from tests.shared.given import TICKET, World, at_now, drops, hangs, responses, text_of

NEW: Final = TICKET | {"summary": "Turnstile beeps twice", "description": "Since the gyroscope was replaced."}


def alike(created: dict[str, Any]) -> list[str]:
    return [note for note in created["notes"] if note.startswith("Looks like")]


async def test_a_created_ticket_names_the_older_ones_it_looks_like(either: World) -> None:
    first = await either.done("create_ticket", **NEW)
    other = {"summary": "Beeping of the turnstile", "description": "It happens when people enter."}

    second = await either.call("create_ticket", **(NEW | other))

    status = first["ticket"]["statusName"]
    sentence = f"Looks like {first['ticketId']} ({status}): same account, 2 words: turnstile, beeps."
    assert alike(first) == []
    assert alike(second.structured_content or {}) == [sentence]
    assert f"Note: {sentence}" in text_of(second)


@pytest.mark.parametrize(
    "other",
    [
        {"accountId": "acc2"},
        {"summary": "Gate beeps", "description": "Once."},
        {"summary": "Printer of hall C beeps", "description": "As loud as people on the phone."},
    ],
    ids=["another account", "one word", "little of either summary"],
)
async def test_other_tickets_are_not_named(either: World, other: dict[str, Any]) -> None:
    await either.done("create_ticket", **NEW)
    await either.done("create_ticket", **(NEW | {"summary": "Turnstile of hall C cannot count people leaving early"}))

    assert alike(await either.done("create_ticket", **(NEW | other))) == []


@pytest.mark.parametrize("language", ["en", "ja"])
async def test_no_sample_ticket_looks_like_another(tmp_path: Path, language: Literal["en", "ja"]) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'tickets.sqlite3'}"
    app = ticket_api.create_app(database_url=url, clock=at_now, sample_data=language)
    async with app.router.lifespan_context(app), APIClient("http://api", transport=InProcessTransport(app)) as api:
        for row in await api.get("/tickets", params={"limit": 100, "showCompleted": True}):
            ticket = await api.get(f"/tickets/{row['ticketId']}")
            found = await look_alikes.look_alikes(api, ticket)
            assert [ticket_id for ticket_id, _ in found] == [ticket["id"]]


@kills("shared/tickets/similar/look_alikes.py", "except (TicketServerError, TimeoutError)", "except TicketServerError")
@pytest.mark.parametrize(
    "act", [drops, hangs, responses(500), responses(json={"no": "list"}), responses(json=[{}, 1, {"ticketId": "T"}])]
)
async def test_a_ticket_is_created_though_others_cannot_be_read(
    either: World, monkeypatch: pytest.MonkeyPatch, act: Any
) -> None:
    monkeypatch.setattr(look_alikes, "LOOK_S", 0.05)
    either.wire.when("GET", "/tickets", act, always=True)

    created = await either.done("create_ticket", **NEW)

    assert alike(created) == []
    assert created["ticket"]["summary"] == NEW["summary"]


async def test_it_takes_one_request_beside_the_write(either: World) -> None:
    await either.done("create_ticket", **NEW)
    either.wire.sent.clear()

    again = await either.done("create_ticket", **(NEW | {"description": "Another one."}))

    assert sorted(either.wire.sent) == sorted([
        ("GET", "/tickets"),
        ("POST", "/tickets"),
        ("GET", f"/tickets/{again['ticketId']}"),
        ("GET", f"/tickets/{again['ticketId']}/history"),
    ])  # fmt: skip


async def test_at_most_three_are_named_the_newest_first(either: World) -> None:
    ids = [(await either.done("create_ticket", **(NEW | {"description": f"No. {n}"})))["ticketId"] for n in range(4)]

    last = await either.done("create_ticket", **(NEW | {"description": "No. 5"}))

    assert [note.split()[2] for note in alike(last)] == ids[:0:-1]


async def test_work_beside_a_block_ends_with_it() -> None:
    async def forever() -> None:
        await anyio.sleep_forever()

    async with beside(forever()) as task:
        await asyncio.sleep(0)
        assert not task.done()
    assert task.cancelled()

    with pytest.raises(ValueError, match="of the block"):
        async with beside(forever()) as task:
            raise ValueError("of the block")
    assert task.cancelled()
