"""Wrong arguments work at once, or are answered so briefly and clearly that a machine corrects them in one call."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest
from mcp import Client

from tests.corpus.corpus import entries, failure
from tests.shared.given import world

LEAST: Final[Mapping[str, int]] = MappingProxyType({
    "dates": 20, "relative_dates": 12, "ids": 12, "empties": 12, "wrong_types": 16, "enums": 8, "names": 20,
    "extra_keys": 10, "nested_or_stringified": 10,
})  # fmt: skip
"""Entries of each kind."""
MOST_MISSES: Final = 0.05


@pytest.mark.parametrize("file", ["arguments.toml", pytest.param("further.toml", marks=pytest.mark.long)])
async def test_wrong_arguments_work_or_are_corrected_in_one_call(
    file: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    tried, missed = defaultdict[str, int](int), list[str]()
    async with world("reference", tmp_path) as here, Client(here.server) as client:
        for number, entry in enumerate(entries(file), 1):
            tried[entry.kind] += 1
            if wrong := await failure(client, entry, number):
                missed.append(f"{entry.kind}: {entry.tool} {dict(entry.wrong)}: {wrong}")

    total = sum(tried.values())
    right = f"{total - len(missed)} of {total} ({1 - len(missed) / total:.0%})"
    record_property("figure", f"wrong arguments that work or are corrected in one call, {file}: {right}")
    assert len(missed) <= MOST_MISSES * total, "\n".join(missed)
    assert {kind: tried[kind] for kind in LEAST if tried[kind] < LEAST[kind]} == {} or file != "arguments.toml"
