"""Names as people write them, against tests/corpus/names.toml: no write takes a wrong one."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from shared.errors import InvalidInputError
from shared.tickets.acting_user import ToolCall
from shared.tickets.master_data import MasterData
from shared.tickets.references import check
from tests.kills import kills
from tests.processes import ROOT
from tests.shared.given import World, responses, world

CORPUS: Final = tomllib.loads((ROOT / "tests" / "corpus" / "names.toml").read_text(encoding="utf-8"))
PLACES: Final = (
    ("users", "people"), ("accounts", "accounts"), ("statuses", "statuses"), ("request-channels", "channels"),
)  # fmt: skip


def serve_corpus(here: World) -> None:
    """Let the ticket API have the master data of the corpus."""
    for path, name in PLACES:
        keys = ("id", "name", "email", "role")
        rows = [dict(zip(keys, row, strict=False)) for row in CORPUS[name]]
        here.wire.when("GET", f"/tickets/master/{path}", responses(200, rows), always=True)


async def outcome(master: MasterData, spelling: dict[str, Any], *, is_write: bool) -> dict[str, Any]:
    """Return what a spelling is taken for or, if it is refused, which ids are proposed."""
    field = spelling.get("field", "personInChargeId")
    try:
        checked = await check(master, {field: spelling["given"]}, ToolCall(), is_write=is_write)
    except InvalidInputError as error:
        is_proposal = "no such id or name" not in str(error) and "do not fit" not in str(error)
        return {"fits": [label.split()[0] for label in error.allowed]} if is_proposal else {}
    return {"is": checked.values[field]}


def right(spelling: dict[str, Any], *, is_write: bool) -> dict[str, Any]:
    """Return the outcome that is right."""
    if "is" in spelling:
        return {"is": spelling["is"]}
    fits = spelling.get("fits")
    if not fits:
        return {}
    return {"is": fits[0]} if len(fits) == 1 and not is_write else {"fits": fits}


@kills("shared/tickets/references.py", "len(partial) == 1 and not rules.is_write", "len(partial) == 1")
async def test_spellings_are_taken_proposed_or_refused(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    spellings = CORPUS["spellings"]
    wrong = []
    async with world("existing", tmp_path) as here:
        serve_corpus(here)
        master = MasterData(here.api)
        for spelling in spellings:
            for is_write in (True, False):
                seen = await outcome(master, spelling, is_write=is_write)
                if seen != right(spelling, is_write=is_write):
                    wrong.append((spelling["given"], "write" if is_write else "read", seen))

    assert wrong == []
    assert len(spellings) >= 60
    record_property("figure", f"names: {len(spellings)} spellings, none taken wrongly by a read or a write")


@pytest.mark.parametrize("given", ["Hana Whitfield", "Nora Quill", "user99", "大久保", "ハヤテ"], ids=str.encode)
async def test_candidates_are_few_short_and_begin_with_the_id(tmp_path: Path, given: str) -> None:
    field, ids = ("accountId", "acc") if given == "ハヤテ" else ("personInChargeId", "user")
    async with world("existing", tmp_path) as here:
        serve_corpus(here)
        with pytest.raises(InvalidInputError) as caught:
            await check(MasterData(here.api), {field: given}, ToolCall(), is_write=True)

    candidates = [one for one in caught.value.allowed if not one.startswith("and ")]
    assert 1 <= len(candidates) <= 5
    assert all(one.startswith(ids) for one in candidates)
    assert len(str(caught.value)) < 4 * 120


async def test_namesakes_are_told_apart_by_address_and_role(tmp_path: Path) -> None:
    async with world("existing", tmp_path) as here:
        serve_corpus(here)
        with pytest.raises(InvalidInputError) as caught:
            await check(MasterData(here.api), {"personInChargeId": "Hana Whitfield"}, ToolCall())

    assert caught.value.allowed == (
        "user4 (Hana Whitfield, hana.w@example.com, agent)",
        "user9 (Hana Whitfield, hana2@example.com, manager)",
    )
