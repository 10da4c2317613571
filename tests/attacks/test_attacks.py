"""Cases A2 to A8 as bounded attacks: all other clients get responses in time, and no state of the attack remains."""

from pathlib import Path
from typing import Final

import pytest

from tests.attacks.grounds import MARKS, api_alone, door, open_door, with_few_files
from tests.attacks.watch import attacked
from tests.processes import HTTP_DOOR, TICKET_API

pytestmark = MARKS

FEW_FILES: Final = 64
TICKETS: Final = 5_000
HEADS: Final = ("header_lines", "header_value", "address_line", "pipeline")


@pytest.mark.parametrize("attack", [*HEADS, "unknown_names", "attachments"])
async def test_the_door_withstands(tmp_path: Path, attack: str) -> None:
    async with door(tmp_path) as ground:
        assert await attacked(ground, attack) == []


@pytest.mark.parametrize("attack", HEADS)
async def test_the_ticket_api_alone_withstands(tmp_path: Path, attack: str) -> None:
    async with api_alone(tmp_path) as ground:
        assert await attacked(ground, attack) == []


async def test_silent_connections_leave_room_at_a_door_with_few_files(tmp_path: Path) -> None:
    async with door(tmp_path, with_few_files(HTTP_DOOR, FEW_FILES)) as ground:
        assert await attacked(ground, "silent") == []


async def test_silent_connections_leave_room_at_a_ticket_api_with_few_files(tmp_path: Path) -> None:
    async with api_alone(tmp_path, with_few_files(TICKET_API, FEW_FILES)) as ground:
        assert await attacked(ground, "silent") == []


@pytest.mark.parametrize("attack", ["searches", "wildcards"])
async def test_one_organisations_searches_leave_slots_for_another(tmp_path: Path, attack: str) -> None:
    async with door(tmp_path, tickets=TICKETS) as ground:
        assert await attacked(ground, attack) == []


async def test_a_web_page_of_another_site_uses_up_no_sessions(tmp_path: Path) -> None:
    async with open_door(tmp_path) as ground:
        assert await attacked(ground, "cross_site") == []
