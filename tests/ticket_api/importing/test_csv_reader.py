"""CSV files as people and spreadsheets write them: what is read, and what is refused, by row and reason."""

from pathlib import Path
from typing import Final

import pytest

from ticket_api.importing import csv_reader, encodings
from ticket_api.importing.csv_reader import Column, CsvError, CsvTable, read_csv, read_file
from ticket_api.importing.encodings import UnknownEncodingError

COLUMNS: Final = (
    Column("name", ("Name", "氏名"), is_required=True),
    Column("email", ("E-mail", "メールアドレス"), is_required=True),
    Column("role"),
)


def _read(text: str, encoding: str = "utf-8") -> CsvTable:
    return read_csv(text.encode(encoding), COLUMNS)


def _cells(table: CsvTable) -> list[tuple[int, dict[str, str]]]:
    return [(row.number, dict(row.cells)) for row in table.rows]


WANTED: Final = [(2, {"name": "大久保 ハルカ", "email": "haruka@example.com"})]


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        pytest.param("utf-8", "utf-8", id="utf-8"),
        pytest.param("utf-8-sig", "utf-8", id="bom"),
        pytest.param("utf-16", "utf-16", id="utf-16"),
        pytest.param("cp932", "windows-31j", id="windows-31j"),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_what_excel_saves_is_read_whatever_its_encoding_and_separator(
    encoding: str, found: str, separator: str
) -> None:
    rows = (("氏名", "メールアドレス"), ("大久保 ハルカ", "haruka@example.com"))
    table = _read("".join(f"{separator.join(row)}\r\n" for row in rows), encoding)
    assert (_cells(table), table.encoding, table.separator) == (WANTED, found, separator)


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_headings_may_all_be_quoted(separator: str) -> None:
    rows = (("氏名", "メールアドレス"), ("大久保 ハルカ", "haruka@example.com"))
    table = _read("".join(f'"{name}"{separator}"{email}"\r\n' for name, email in rows))
    assert (_cells(table), table.separator) == (WANTED, separator)


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"], ids=["xlsx", "xls"])
def test_a_workbook_is_told_from_a_csv_file(start: bytes) -> None:
    with pytest.raises(UnknownEncodingError, match=r"workbook.*Save it as CSV"):
        read_csv(start + bytes(range(256)), COLUMNS)


@pytest.mark.parametrize(
    "title",
    ["Staff,,", ",,", "", "Staff,,\r\n\r\nas of,November,"],
    ids=["title", "empty cells", "blank", "several"],
)
def test_headings_below_a_title_are_named_by_their_row(title: str) -> None:
    row = title.count("\n") + 2
    with pytest.raises(CsvError, match=f"The headings are in row {row}: delete the rows above it"):
        _read(f"{title}\r\nName,E-mail,role\r\nA,a@example.com,x\r\n")


def test_text_of_western_windows_is_read_when_its_encoding_is_given() -> None:
    data = "name;email\r\nJörg Müller;joerg@example.com\r\n".encode("cp1252")
    assert read_csv(data, COLUMNS, encoding="windows-1252").rows[0].cells["name"] == "Jörg Müller"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("it’s", id="apostrophe"),  # 痴 in Windows-31J
        pytest.param("Käse", id="umlaut"),
        pytest.param("Müller", id="not-japanese"),
    ],
)
def test_an_encoding_that_cannot_be_told_is_asked_for(text: str) -> None:
    with pytest.raises(UnknownEncodingError, match="--encoding windows-1252"):
        _read(f"name,email\n{text},a@example.com\n", "cp1252")


def test_bytes_that_are_not_in_the_given_encoding_are_refused() -> None:
    with pytest.raises(UnknownEncodingError, match="not utf-8: byte 12"):
        read_csv(b"name,email\n\xff,b\n", COLUMNS, encoding="utf-8")


def test_every_named_encoding_exists() -> None:
    assert all("あ".encode(name).decode(name) == "あ" for name in set(encodings.ENCODINGS.values()) - {"cp1252"})


def test_headings_are_known_in_any_case_width_and_punctuation() -> None:
    assert _cells(_read("ＮＡＭＥ,e mail,Role\nA,a@example.com,Agent\n"))[0][1] == {
        "name": "A",
        "email": "a@example.com",
        "role": "Agent",
    }


@pytest.mark.parametrize(
    ("headings", "why"),
    [
        pytest.param("name,email,rol", r"'rol' is unknown \(is it role\?\)", id="misspelt"),
        pytest.param("name,E-mail,メールアドレス", "'E-mail' and 'メールアドレス' both mean email", id="twice"),
        pytest.param("role", "name, email are missing", id="missing"),
        pytest.param(",,", "must have the headings", id="blank"),
        pytest.param("", "must have the headings", id="empty"),
        pytest.param("name,email" + ",x" * 200, "more than 200 columns", id="many"),
    ],
)
def test_wrong_headings_are_named(headings: str, why: str) -> None:
    with pytest.raises(CsvError, match=why):
        _read(f"{headings}\nA,a@example.com,Agent\n")


def test_columns_can_be_left_out_by_name() -> None:
    data = b"Phone,name,email\n123,A,a@example.com\n"
    assert read_csv(data, COLUMNS, ignored=["phone"]).rows[0].cells == {"name": "A", "email": "a@example.com"}


def test_quoted_cells_hold_separators_quotes_and_line_breaks_and_rows_count_as_in_a_spreadsheet() -> None:
    table = _read('sep=,\r\nname,email\r\n"A, ""B""\r\nC",a@example.com\r\n,\r\n\r\n  D  ,d@example.com,,\r\n')
    assert _cells(table) == [
        (2, {"name": 'A, "B"\r\nC', "email": "a@example.com"}),
        (5, {"name": "D", "email": "d@example.com"}),
    ]


@pytest.mark.parametrize(
    ("row", "column", "why"),
    [
        pytest.param("A,B,a@example.com", "", "has 3 cells, but there are 2 headings", id="cells"),
        pytest.param(f"{'x' * 50_001},a@example.com", "name", "at most 50,000 characters", id="long"),
        pytest.param("A\x1b[31m,a@example.com", "name", "control characters", id="control"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_others_are_read(row: str, column: str, why: str) -> None:
    table = _read(f"name,email\nA,a@example.com\n{row}\nC,c@example.com\n")
    assert [one.number for one in table.rows] == [2, 4]
    (problem,) = table.problems
    assert (problem.row, problem.column) == (3, column)
    assert why in problem.reason
    assert len(str(problem)) < 250


def test_a_cell_without_a_heading_is_not_dropped_in_silence() -> None:
    assert "without a heading" in _read("name,email,\nA,a@example.com,x\n").problems[0].reason


@pytest.mark.parametrize("text", ['name,email\n"A,b\n', 'name,email\n"A"B,b\n'], ids=["open", "after"])
def test_wrong_quotation_marks_are_refused_with_their_row(text: str) -> None:
    with pytest.raises(CsvError, match="Row 2 is no CSV"):
        _read(text)


def test_a_file_without_rows_is_refused() -> None:
    with pytest.raises(CsvError, match="no rows"):
        _read("name,email\n\n")


def test_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "MOST_ROWS", 2)
    assert len(_read("name,email\nA,a\nB,b\n").rows) == 2
    with pytest.raises(CsvError, match="more than 2 rows"):
        _read("name,email\nA,a\nB,b\nC,c\n")


def test_the_size_of_a_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"x" * 11)
    monkeypatch.setattr(csv_reader, "LARGEST_FILE", 10)
    with pytest.raises(CsvError, match="larger than"):
        read_file(path)


@pytest.mark.parametrize("name", ["missing.csv", "."], ids=["missing", "folder"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CsvError, match="cannot be read"):
        read_file(tmp_path / name)
