"""Long texts in parts: together they are the text, no character is cut in two, and every incomplete part is marked."""

import re
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.tickets.parts import CUT_MARK, beginning, cut, part, parts_of
from shared.visible_text import visible
from tests.kills import kills

FAMILY: Final = "👩‍👩‍👧‍👦"
"""One character of seven code points."""
ODD: Final = ("\r\n", FAMILY, "か\u3099", "e\u0301", "❤️", "نمی\u200cخواهم", "⠁⠀⠃", "🏴\U000e0067\U000e0062\U000e007f")


def bare(shown: str) -> str:
    """Return a part without its marks."""
    without_first = re.sub(r"^\[cut at [\d,]+ of [\d,]+ characters\] … ", "", shown)
    return re.sub(r" … \[cut at [\d,]+ of [\d,]+ characters\]$", "", without_first)


def read(text: str, limit: int) -> list[str]:
    """Return all parts of a text, as they are shown."""
    parts = [part(text, limit, number) for number in range(1, parts_of(text, limit) + 1)]
    assert part(text, limit, len(parts) + 1) is None
    return [one for one in parts if one is not None]


@given(st.lists(st.one_of(st.characters(), st.sampled_from(ODD)), max_size=60).map("".join), st.integers(1, 12))
@example("", 1)
@example("\r\n" * 20, 3)
@example("\u0301" * 200, 3)
def test_all_parts_together_are_the_text(text: str, limit: int) -> None:
    shown = read(text, limit)

    assert "".join(map(bare, shown)) == text
    assert all(len(bare(one)) <= limit for one in shown)
    assert cut(text, limit) == shown[0]


@given(st.lists(st.sampled_from((*ODD, "a", "漢", " ")), max_size=40).map("".join))
@kills("shared/tickets/parts.py", "if not _is_inside(text[at - 1], text[at])", "if True")
def test_what_is_visible_of_the_parts_is_what_is_visible_of_the_text(text: str) -> None:
    assert "".join(visible(bare(one)) for one in read(text, 12)) == visible(text)


def test_every_part_that_is_not_the_whole_has_a_mark_at_each_end_where_text_is_missing() -> None:
    assert read("a" * 25, 10) == [
        f"{'a' * 10} … [cut at 10 of 25 characters]",
        f"[cut at 10 of 25 characters] … {'a' * 10} … [cut at 20 of 25 characters]",
        f"[cut at 20 of 25 characters] … {'a' * 5}",
    ]
    assert read("a" * 10, 10) == ["a" * 10]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_no_part_can_be_written_back(number: int) -> None:
    assert CUT_MARK.search(part("a" * 25, 10, number) or "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("ten of them", "ten of the…"),
        ("ten\nof the", "ten of the"),
        ("a word, and more", "a word, an…"),
        (f"one two {FAMILY} three", "one two…"),
        ("e\u0301" * 6, "e\u0301" * 5 + "…"),
        ("123456789e\u0301 more", "123456789…"),
    ],
)
def test_a_label_is_cut_on_one_line_between_characters(text: str, shown: str) -> None:
    assert beginning(text, 10) == shown
