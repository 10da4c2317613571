"""Which differences between two spellings of a name each function drops, and which it keeps."""

import pytest

from shared.tickets.folding import company, fold, name_key, search_form, unaccented, without_titles


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("大久保　悠", "大久保悠"),
        ("ﾊﾔﾃ ｶﾞﾗｽ", "ハヤテガラス"),
        ("ＴＯＭＡＳ\u00a0Okoro", "tomas okoro"),
        ("Anne-Marie O’Brien", "anne marie o'brien"),
        ("J.P. Morgan", "J P Morgan"),
        ("ミナト・ハヤテ", "ミナト ハヤテ"),
        ("Tomas\u200b Okoro\u202e", "Tomas Okoro"),
        ("葛\U000e0100飾", "葛飾"),
        ("Toma\u0301s", "Tomás"),
        ("STRASSE", "Straße"),
    ],
    ids=lambda text: text.encode("ascii", "backslashreplace").decode(),
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Branch 1-1", "Branch 11"),
        ("さとう", "サトウ"),
        ("Müller", "Muller"),
        ("かき", "かぎ"),
        ("A+B", "AB"),
        ("髙橋", "高橋"),
    ],
    ids=lambda text: text.encode("ascii", "backslashreplace").decode(),
)
def test_different_names_have_different_keys(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@pytest.mark.parametrize(
    "addressed",
    ["大久保 悠 様", "大久保悠さん", "大久保悠 殿", "大久保 悠 先生 御中", "大久保 悠 部長"],
    ids=["sama", "san", "dono", "sensei", "bucho"],
)
def test_japanese_titles_are_dropped(addressed: str) -> None:
    assert name_key(without_titles(addressed)[-1]) == "大久保悠"


@pytest.mark.parametrize("addressed", ["Mr. Tomas Okoro", "DR TOMAS OKORO", "Tomas Okoro-san", "Prof. Dr. Tomas Okoro"])
def test_titles_are_dropped(addressed: str) -> None:
    assert without_titles(addressed)[-1] == "tomas okoro"


@pytest.mark.parametrize("name", ["Ms", "様", "Drew Mrazek", "San Marino"])
def test_a_name_that_only_looks_like_a_title_stays(name: str) -> None:
    assert without_titles(name) == (name.casefold(),)


@pytest.mark.parametrize(
    "written",
    ["株式会社ハヤテ", "㈱ハヤテ", "ハヤテ(株)", "（株） ﾊﾔﾃ", "ハヤテ"],
    ids=["long", "sign", "short", "wide", "bare"],
)
def test_a_company_may_be_written_with_any_sign_of_its_form(written: str) -> None:
    assert company(written).may_be(company("株式会社 ハヤテ"))


@pytest.mark.parametrize("written", ["Acme", "ACME Co., Ltd.", "Acme Limited", "Acme Co"])
def test_latin_forms_are_dropped_at_the_end(written: str) -> None:
    assert company(written).may_be(company("Acme Co. Ltd"))


@pytest.mark.parametrize(
    ("one", "other"),
    [("㈱ハヤテ", "㈲ハヤテ"), ("Acme Inc.", "Acme Ltd."), ("AB Foods", "Foods"), ("SE Consulting", "Consulting")],
    ids=["japanese", "latin", "prefix", "prefix too"],
)
def test_companies_with_other_forms_or_names_stay_apart(one: str, other: str) -> None:
    assert not company(one).may_be(company(other))


def test_accents_of_latin_letters_alone_are_dropped() -> None:
    assert unaccented(fold("Tomás Łukasz Müller")) == "tomas lukasz muller"
    assert unaccented(fold("がぎ й")) == fold("がぎ й")


def test_search_compares_kana_as_hiragana() -> None:
    assert search_form("ｻｰﾊﾞ ヴ") == search_form("さーば ゔ")
