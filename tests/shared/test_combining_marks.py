"""Text with any number of combining marks is normalised at once, everywhere."""

import unicodedata
from collections.abc import Callable
from typing import Any, Final

import pytest

from shared.combining_marks import MOST_MARKS, with_few_marks
from shared.mcp_tools.arguments import names, values
from shared.tickets import folding
from shared.tickets.search.terms import SearchTerms
from shared.writes import repeats
from ticket_api.store import search

NORMALISING: Final[dict[str, Callable[[str], Any]]] = {
    "search": search.fold,
    "tools": folding.fold,
    "repeats": repeats.meaning,
    "values": values.plain,
    "names": names.name_folded,
    "terms": lambda text: SearchTerms.of(text).phrase,
}


@pytest.mark.parametrize("where", NORMALISING)
@pytest.mark.parametrize("marks", ["\u0301\u0323", "\uff9e\u0301", "\u0f73\u0323"], ids=["latin", "kana", "double"])
def test_so_many_marks_of_one_character_count_that_they_are_sorted_at_once(where: str, marks: str) -> None:
    """To sort 50,000 takes seconds, in which a server of one thread answers no client."""
    assert len(NORMALISING[where](f"begins x{marks * 2_500} ends")) < 100


def test_signs_in_a_row_and_the_marks_of_a_language_are_all_kept() -> None:
    for text in ("★" * 99, "か\uff9e" * 40, "x" + "\u0316" * MOST_MARKS, "─" * 40 + "x\u0316", "\u0301" * MOST_MARKS):
        assert with_few_marks(text) == text
    assert with_few_marks("x" + "\u0316" * 99 + "y") == "x" + "\u0316" * MOST_MARKS + "y"


def test_every_mark_is_bounded() -> None:
    every = (chr(code) for code in range(0x80, 0x20000))
    marks = [one for one in every if unicodedata.combining(unicodedata.normalize("NFKD", one)[0])]

    assert len(marks) > 500
    assert [one for one in marks if with_few_marks(one * 31) == one * 31] == []
