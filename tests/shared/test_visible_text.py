"""What shows nothing is dropped and counted; what writing needs stays."""

import sys
import unicodedata
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.visible_text import hidden_characters, visible

LINE_ENDS: Final = "\t\n\v\f\r\x1c\x1d\x1e\x85"
ENGLAND: Final = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
NOT_FLAGS: Final = (
    "\U0001f3f4\U000e0068\U000e0069\U000e007f",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067",
)
ODD: Final = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "ب\u0915\u094d葛😀❤1a \u200b\u200c\u200d\ufe0e\ufe0f\ufe00\U000e0100\U000e0041\u2800⠓\u1820\u180b"
        ),
        st.just("\ud800"),
    )
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("\x1b[31mred", "[31mred", id="escape"),
        pytest.param("a\0b\x08c\x7fd", "abcd", id="control"),
        pytest.param("a\x9b31mb\x90c", "a31mbc", id="C1"),
        pytest.param("abc\u202etxt.exe\u202c", "abctxt.exe", id="bidi override"),
        pytest.param("\u2066a\u2069\u200eb\u200f\u061cc", "abc", id="bidi isolate and marks"),
        pytest.param("pass\u200bword\ufeff", "password", id="zero width"),
        pytest.param("pass\u200cw\u200dord", "password", id="joiners between Latin letters"),
        pytest.param("a\u2060b\u2061c\u2064d\u206fe", "abcde", id="word joiner and invisible operators"),
        pytest.param("ig\U000e0041\U000e0020nore\U000e0001", "ignore", id="tags"),
        pytest.param("Donau\u00addampf", "Donaudampf", id="soft hyphen"),
        pytest.param("\u3164a\uffa0b\u115fc\u1160", "abc", id="Hangul fillers"),
        pytest.param("a\u034fb\u17b4c\u180ed", "abcd", id="other ignorable"),
        pytest.param("a\ufe0f\ufe01b\U000e0100c", "abc", id="selectors after letters"),
        pytest.param("😀\ufe0f\U000e0148\U000e0149\ufe0e", "😀\ufe0f", id="selectors that carry data"),
        pytest.param("葛\U000e0100\U000e0101", "葛\U000e0100", id="second selector"),
        pytest.param("a\ud800b\udfff", "ab", id="half a pair"),
        pytest.param("a\ufff9b\ufffbc\uffff\ufdd0", "abc", id="annotations and noncharacters"),
        pytest.param("\u2800 \u2800a", " a", id="blank cells outside Braille"),
        pytest.param(f"{NOT_FLAGS[0]} {NOT_FLAGS[1]}", "🏴 🏴", id="tags that are no known flag"),
        pytest.param("\u200d\u0628\u200d\u200d", "\u0628\u200d", id="joiners at the edges"),
    ],
)
def test_what_shows_nothing_is_dropped_and_counted(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert hidden_characters(text) == len(text) - len(shown)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("می‌خواهم خانه‌ها", id="Persian"),
        pytest.param("ه\u200d.ش.", id="Persian abbreviation"),
        pytest.param("क्\u200dष क्\u200cष र\u200d्य", id="Devanagari"),
        pytest.param("ക്\u200dന ന്\u200d ක්\u200dර", id="Malayalam and Sinhala"),
        pytest.param("র\u200d্যাব", id="Bengali"),
        pytest.param("👩\u200d👩\u200d👧 👨🏽\u200d💻 ❤\ufe0f\u200d🔥 🙂\u200d↔\ufe0f", id="joined emoji"),
        pytest.param("1\ufe0f\u20e3 ☎\ufe0e ©\ufe0f", id="selectors of symbols and digits"),
        pytest.param(ENGLAND, id="flag of England"),
        pytest.param("葛\U000e0100城 神\ufe00 、\ufe01", id="Japanese variants"),
        pytest.param("ᠠ\u180bᠨ", id="Mongolian variants"),
        pytest.param("⠓⠊\u2800⠞⠕", id="Braille"),
        pytest.param("\u0600١٢ \u06dd", id="characters that Unicode calls formats"),
        pytest.param("一行目\r\n二行目\t全角　\u2028三\u2029四\u00a0五\x85", id="line ends and spaces"),
    ],
)
def test_what_writing_needs_stays(text: str) -> None:
    assert visible(text) == text
    assert hidden_characters(text) == 0


def test_every_control_and_format_character_alone_is_dropped_unless_it_ends_a_line_or_is_seen() -> None:
    alone = [
        c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and visible(c)
    ]

    assert [c for c in alone if unicodedata.category(c) == "Cc"] == list(LINE_ENDS)
    seen = {unicodedata.name(c).split()[-1] for c in alone if unicodedata.category(c) == "Cf"}
    assert seen <= {"SIGN", "SANAH", "FOOTNOTE", "MARKER", "SAFHA", "SAMVAT", "ABOVE", "AYAH", "MARK", "BELOW"}


@given(ODD)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = visible(text)

    assert visible(once) == once
    once.encode()


def test_cleaning_takes_time_in_proportion_to_the_text() -> None:
    assert visible("a\u200b" * 50_000) == "a" * 50_000
    assert visible("ب\u200c" * 50_000) == "ب\u200c" * 49_999 + "ب"
