"""What counts as a word of a text: in English without endings, in Japanese in pieces, never grammar or greetings."""

import time

import pytest

from shared.tickets.folding import search_form
from shared.tickets.similar.words import MAX_READ, MAX_WORDS, WordFinder, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Invoices are shown with the old address", "invoic shown address"),
        ("Printing stopped: ERR-1234 at row 5,001", "print stop err 1234 row 001"),
        ("accounts accessing accesses access", "account access"),
        ("Please help, thanks! mary@example.com https://a.example/b", "help"),
        ("ＶＰＮ vpn VPN", "vpn"),
        ("お世話になっております。請求書再発行のお願いです", "請求書 再発行"),
        ("月次請求書番号が違う", "月次 請求書 番号"),
        ("二段階認証のコードが通らない", "二段階 認証 コード"),
        ("ﾌﾟﾘﾝﾀｰで印刷できない", "プリンター 印刷"),
        ("取り込みが問い合わせ中", "取り込 問い合"),
        ("Was ist das Übergrößenmaß?", "ist das übergrössenmass"),
        ("프린터 고장", "프린터 고장"),
    ],
)
def test_a_text_is_its_words(text: str, words: str) -> None:
    assert [word.sought for word in words_of(text)] == words.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [("The other one", "the other one"), ("ぷりんたーがこわれた", "ぷりんたーがこわれた"), ("!? 12 a", "")],
)
def test_common_words_count_only_where_there_are_no_others(text: str, words: str) -> None:
    assert [word.shown for word in words_of(text)] == words.split()


def test_a_word_is_found_in_all_its_forms_and_not_inside_others() -> None:
    finder = WordFinder(words_of("row invoices ログイン 在庫"))

    def found(text: str) -> list[str]:
        return sorted(word.shown for word in finder.found_in(search_form(text)))

    assert found("Rows of the INVOICE") == ["invoices", "row"]
    assert found("brown arrows, tomorrow") == []
    assert found("ﾛｸﾞｲﾝ画面の在庫数") == ["ログイン", "在庫"]
    assert list(WordFinder(()).found_in("anything")) == []


def test_a_long_text_is_read_up_to_a_limit() -> None:
    long = " ".join(f"w{number:04}" for number in range(1_000)) + " unread" + "語" * 100_000

    words = words_of(long)

    assert len(words) == MAX_WORDS
    assert words == words_of(long[:MAX_READ])


@pytest.mark.parametrize("text", ["x" * MAX_READ, "㌖" * MAX_READ, "www." * MAX_READ])
def test_a_long_text_without_blanks_is_read_at_once(text: str) -> None:
    before = time.process_time()

    words_of(text)

    assert time.process_time() - before < 0.2


def test_a_finder_for_each_of_many_tickets_costs_little() -> None:
    texts = [" ".join(f"part{(row * place) % 977}" for place in range(20)) for row in range(1_000)]
    before = time.process_time()

    for text in texts:
        WordFinder(words_of(text)).found_in(text)

    assert time.process_time() - before < 0.6
