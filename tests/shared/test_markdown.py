"""No text can break out of its place or hide in it."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.markdown import block, clean, inline, table

UGLY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("|\\`*_[]<>&~#!\r\n\t\0\x1b\x85\u2028\u200b\u202e\u2066\ufeff\U000e0041\ud800"),
    )
)


def unescaped_pipes(line: str) -> int:
    return len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))


@example("a|b", "c")
@example("|", "\\|")
@given(UGLY, UGLY)
def test_any_two_texts_make_one_table_row_of_two_cells(left: str, right: str) -> None:
    lines = table(("A", "B"), [(left, right)]).split("\n")

    assert len(lines) == 3
    assert unescaped_pipes(lines[2]) == 3
    assert len(lines[2].splitlines()) == 1


@given(UGLY)
def test_inline_text_has_no_markup_and_nothing_invisible(text: str) -> None:
    shown = inline(text)

    assert not re.search(r"(?<!\\)(?:\\\\)*[`*~\[\]]", shown)
    assert "<" not in shown
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in shown)
    shown.encode()


@given(UGLY)
def test_nothing_inside_a_block_closes_it(text: str) -> None:
    opening, *inside, closing = block(text).split("\n")

    fence = closing
    assert set(fence) == {"`"}
    assert opening == fence + "text"
    assert not any(re.fullmatch(rf" {{0,3}}`{{{len(fence)},}}\s*", line) for line in inside)
    block(text).encode()


@given(UGLY)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("one\r\ntwo\u2028three\x85four", "one two three four"),
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("[click](javascript:alert(1))", r"\[click\](javascript:alert(1))"),
        ("![x](http://evil/)", r"!\[x\](http://evil/)"),
        ("&lt;b&gt; & co", "&amp;lt;b&amp;gt; & co"),
        ("abc\u202etxt.exe", "abctxt.exe"),
        ("pass\u200bword", "password"),
        ("\x1b[31mred\x1b[0m", r"\[31mred\[0m"),
        ("ignore\U000e0069\U000e0067", "ignore"),
        ("my_own_id and _this_", r"my_own_id and \_this\_"),
        ("`rm`", r"\`rm\`"),
        ("C:\\temp\\", "C:\\\\temp\\\\"),
    ],
)
def test_dangerous_text_is_shown_literally(text: str, shown: str) -> None:
    assert inline(text) == shown


def test_japanese_text_stays_as_it_is() -> None:
    assert inline("画面が暗いまま（更新後）　至急") == "画面が暗いまま（更新後） 至急"
    assert clean("一行目\n二行目　全角") == "一行目\n二行目　全角"
