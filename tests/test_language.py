"""Code and documents are in plain technical English: few of the words that tests/language.toml lists."""

from pathlib import Path

import pytest

from tests import language


@pytest.mark.parametrize("suffixes", [language.CODE, language.DOCUMENTS], ids=["code", "documents"])
def test_words_of_the_list_are_rare(suffixes: frozenset[str]) -> None:
    files = [file for file in language.files(suffixes) if file != Path(__file__)]  # it has the words as examples

    found = language.findings(files)

    assert language.rate(files, found) <= language.MOST, "\n".join(map(str, found))


@pytest.mark.parametrize("word", language.WORDS, ids=lambda word: word["pattern"])
def test_a_word_is_found_and_plain_english_is_not(word: dict[str, str]) -> None:
    assert [plain for _, _, plain in language.words_in(word["found"])] == [word["plain"]]
    assert list(language.words_in(word["passes"])) == []


SOURCE = '''
"""Docstring: mends."""
mends = f"text: mends {1} mended"  # comment: look
# around
mended(mends)
'''


@pytest.mark.parametrize(
    ("name", "source", "lines"),
    [
        ("code.py", SOURCE, [2, 3, 3, 3]),
        ("script.lua", "local mends = 1 -- such a\n-- one mends\nmends()\n", [1, 2]),
        ("document.md", "# mends\n\n**Look\naround** `mended`\n", [1, 3, 4]),
    ],
)
def test_texts_are_read_and_code_is_not(tmp_path: Path, name: str, source: str, lines: list[int]) -> None:
    file = tmp_path / name
    file.write_text(source, "utf-8")

    assert [found.line for found in language.findings([file])] == lines


def test_the_program_names_every_place_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "code.py"
    file.write_text("# only this\n# mends\n", "utf-8")

    language.main([str(tmp_path)])

    place, count = capsys.readouterr().out.splitlines()
    assert place.startswith(f"{file}:2: mends → fix")
    assert count.startswith("code: 1 words in 1 files, 5000.0 per 10,000 lines")
