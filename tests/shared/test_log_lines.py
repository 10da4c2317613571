"""How lines look: always one line of valid JSON, and text that cannot steer a terminal."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.log_lines import LONGEST_TEXT, as_json, as_text

HEAD = {"time": "2026-11-29T20:13:51.000000+00:00", "severity": "INFO", "logger": "shared.x", "message": "happened"}
COLOURS = ("\x1b[2m", "\x1b[32m", "\x1b[1m", "\x1b[36m", "\x1b[0m")


class Odd:
    """A value that JSON has no type for."""

    def __repr__(self) -> str:
        return "<odd>"


circular: list[Any] = []
circular.append(circular)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("\ud800", "\ud800"),
        (b"\xff", "b'\\xff'"),
        (float("nan"), None),
        (Odd(), "<odd>"),
        (circular, "[[...]]"),
        ({"a": [1, None, True]}, {"a": [1, None, True]}),
    ],
)
def test_every_value_has_a_line(value: object, shown: object) -> None:
    assert json.loads(as_json({**HEAD, "value": value})) == {**HEAD, "value": shown}


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.floats() | st.binary()))
def test_a_line_is_one_line_of_ascii_for_every_reader(fields: dict[str, Any]) -> None:
    line = as_json({**HEAD, **fields})

    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line).keys() == {*HEAD, *fields}


def test_values_are_cut_in_the_middle_whichever_field_they_are_in() -> None:
    line = json.loads(as_json({**HEAD, "message": "a" * LONGEST_TEXT + "b", "x": "é" * LONGEST_TEXT}))

    assert line["message"] == f"{'a' * 5_000} … {'a' * 4_999}b"
    assert line["x"] == "é" * LONGEST_TEXT, "what is not too long is left alone"


@given(st.text())
def test_no_text_steers_a_terminal(text: str) -> None:
    line = as_text({**HEAD, "message": text, "field": text, "exception": f"Traceback\n{text}"})

    for colour in COLOURS:
        line = line.replace(colour, "")
    assert line.replace("\n", "").isprintable()


def test_a_line_for_a_person_begins_with_when_and_what() -> None:
    line = as_text({**HEAD, "tool": "get_users", "why": "two words", "number": 5})
    for colour in COLOURS:
        line = line.replace(colour, "")

    assert line == f"{HEAD['time']} info     happened tool=get_users why='two words' number=5 [shared.x]"


@given(st.dictionaries(st.text(min_size=1), st.text(st.characters(exclude_categories=["Cs"])) | st.floats()))
def test_text_is_escaped_in_one_way_whatever_is_next_to_it(fields: dict[str, Any]) -> None:
    alone = as_json(fields).decode()

    assert as_json({**fields, "": "é"}).decode() == f'{alone[:-1]}{"," if fields else ""}"":"\\u00e9"}}'
