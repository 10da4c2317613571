"""docs/tools.md has what was measured of other ticket servers and of this one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.measure import measure
from tests.peers.servers import OURS, SHOWN_BY
from tests.peers.table import DOCUMENT, table, written


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
