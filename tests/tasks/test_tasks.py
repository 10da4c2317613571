"""Thirty tasks of a support day, over both ticket APIs and every wire: done, and within their calls and tokens."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.tasks.day import Wire, played
from tests.tasks.table import COLUMNS, DOCUMENT, cells_of, rows_in
from tests.tasks.task import Kind, Language

LEAST: Final = {"en": 30, "ja": 15}
DIFFERS: Final = 0.05
"""By how much of them the tokens in the document may differ: a token of a preview takes more or less of them."""


@pytest.mark.long
@pytest.mark.parametrize(
    ("wire", "kind", "language"),
    [
        ("stdio", "reference", "en"),
        ("stdio", "existing", "en"),
        ("sse", "reference", "en"),
        ("sse", "existing", "en"),
        ("http", "reference", "ja"),
        ("http", "existing", "ja"),
    ],
)
async def test_a_support_day_is_done_in_few_calls_and_tokens(
    wire: Wire, kind: Kind, language: Language, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    outcomes = await played(wire, kind, language, tmp_path)

    each = ", ".join(f"{one.task.name} {one.calls} / {tokens:,}" for one, tokens in outcomes)
    record_property("figure", f"tasks over {wire}, {kind} API, {language} (calls / tokens): {each}")
    wrong = [f"{one.task.name}: {text}" for one, _ in outcomes for text in one.wrong]
    costly = [
        f"{one.task.name}: {one.calls} calls and {tokens} tokens, at most {dict(one.task.budget)}"
        for one, tokens in outcomes
        if one.calls > one.task.budget["calls"] or tokens > (one.task.tokens(language) or tokens)
    ]
    assert wrong + costly == []
    said = {cells_of(row)[0]: cells_of(row) for row in rows_in(DOCUMENT.read_text("utf-8"))}
    column = COLUMNS.get((kind, language))
    stale = [
        f"{one.task.name}: {said[one.task.asks][column]} in the document, {tokens} now"
        for one, tokens in outcomes
        if column is not None and abs(int(said[one.task.asks][column].replace(",", "")) - tokens) > DIFFERS * tokens + 5
    ]
    assert stale == [], "run `python -m tests.tasks`"
    assert len(outcomes) >= LEAST[language]
