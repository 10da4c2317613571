"""docs/tools.md has what was measured of other ticket servers and of this one."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.mcp_prompts.catalog import PROMPTS
from shared.mcp_tools.catalog import TOOLS
from tests.peers.measure import measure
from tests.peers.servers import OURS, SERVERS, SHOWN_BY
from tests.peers.table import BEGIN, DOCUMENT, END, table, written


def test_this_server_is_shown_as_it_is() -> None:
    rows = [line.split("|") for line in DOCUMENT.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].split("\n")]
    shown = {row[1].strip(): row[2:] for row in rows if len(row) > 2}

    assert int(shown["tools"][0]) == len(TOOLS)
    assert int(shown["prompts"][0]) == len(PROMPTS)
    assert [cell.strip() for cell in shown["version"][:-1]] == [one.version() for one in SERVERS]
    assert all(re.fullmatch(r"–|[\d.]+", one.version()) for one in SERVERS)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_the_table_of_ticket_servers_is_what_they_list(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    measured = await measure(tmp_path)

    record_property("figure", f"tokens of tools: { {one.server.name: one.tokens for one in measured} }")
    document = DOCUMENT.read_text("utf-8")
    assert document == written(document, table(measured)), "run `python -m tests.peers` on the Python of the tests"
    shown = {name for one in measured if one.server is not OURS for ability in SHOWN_BY for name in one.shown(ability)}
    ours = {name for ability in SHOWN_BY for name in measured[0].shown(ability)}
    assert shown | ours == {name for names in SHOWN_BY.values() for name in names}
