"""JSON that no reader of lines can break, and that every parser reads as the same value."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from shared.markdown import encodable
from shared.wire_json import encode
from tests.kills import kills

ANY_TEXT = st.text(st.characters(exclude_categories=()))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inside: st.lists(inside, max_size=5) | st.dictionaries(ANY_TEXT, inside, max_size=5),
    max_leaves=20,
)
EVERY_CODE_POINT = "".join(map(chr, range(0x110000)))


def expected(value: Any) -> Any:
    """Return `value` as every parser has to read it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list):
        return [expected(one) for one in value]
    if isinstance(value, dict):
        return {encodable(name): expected(one) for name, one in value.items()}
    return value


@given(VALUES)
def test_any_value_is_one_line_and_reads_the_same_everywhere(value: Any) -> None:
    encoded = encode(value)
    line = encoded.decode()  # strictly: it is UTF-8

    assert line.splitlines() == [line]
    assert json.loads(line) == from_json(encoded, allow_inf_nan=False) == expected(value)


def test_every_code_point_is_the_same_afterwards_and_no_line_end() -> None:
    for text in (EVERY_CODE_POINT[:0xD800] + EVERY_CODE_POINT[0xE000:], EVERY_CODE_POINT):
        line = encode({text: text}).decode()
        assert line.splitlines() == [line]
        assert json.loads(line) == {encodable(text): encodable(text)}


@kills("shared/wire_json.py", "if 0xE2 in text:", "if False:")
@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r", "\n"])
def test_a_line_end_is_escaped_wherever_it_stands(character: str) -> None:
    for value in (character, {f"a{character}": [character * 3]}, {"日本": f"…{character}é\xc2\x80"}):
        line = encode(value).decode()
        assert line.splitlines() == [line]
        assert json.loads(line) == value


def test_japanese_is_sent_as_it_is() -> None:
    text = "プリンターが印刷できません…「エラー」é"

    assert encode({"text": text}) == f'{{"text":"{text}"}}'.encode()


@pytest.mark.parametrize("number", [0, -1, 2**53 + 1, -(2**63) - 1, 10**200, 0.1, 1e308, 5e-324])
def test_numbers_keep_every_digit(number: float) -> None:
    assert json.loads(encode({"id": number}))["id"] == number


def test_a_value_that_json_has_no_type_for_is_sent_as_text_and_loses_nothing_else() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd \ud800"

    value = {"odd": Odd(), "nan": math.nan, "text": "\ud83d", "more": [math.inf, "\u2028"]}

    assert json.loads(encode(value)) == {"odd": "odd ?", "nan": None, "text": "?", "more": [None, "\u2028"]}
