"""Makes names and texts comparable as people write them. Pure.

Each function drops one kind of difference, so that a caller chooses how far it goes: spelling (`fold`), separators
(`name_key`), forms of address (`without_titles`), legal forms of companies (`company`), Latin accents (`unaccented`)
and kana (`search_form`). Differences that can tell two names apart stay in the first four: accents, hiragana and
katakana, and separators between digits.
Source: Unicode Standard, chapter 3.13 (compatibility caseless match), chapter 5.21 (default ignorable code points).
"""

import re
import unicodedata
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.combining_marks import with_few_marks

_KEPT_KEYS: Final = 4_096
"""Keys of names that were asked for last: pages of tickets show the same people again and again."""
_SHORT: Final = 100
"""Characters of a name whose key may be kept."""
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
"""Format characters, fillers and variation selectors; variants of one kanji end in the last ones."""
_APOSTROPHES: Final = re.compile("['\u2018\u2019\u02bc`\u00b4]")
_INITIALS: Final = re.compile(r"(?<!\w)((?:[^\W\d_]\.){2,}(?:[^\W\d_](?!\w))?)")
_SEPARATOR: Final = re.compile('[\\s.,:;/_"“”・·‧•|()\\[\\]{}<>「」『』【】、。-]+|[\u2010-\u2015\u2212\u301c~]+')
_TO_HIRAGANA: Final = MappingProxyType({code: code - 0x60 for code in (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)})
_STROKES: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "æ": "ae", "œ": "oe", "ı": "i"})

_TITLES: Final = "mr|mrs|ms|miss|mx|dr|prof|professor|sir|madam|herr|frau|monsieur|madame|mme|mlle|sr|sra|srta"
_TITLE_BEFORE: Final = re.compile(rf"^(?:{_TITLES})(?:[.] ?| )(?=.)")
_TITLE_AFTER: Final = re.compile(
    rf"(?<=.)(?:[ ,-]+(?:{_TITLES}|esq|ph[.]?d|san|sama|kun|chan|sensei)[.]?"
    "| ?(?:さん|さま|様|氏|殿|どの|君|くん|ちゃん|先生|御中|各位|社長|部長|課長|係長|主任|サン|サマ))$"
)
_LEGAL_FORMS: Final = MappingProxyType({
    **{form: form for form in ("ltd", "inc", "corp", "co", "gmbh", "ag", "kg", "ohg", "ug", "se", "sa", "sas", "sarl")},
    **{form: form for form in ("srl", "sro", "spa", "bv", "nv", "ab", "oy", "aps", "plc", "llc", "llp", "lp", "pty")},
    **{form: form for form in ("pte", "pvt", "bhd", "sdn", "kk", "yk", "gk", "kgaa")},
    "limited": "ltd", "incorporated": "inc", "corporation": "corp", "company": "co", "private": "pvt",
})  # fmt: skip
_JAPANESE_FORMS: Final = MappingProxyType({
    "株式会社": "kk", "(株)": "kk", "有限会社": "yk", "(有)": "yk", "合同会社": "gk", "(同)": "gk",
    "合資会社": "(資)", "(資)": "(資)", "合名会社": "(名)", "(名)": "(名)",
    "一般社団法人": "(社)", "公益社団法人": "(社)", "社団法人": "(社)", "(社)": "(社)",
    "一般財団法人": "(財)", "公益財団法人": "(財)", "財団法人": "(財)", "(財)": "(財)",
    "医療法人": "(医)", "(医)": "(医)", "学校法人": "(学)", "(学)": "(学)",
    "社会福祉法人": "(福)", "(福)": "(福)", "独立行政法人": "(独)", "(独)": "(独)",
})  # fmt: skip
_JAPANESE_FORM: Final = re.compile("|".join(map(re.escape, _JAPANESE_FORMS)))


class Company(NamedTuple):
    """A company's name without its legal forms, as a key, and those forms."""

    stem: str
    forms: frozenset[str]

    def may_be(self, other: "Company") -> bool:
        """Whether both have one stem and no contradicting forms: one of them may leave its forms out."""
        return self.stem == other.stem and self._agrees(other)

    def may_begin_with(self, other: "Company") -> bool:
        """Do as `may_be`, but `other` may be the beginning of this name alone."""
        return self.stem.startswith(other.stem) and self._agrees(other)

    def _agrees(self, other: "Company") -> bool:
        return self.forms <= other.forms or self.forms >= other.forms


def fold(text: str) -> str:
    """Return `text` without differences of width, case, kinds of blanks and invisible characters."""
    if text.isascii():
        return " ".join(text.lower().split())
    bounded = with_few_marks(_INVISIBLE.sub("", text))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", bounded).casefold())
    return " ".join(folded.split())


def search_form(text: str) -> str:
    """Return `text` folded, and with hiragana for katakana."""
    return fold(text).translate(_TO_HIRAGANA)


def name_words(text: str) -> tuple[str, ...]:
    """Return the words of a name, folded and without punctuation; initials (`J. P.` or `K.K.`) without dots."""
    joined = _INITIALS.sub(lambda found: found.group().replace(".", "") + " ", _APOSTROPHES.sub("", fold(text)))
    return tuple(word for word in _SEPARATOR.split(joined) if word)


def name_key(text: str) -> str:
    """Return a key that is equal for names that differ in spelling and separators alone.

    A separator between two digits counts: `1-1` is not `11`.
    """
    return _kept_key(text) if len(text) <= _SHORT else _key(text)


def _key(text: str) -> str:
    return _joined(name_words(text))


_kept_key: Final = lru_cache(maxsize=_KEPT_KEYS)(_key)


def unaccented(key: str) -> str:
    """Return a folded text without the accents of Latin letters; the marks of other scripts make other letters."""
    if key.isascii():
        return key
    kept: list[str] = []
    for c in unicodedata.normalize("NFD", key):
        if not (unicodedata.combining(c) and kept and kept[-1].isascii() and kept[-1].isalpha()):
            kept.append(c)
    return unicodedata.normalize("NFC", "".join(kept)).translate(_STROKES)


def without_titles(text: str) -> tuple[str, ...]:
    """Return a name, folded, and then with one form of address less each time: `Mr`, `Dr`, `-san`, さん, 様, 御中.

    The shortest comes last. What looks like a form of address may be part of the name.
    """
    names = [fold(text)]
    while (shorter := _TITLE_AFTER.sub("", _TITLE_BEFORE.sub("", names[-1]))) != names[-1]:
        names.append(shorter)
    return tuple(names)


def company(text: str) -> Company:
    """Return the stem and the legal forms of a company's name. Latin forms count at the end alone."""
    folded = fold(text)
    forms = {_JAPANESE_FORMS[form] for form in _JAPANESE_FORM.findall(folded)}
    words = list(name_words(_JAPANESE_FORM.sub(" ", folded)))
    while len(words) > 1 and (words[-1] in _LEGAL_FORMS or words[-1] in {"&", "and"}):
        forms |= {_LEGAL_FORMS[form] for form in [words.pop()] if form in _LEGAL_FORMS}
    return Company(_joined(words) or name_key(text), frozenset(forms))


def _joined(words: tuple[str, ...] | list[str]) -> str:
    key = ""
    for word in words:
        key += f"-{word}" if key and key[-1].isdigit() and word[0].isdigit() else word
    return key
