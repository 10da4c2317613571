"""Decodes a text file as spreadsheets save it. Never by a guess that could store wrong characters.

Excel writes UTF-8 with a byte order mark ("CSV UTF-8"), UTF-16 ("Unicode Text"), or the code page of Windows ("CSV"):
Windows-31J in Japan, Windows-1252 in Western Europe and America. Bytes of the last two may be valid in both; text in
Windows-31J is recognised by its kana, whose bytes occur in no word of a Western language.
Source: WHATWG Encoding, section 4.2 (names of encodings); Microsoft code pages 932 and 1252.
"""

import codecs
import re
from types import MappingProxyType
from typing import Final

ENCODINGS: Final = MappingProxyType({
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "windows-31j": "cp932",
    "shift_jis": "cp932",  # what nearly every file of that name is
    "euc-jp": "euc_jp",
    "windows-1252": "cp1252",
})  # fmt: skip
"""Names that a person may give, and Python's."""
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""The first bytes of .xlsx and .ods (ZIP), and of .xls (compound file)."""
_KANA: Final = re.compile("[\u3041-\u3096\u30a1-\u30fa]")


class UnknownEncodingError(ValueError):
    """The file's encoding is not clear, or is not the one that was given."""


def decode(data: bytes, encoding: str | None = None) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding, by default the one its bytes show.

    Raises:
        UnknownEncodingError: the bytes are not valid in `encoding`, or fit none, or more than one, or are no text.
    """
    if data.startswith(_WORKBOOKS):
        raise UnknownEncodingError(
            "The file is a workbook of a spreadsheet, no CSV. Save it as CSV (Excel: CSV UTF-8)."
        )
    found = encoding or _encoding_of(data)
    try:
        return data.decode(ENCODINGS[found]), found
    except UnicodeDecodeError as error:
        raise UnknownEncodingError(
            f"The file is not {found}: byte {error.start + 1:,} is not valid there. Save it as UTF-8 "
            f"(Excel: CSV UTF-8), or name its encoding with --encoding: {', '.join(ENCODINGS)}."
        ) from error


def _encoding_of(data: bytes) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    if _is_valid(data, "utf-8"):
        return "utf-8"
    if _is_valid(data, "cp932") and _KANA.search(data.decode("cp932")):
        return "windows-31j"
    raise UnknownEncodingError(
        "The bytes of the file do not show its encoding; it is not UTF-8. Save it as UTF-8 (Excel: CSV UTF-8), "
        "or name it: --encoding windows-1252 (Excel in Western Europe and America), --encoding windows-31j (Excel in "
        "Japan) or --encoding euc-jp."
    )


def _is_valid(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
