"""Cleans text of characters that show nothing: they can only disguise it, or carry what its reader does not see. Pure.

Dropped are control characters, every character that Unicode lets a renderer ignore (bidi controls, zero-width and tag
characters, fillers, the soft hyphen …), other format characters without a glyph, noncharacters and lone surrogates.
Kept are line ends and tabs, and what writing needs: joiners between letters of the scripts that join (Persian, Indic),
joined emoji, the flags of England, Scotland and Wales, and one variation selector after a character that has variants.
Braille's blank cell stays beside other cells; number marks (U+0600) stay too, as they are seen.
Source: Unicode 16, `Default_Ignorable_Code_Point`, chapters 9, 12 and 23; UTS 37 and 51; RFC 5892, appendix A.
"""

import re
import sys
import unicodedata
from typing import Final

_IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8"
)
"""Default_Ignorable_Code_Point up to U+FFFF."""
_CONTROLS: Final = "\0-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f"
"""Without tab and the line ends: LF, VT, FF, CR, FS, GS, RS, NEL."""
_OTHER: Final = "\ufff9-\ufffb\ud800-\udfff\u2800\ufdd0-\ufdef\ufffe\uffff"
"""Annotations, lone surrogates, the blank cell of Braille, noncharacters."""
_BEYOND: Final = "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff" + "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, sys.maxunicode, 0x10000)
)
"""The same above U+FFFF, and controls of hieroglyphs."""
_HIDDEN: Final = f"[{_CONTROLS}{_IGNORABLE}{_OTHER}{_BEYOND}]"
_MAY_BE_HIDDEN: Final = re.compile(f"[{_CONTROLS}{_IGNORABLE}{_OTHER}\U00010000-\U0010ffff]")
"""Finds what may be one in a twentieth of the time: a set costs each range above U+FFFF at every character."""

_EMOJI: Final = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u27ff\u2900-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_IDEOGRAPHS: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
_HAS_VARIANTS: Final = f"0\u1000-\u109f\u2200-\u22ff\u2a00-\u2aff\u3001\u3002\ua840-\ua877\uff01-\uff1f{_IDEOGRAPHS}"
_REGIONS: Final = "|".join(
    "".join(chr(0xE0000 + ord(letter)) for letter in region) for region in ("gbeng", "gbsct", "gbwls")
)
_FLAG: Final = f"\U0001f3f4(?:{_REGIONS})\U000e007f"
_PARTS: Final = re.compile(f"{_FLAG}|{_HIDDEN}")
_ANY_HIDDEN: Final = re.compile(_HIDDEN)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_KEPT: Final = re.compile("|".join([
    f"(?:(?<=[{_EMOJI}])|(?<=[{_EMOJI}]\ufe0f))\u200d(?=[{_EMOJI}])",
    f"(?<=[{_EMOJI}#*0-9])[\ufe0e\ufe0f]",
    f"(?<=[{_HAS_VARIANTS}])[\ufe00-\ufe02]",
    f"(?<=[{_IDEOGRAPHS}])[\U000e0100-\U000e01ef]",
    "(?<=[\u1820-\u18aa])[\u180b-\u180f]",  # Mongolian
    "(?<=[\u2801-\u28ff])\u2800",
    "\u2800(?=[\u2801-\u28ff])",
]))  # fmt: skip
_JOINING_SCRIPTS: Final = re.compile(
    "[\u0620-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17d3\u1820-\u18aa\u1a20-\u1cff\ua8e0-\uabff\ufb50-\ufdff"
    "\ufe70-\ufefc\U00010a00-\U00010ae6\U00011000-\U00011f5a\U0001e900-\U0001e94b]"
)
"""Arabic to Mandaic, Devanagari to Sinhala, Tibetan, Myanmar, Khmer, Mongolian, their extensions, Brahmi to Adlam."""


def visible(text: str) -> str:
    """Return `text` without the characters that show nothing; cleaning twice is cleaning once."""
    return text if is_visible(text) else _PARTS.sub(lambda found: found[0] if _is_needed(text, found) else "", text)


def is_visible(text: str) -> bool:
    """Whether `text` has no character that `visible` may drop."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return True
    return not _MAY_BE_HIDDEN.search(text) or not _ANY_HIDDEN.search(text)


def is_whole(text: str) -> bool:
    """Whether `text` can be stored everywhere: it has no U+0000 and no half of a surrogate pair."""
    return "\0" not in text and (text.isascii() or not _SURROGATE.search(text))


def hidden_characters(text: str) -> int:
    """Return how many characters `visible` drops from `text`."""
    return len(text) - len(visible(text))


def _is_needed(text: str, found: re.Match[str]) -> bool:
    start, end = found.span()
    if end - start > 1 or _KEPT.match(text, start):
        return True
    if found[0] not in "\u200c\u200d" or not _joins(text[start - 1 : start]):
        return False
    return found[0] == "\u200d" or _joins(text[end : end + 1])  # ZWJ shapes the letter before it, at a word's end too


def _joins(c: str) -> bool:
    """Whether `c` is a letter or mark of a script in which joiners have a meaning."""
    return bool(_JOINING_SCRIPTS.match(c)) and unicodedata.category(c)[0] in "LM" and not _ANY_HIDDEN.match(c)
