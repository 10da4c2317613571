"""Finds the item of master data that a person means by an id, a name or an e-mail address. Pure.

`find` returns items that equal what was given, up to differences that never tell two names apart; only these may be
written without a question. Else it returns items that fit in part: one of several words, other kana. What a form of
address (`Mr`, 様) or a company's form (`Ltd`, 株式会社) adds is ignored unless it contradicts.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.folding import (
    Company,
    company,
    fold,
    name_key,
    name_words,
    search_form,
    unaccented,
    without_titles,
)
from shared.tickets.master_lists import ItemT
from shared.tickets.models import CategoryDetail, MasterItem, ResponseCategory, User

MAX_CANDIDATES: Final = 5
_MAX_SHOWN: Final = 60
_LABELS: Final = (
    re.compile(r"(?P<id>[^(:]+?) ?\((?P<name>.+)\)"),  # user3 (Tomas Okoro)
    re.compile(r"(?P<name>.+?) ?[(<](?P<id>[^()<>]+)[)>]"),  # Tomas Okoro (user3), Tomas Okoro <tomas@example.com>
    re.compile(r"(?P<id>[^:]+?) ?[:|,;-] ?(?P<name>.+)"),  # user3: Tomas Okoro
)
_ADDRESS: Final = re.compile(r"(?:mailto:|<)?([^\s<>@]+@[^\s<>@]+?)>?")


class Found(NamedTuple):
    """What a given text may mean: items equal to it, or else items that fit it in part."""

    equal: tuple[MasterItem, ...] = ()
    partial: tuple[MasterItem, ...] = ()
    contradicts: bool = False
    """Whether the text has the id of one item and the name of another."""


@dataclass(frozen=True, slots=True)
class _Keys:
    """One name as it is compared: from strict to loose."""

    key: str
    words: tuple[str, ...]
    company: Company
    loose: str
    loose_words: frozenset[str]


@lru_cache(maxsize=10_000)
def _keys(name: str) -> _Keys:
    loose = unaccented(search_form(name))
    words = name_words(name)
    return _Keys(name_key(name), tuple(sorted(words)), company(name), name_key(loose), frozenset(name_words(loose)))


@lru_cache(maxsize=10_000)
def _plain_keys(name: str) -> _Keys:
    """Return the keys of `name` without accents, which people and keyboards leave out."""
    return _keys(unaccented(fold(name)))


def find(given: str, items: Iterable[MasterItem]) -> Found:
    """Return which of `items` have the id, the e-mail address or the name `given`. An id wins over a name."""
    items = tuple(items)
    folded = fold(given)
    by_id = [item for item in items if item.id == given] or [item for item in items if fold(item.id) == folded]
    if by_id:
        return Found(tuple(by_id))
    if (address := _ADDRESS.fullmatch(folded)) is not None:
        return Found(tuple(item for item in items if isinstance(item, User) and fold(item.email or "") == address[1]))
    if equal := _named(given, items):
        return Found(equal)
    if labelled := _labelled(folded, items):
        return labelled
    return Found(partial=_in_part(given, items))


def _named(given: str, items: Sequence[MasterItem]) -> tuple[MasterItem, ...]:
    """Return the items with the name `given`: those at the first of several levels of equality that has any."""
    if exact := [item for item in items if item.name.casefold() == given.strip().casefold()]:
        return tuple(exact)
    forms = without_titles(given)
    for form in forms:
        if equal := _equal(form, items, _keys):
            return equal
    bare = forms[-1]
    return _equal(bare, items, _plain_keys) if unaccented(bare) == bare else ()  # an accent that was written is meant


def _equal(name: str, items: Sequence[MasterItem], keys_of: Callable[[str], _Keys]) -> tuple[MasterItem, ...]:
    """Return the items with this name: as it is, family name first, or with another spelling of its legal form."""
    wanted = keys_of(name)
    if not wanted.key:
        return ()
    if same := [item for item in items if keys_of(item.name).key == wanted.key]:
        return tuple(same)
    if len(wanted.words) > 1 and (
        turned := [item for item in items if isinstance(item, User) and keys_of(item.name).words == wanted.words]
    ):
        return tuple(turned)
    others = [item for item in items if type(item) is MasterItem]
    if same := [item for item in others if keys_of(item.name).company == wanted.company]:
        return tuple(same)
    return tuple(item for item in others if keys_of(item.name).company.may_be(wanted.company))


def _labelled(folded: str, items: Sequence[MasterItem]) -> Found | None:
    """Return the item that a label names by id or e-mail address *and* by name; both, if they differ."""
    for pattern in _LABELS:
        if (parts := pattern.fullmatch(folded)) is None:
            continue
        by_id = [item for item in items if parts["id"] in {fold(item.id), *_address_of(item)}]
        if not by_id:
            continue
        said = parts["name"]
        if any(said in {fold(inner) for inner in (_details(item), _shown(item.name))} for item in by_id):
            return Found(tuple(by_id))
        named = _named(said, items) or _in_part(said, items)
        agreed = tuple(item for item in by_id if item in named)
        return Found(agreed) if agreed else Found(partial=(*by_id, *named), contradicts=True)
    return None


def _address_of(item: MasterItem) -> tuple[str, ...]:
    return (fold(item.email),) if isinstance(item, User) and item.email else ()


def _in_part(given: str, items: Sequence[MasterItem]) -> tuple[MasterItem, ...]:
    """Return the items whose name has all words of `given`, or begins with it in a script without blanks."""
    wanted = _keys(without_titles(given)[-1])
    if not wanted.loose:
        return ()
    begins = not wanted.loose.isascii() and len(wanted.loose) > 1

    def fits(name: str) -> bool:
        own = _keys(name)
        if own.loose == wanted.loose or wanted.loose_words <= own.loose_words:  # other kana, or some of its words
            return True
        return begins and (own.loose.startswith(wanted.loose) or own.company.may_begin_with(wanted.company))

    return tuple(item for item in items if fits(item.name))


def matching(query: str, items: Sequence[ItemT]) -> list[ItemT]:
    """Return the items that a query finds: those that `find` returns, then all that have its words in any order."""
    equal = find(query, items).equal
    words, key = unaccented(search_form(query)).split(), _keys(query).loose

    def has_all(item: ItemT) -> bool:
        text = unaccented(search_form(f"{item.id} {_details(item)}"))
        return all(word in text for word in words) or (key != "" and key in _keys(item.name).loose)

    return [
        *(item for item in items if item in equal),
        *(item for item in items if item not in equal and has_all(item)),
    ]


def nearest(given: str, items: Iterable[MasterItem], *, first: Iterable[MasterItem] = ()) -> list[MasterItem]:
    """Return all items, `first` and then those most like `given` first."""
    pieces = _pieces(_keys(without_titles(given)[-1]).loose)
    named_id = any(c.isdigit() for c in given)
    ahead = {item.id for item in first}

    def likeness(item: MasterItem) -> tuple[bool, float]:
        texts = [_keys(item.name).loose, *([name_key(item.id)] if named_id else []), *_address_of(item)]
        return item.id in ahead, max(_dice(pieces, _pieces(text)) for text in texts)

    return sorted(items, key=likeness, reverse=True)


def _pieces(text: str) -> frozenset[str]:
    return frozenset({*text, *(text[at : at + 2] for at in range(len(text) - 1)), f"^{text[:1]}", f"^{text[:2]}"})


def _dice(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))


def labels(items: Sequence[MasterItem], tool: str) -> tuple[str, ...]:
    """Return `id (name)` of the first items, with more of each namesake, and the tool that lists the rest."""
    named = each_label(items[:MAX_CANDIDATES])
    rest = len(items) - len(named)
    return (*named, localized("and {count} more, see {tool}", count=rest, tool=tool)) if rest > 0 else named


def each_label(items: Sequence[MasterItem]) -> tuple[str, ...]:
    """Return `id (name)` of each item, with more of each namesake."""
    keys = [name_key(item.name) for item in items]
    of_key = Counter(keys)
    return tuple(
        one_line(f"{item.id} ({_details(item) if of_key[key] > 1 else _shown(item.name)})")
        for item, key in zip(items, keys, strict=True)
    )


def _shown(name: str) -> str:
    return name[:_MAX_SHOWN]


def _details(item: MasterItem) -> str:
    """Return the name of `item` with what else is known of it."""
    known: tuple[str | None, ...] = ()
    if isinstance(item, User):
        known = (item.email, item.role)
    elif isinstance(item, CategoryDetail):
        known = (item.category_name,)
    elif isinstance(item, ResponseCategory):
        known = (item.parent_category,)
    return ", ".join(_shown(text) for text in (item.name, *known) if text)
