"""A body is read in the charset that it declares, and what JSON has no word for costs no more than its field."""

import math
from typing import Any

import pytest

from shared.upstream.body_text import UnreadableBodyError, read_json

TEXT = "日本語の件名、①と髙"
JSON = f'{{"summary": "{TEXT}"}}'


@pytest.mark.parametrize(
    ("declared", "sent"),
    [
        ("application/json; charset=Shift_JIS", "cp932"),
        ('application/json;charset="shift-jis"', "cp932"),
        ("application/json; charset=x-sjis", "cp932"),
        ("application/json; charset=Windows-31J", "cp932"),
        ("application/json; charset=CP932; odata=verbose", "cp932"),
        ("application/json; charset=GB18030", "gb18030"),
        ("application/json; charset=UTF-16", "utf-16"),
        ("application/json; charset=utf-16", "utf-16-be"),
        ("application/json; charset=UTF-16LE", "utf-16-le"),
        ("application/json; charset=utf-32", "utf-32"),
        ("application/json; charset=utf8", "utf-8-sig"),
        ("application/json; charset=us-ascii", "utf-8"),
        ("application/json; charset=", "utf-8"),
        ("application/json", "utf-8"),
        ("application/json", "utf-8-sig"),
        ("application/json", "utf-16"),
        ("", "utf-8"),
    ],
)
def test_a_text_is_read_in_the_charset_that_it_declares(declared: str, sent: str) -> None:
    assert read_json(JSON.encode(sent), declared) == {"summary": TEXT}


@pytest.mark.parametrize(
    ("declared", "sent", "text"),
    [
        ("EUC-JP", "euc_jp", "日本語"),
        ("x-euc-jp", "euc_jis_2004", "日本語①"),
        ("ISO-2022-JP", "iso2022_jp", "日本語"),
        ("ISO-8859-1", "latin-1", "café"),
    ],
)
def test_older_charsets_are_read_too(declared: str, sent: str, text: str) -> None:
    body = f'{{"summary": "{text}"}}'.encode(sent)

    assert read_json(body, f"application/json; charset={declared}") == {"summary": text}


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("klingon", "in the unknown charset klingon"),
        ("base64", "in the unknown charset base64"),
        ("unicode_escape", "in the unknown charset unicode_escape"),
        ("punycode", "in the unknown charset punycode"),
        ("日本", "in an unknown charset"),
        ("a\0", "in an unknown charset"),
        ("x" * 500, "in an unknown charset"),
    ],
    ids=range(7),
)
def test_a_charset_that_is_not_known_is_said(declared: str, said: str) -> None:
    with pytest.raises(UnreadableBodyError, match=f"^{said}$"):
        read_json(b'{"summary": "x"}', f"application/json; charset={declared}")


@pytest.mark.parametrize(
    ("declared", "sent", "said"),
    [
        ("application/json", "cp932", "not valid utf-8, and no other charset is declared"),
        ("application/json; charset=utf-8", "cp932", "not valid utf-8"),
        ("application/json; charset=Shift_JIS", "utf-8", "not valid cp932"),
    ],
)
def test_a_text_in_another_charset_than_declared_is_said(declared: str, sent: str, said: str) -> None:
    with pytest.raises(UnreadableBodyError, match=f"^{said}$"):
        read_json(JSON.encode(sent), declared)


@pytest.mark.parametrize(
    ("body", "declared", "said"),
    [
        (b"", "application/json", "an empty body"),
        (b" \r\n", "", "an empty body"),
        (b"\n<!DOCTYPE html>", "application/json", "a web page"),
        (b"Service unavailable", "text/html", "a web page"),
        (b'{"half": ', "", "another text"),
        (b"[" * 200_000, "", "another text"),
    ],
    ids=range(6),
)
def test_what_is_no_json_is_named(body: bytes, declared: str, said: str) -> None:
    with pytest.raises(UnreadableBodyError, match=f"^{said}$"):
        read_json(body, declared)


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("NaN", math.nan),
        ("-Infinity", -math.inf),
        ("1e999", math.inf),
        ("9" * 5_000, math.inf),
        ('"two\nlines"', "two\nlines"),
        (r'"half \ud83d, \ud83d\ude00"', "half ?, \U0001f600"),
    ],
    ids=range(6),
)
def test_an_odd_value_does_not_make_the_whole_body_unreadable(sent: str, value: Any) -> None:
    assert str(read_json(f'{{"odd": {sent}, "id": 7}}'.encode())) == str({"odd": value, "id": 7})


@pytest.mark.parametrize("before", range(8))
def test_the_fast_parser_leaves_every_long_number_to_the_careful_one(before: int) -> None:
    assert read_json(b" " * before + b"9" * 41) == pytest.approx(1e41)
    assert isinstance(read_json(b" " * before + b"9" * 41), float)
