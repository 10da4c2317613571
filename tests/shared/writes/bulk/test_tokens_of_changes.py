"""What a change of several tickets costs a model: handing over seven, closing six, in the tokens of one (o200k)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from shared.wire_json import encode
from tests.o200k import o200k
from tests.shared.given import World, text_of

HAND_OVER: Final = {
    "ticketIds": [f"TCK-00{number}" for number in range(41, 48)],
    "change": {"personInChargeId": "user6"},
}
CLOSE: Final = {
    "ticketIds": [f"TCK-00{number}" for number in range(41, 47)],
    "change": {"statusId": "stat4", "completionDate": "2026-11-29", "comment": "Solved, confirmed by the customer."},
}
MOST: Final = {"hand over": 450, "close": 500}
RATIO: Final = 1.5


async def both(here: World, **arguments: Any) -> list[tuple[str, str]]:
    """Preview and confirm; return both results as text and as JSON."""
    said = []
    more: dict[str, str] = {}
    for _ in range(2):
        result = await here.call("update_tickets", updatedById="user4", **arguments, **more)
        structured = result.structured_content or {}
        more = {"confirm": structured.get("confirm", "")}
        said.append((text_of(result), encode(structured).decode()))
    assert '"counts":{"done":' in said[1][1]
    return said


async def test_handing_over_seven_and_closing_six_take_few_tokens(
    reference: World, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    said = [*await both(reference, **HAND_OVER), *await both(reference, **CLOSE)]

    counts = await o200k([form for forms in said for form in forms], tmp_path)

    texts, structured = counts[::2], counts[1::2]
    taken = {"hand over": sum(texts[:2]), "close": sum(texts[2:])}
    record_property("figure", f"tokens (o200k) of preview and confirmation: {taken}; of each as JSON: {structured}")
    assert {name: count for name, count in taken.items() if count > MOST[name]} == {}
    assert [one / two for one, two in zip(structured, texts, strict=True) if one > RATIO * two] == []
