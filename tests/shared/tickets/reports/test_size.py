"""A report takes at most 300 tokens, whatever the names, the numbers and the language."""

from itertools import cycle
from pathlib import Path
from typing import Any, Final

import pytest

from shared.localization import LANGUAGES, in_language
from shared.tickets.reports.size import MAX_TOKENS, row_tokens, short_name, tokens_left
from shared.wire_json import encode
from tests.kills import kills
from tests.o200k import o200k
from tests.shared.given import World, responses, rows_of, text_of

NAMES: Final = {
    "short": ("Ann", "New", "A"),
    "English": ("Hana Whitfield", "Waiting for customer", "Quillhaven Publishing International Holdings"),
    "Japanese": ("株式会社クイルヘイブン出版 東日本営業本部", "渡邉 鷹史郎", "㈱ヴァルモーラ・リテール", "顧客待ち"),
    "others": ("Екатерина Смирнова", "محمد عبد الله", "สมชาย ใจดี", "김민수", "Nguyễn Thị Hồng Nhung", "👩‍💻 🚀 desk"),
}
LARGEST: Final = {
    "count": 200_000, "open": 123_456, "overdue": 12_345, "oldestOpen": "2016-10-21 14:30", "averageOpenDays": 1234.5,
}  # fmt: skip
ARGUMENTS: Final[tuple[dict[str, Any], ...]] = (
    {"groupBy": "person,account", "from": "2026-11-23", "to": "2026-11-29"},
    {"groupBy": "account,category"},
    {"groupBy": "week,channel"},
    {"groupBy": "status"},
    {"groupBy": "account", "open": True, "from": "monday"},
)


def statistics(names: tuple[str, ...], groups: int, *, has_period: bool) -> dict[str, Any]:
    """Return a response of the largest size: 20 groups by `groups` names each, and a total."""
    named = cycle(names)
    in_period = {"received": 12_345, "completed": 12_345} if has_period else {}
    keys = [[{"by": "account", "id": "acc1", "name": next(named)} for _ in range(groups)] for _ in range(20)]
    shown = [LARGEST | in_period | {"keys": one, "count": 10_000 - place} for place, one in enumerate(keys)]
    return {"groups": shown, "other": None, "total": LARGEST | in_period}


@kills("shared/tickets/reports/size.py", "MAX_TOKENS - headings", "900 - headings")
async def test_a_report_takes_at_most_300_tokens(reference: World, tmp_path: Path) -> None:
    texts, forms, rows = list[str](), list[str](), list[int]()
    for language in LANGUAGES:
        for names in NAMES.values():
            for arguments in ARGUMENTS:
                groups, has_period = arguments["groupBy"].count(",") + 1, "from" in arguments
                said = statistics(names, groups, has_period=has_period)
                reference.wire.when("GET", "/tickets/stats", responses(200, said))
                reference.wire.when("GET", "/tickets/stats", responses(200, said))
                with in_language(language):
                    result = await reference.call("get_ticket_report", **arguments)
                reference.wire._rules.clear()
                texts.append(text_of(result))
                forms.append(encode(result.structured_content).decode())
                rows.append(len(rows_of(result.structured_content or {})))

    counts = await o200k([*texts, *forms], tmp_path)

    of_texts, of_forms = counts[: len(texts)], counts[len(texts) :]
    print(f"tokens (o200k) of the largest reports: {max(of_texts)}; rows: {min(rows)} to {max(rows)}")
    assert [(count, text) for count, text in zip(of_texts, texts, strict=True) if count > MAX_TOKENS] == []
    assert [form for text, form in zip(of_texts, of_forms, strict=True) if form > 1.25 * text] == []
    assert min(rows) >= 3


async def test_the_row_of_all_others_has_its_place_whatever_groups_the_api_names(reference: World) -> None:
    names = [{"by": "week", "id": "2026-11-23", "name": "2026-W48"}]
    small = {"count": 2, "open": 1, "overdue": 0, "oldestOpen": "2026-11-23 14:30", "averageOpenDays": 6.1}
    for number in range(5, 12):
        said = {"groups": [small | {"keys": names}] * number, "other": None, "total": LARGEST}
        reference.wire.when("GET", "/tickets/stats", responses(200, said))
        reference.wire.when("GET", "/tickets/stats", responses(200, said))
        shown = await reference.done("get_ticket_report", groupBy="person")
        reference.wire._rules.clear()

        assert shown["rows"][-1][0] == "(others)"
        left = tokens_left(len(shown["columns"]), has_period=False, notes=())
        assert sum(row_tokens(tuple(row)) for row in shown["rows"]) <= left


def test_a_long_name_is_cut_by_its_width() -> None:
    assert short_name("Quillhaven  Publishing") == "Quillhaven Publishing"
    assert short_name("Quillhaven Publishing International") == "Quillhaven Publishing In…"
    assert short_name("株式会社クイルヘイブン出版東日本") == "株式会社クイルヘイブン出…"
    assert short_name("日") == "日"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_changed_since_monday_takes_at_most_1500_tokens(
    either: World, tmp_path: Path, language: Any
) -> None:
    with in_language(language):
        result = await either.call("get_ticket_changes", since="monday")

    text, form = await o200k([text_of(result), encode(result.structured_content).decode()], tmp_path)
    print(f"tokens (o200k) of what changed since Monday: {text}")
    assert text <= 1_500
    assert form <= 1.25 * text
