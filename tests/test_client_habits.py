"""Every row of the table of client habits is served and counted, and refused once an operator switches it off."""

import re
from pathlib import Path
from typing import Final

import httpx2
import pytest

from shared.client_habits import HABITS, ClientHabits
from shared.counting import TallyCounter
from tests.client_habits import SCENARIOS, replayed
from tests.processes import KEY, OPERATOR_KEY, http_door
from tests.renew import INTEROP
from transport.streamable_http_stateless import CONNECTORS

NAMES: Final = [habit.name for habit in HABITS]


def test_every_row_has_a_scenario_and_every_scenario_a_row() -> None:
    assert list(SCENARIOS) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_a_habit_is_served_and_counted_and_switched_off_it_is_neither(name: str) -> None:
    served, refused = TallyCounter(), TallyCounter()

    assert await SCENARIOS[name](ClientHabits(counter=served))
    assert not await SCENARIOS[name](ClientHabits(off=[name], counter=refused))

    assert served.total("client_habits", habit=name) >= 1
    assert (served.total("client_habits", habit=name), refused.total("client_habits")) == (
        served.total("client_habits"),
        0,
    ), "no other row is counted, and none that is refused"


def test_there_is_no_other_row_to_switch_off() -> None:
    with pytest.raises(ValueError, match="there is no client habit final_slashes; choose from"):
        ClientHabits(off=["final_slashes"])


def test_the_document_names_every_client_behind_a_connector() -> None:
    document = INTEROP.read_text("utf-8")

    assert [name for name in CONNECTORS if f"`{name}`" not in document] == []


@pytest.mark.parametrize(
    ("off", "expected"),
    [("", [200] * 10), (",".join(NAMES), [400, 400, 400, 400, 406, 404, 0, 400, 0, 0])],
    ids=["served", "switched off"],
)
def test_the_server_serves_them_unless_its_settings_say_otherwise_and_shows_the_counts(
    tmp_path: Path, off: str, expected: list[int]
) -> None:
    with http_door(tmp_path, MCP_CLIENT_HABITS_OFF=off) as (address, _):
        with httpx2.Client(base_url=address, headers={"x-api-key": KEY}) as http:
            seen = replayed(http)
        metrics = httpx2.get(f"{address}/metrics", headers={"x-api-key": OPERATOR_KEY}).text

    assert list(seen.values()) == expected, seen
    counted = re.findall(r'^ticket_server_client_habits_total\{habit="(\w+)"\} 1\.0$', metrics, re.MULTILINE)
    assert sorted(counted) == ([] if off else sorted(seen))
