"""Every sentence that is looked up has its Japanese, with the same places; no table has one that the code lacks.

A literal is found wherever `localized`, or a function that passes it on, is called: directly, by the name of a
constant, as a value of a constant table, or as one of two alternatives.
"""

import ast
import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from string import Formatter
from types import ModuleType
from typing import Any, Final

import pytest

import ticket_service
from shared import localization
from shared.errors import Effect
from shared.localization import in_language, japanese, localized
from shared.mcp_tools import render
from tests.processes import ROOT

LOOK_UP: Final = frozenset({"localized", "UnreadableBodyError"})
"""What takes a sentence to look up as its first argument."""
PASSED_ON: Final = frozenset({("shared/upstream/body_text.py", "template")})
"""Where such a function passes its own argument on."""
FOLDER: Final = ROOT / "shared"


def modules() -> Iterator[ModuleType]:
    yield ticket_service
    for module in pkgutil.walk_packages([str(FOLDER)], "shared."):
        path = ROOT / f"{module.name.replace('.', '/')}{'/__init__' if module.ispkg else ''}.py"
        if re.search(r"\.__main__$|\.migrations\b", module.name):
            continue
        text = path.read_text("utf-8")
        if any(name in text for name in ("localiz", *LOOK_UP)):
            yield importlib.import_module(module.name)


@cache  # the code is read once
def templates() -> tuple[tuple[str, str], ...]:
    """Return the place and the text of each sentence that is looked up. Raises: AssertionError: it cannot be found."""
    return tuple(_templates())


def _templates() -> Iterator[tuple[str, str]]:
    for module in modules():
        path = str(module.__file__).removeprefix(f"{ROOT}/")
        if path.startswith("shared/localization/"):
            continue
        for call in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in LOOK_UP and call.args:
                if (path, ast.unparse(call.args[0])) in PASSED_ON:
                    continue
                for text in texts(call.args[0], module):
                    assert isinstance(text, str), f"{path}:{call.lineno}: {ast.unparse(call)} is no literal sentence"
                    yield f"{path}:{call.lineno}", text


def texts(node: ast.expr, module: ModuleType) -> Iterator[object]:
    """Yield the values that an expression can have, as far as the code fixes them."""
    match node:
        case ast.Constant():
            yield node.value
        case ast.IfExp():
            yield from texts(node.body, module)
            yield from texts(node.orelse, module)
        case ast.Name() | ast.Attribute():
            yield constant(node, module)
        case ast.Subscript():
            table = constant(node.value, module)
            assert isinstance(table, Mapping | tuple), f"{module.__name__}: {ast.unparse(node)} is no value of a table"
            yield from table.values() if isinstance(table, Mapping) else table
        case _:
            yield None


def constant(node: ast.expr, module: ModuleType) -> Any:
    """Return what a constant of a module holds; None for what is no constant."""
    path = ast.unparse(node).split(".")
    value: Any = module
    for name in path:
        value = getattr(value, name, None)
    return value


def places(sentence: str) -> Counter[str]:
    return Counter(dict.fromkeys((name for _, name, _, _ in Formatter().parse(sentence) if name is not None), 1))


def tables() -> Iterator[tuple[str, Mapping[str, str]]]:
    for module in pkgutil.iter_modules(japanese.__path__):
        yield module.name, importlib.import_module(f"{japanese.__name__}.{module.name}").SENTENCES


def test_every_sentence_has_its_japanese_with_the_same_places() -> None:
    found = dict.fromkeys(text for _, text in templates())
    assert len(found) > 200
    for place, text in templates():
        assert text in japanese.SENTENCES, f"{place}: no Japanese for {text!r}"
        assert places(text) == places(japanese.SENTENCES[text]), (place, text)


def test_no_table_has_a_sentence_that_the_code_lacks_or_another_table_has() -> None:
    found = {text for _, text in templates()}
    count = Counter(text for _, table in tables() for text in table)

    assert {text for text in count if text not in found} == set()
    assert {text for text, times in count.items() if times > 1} == set()
    assert len(japanese.SENTENCES) == len(count), "japanese/__init__.py lacks a table"


def test_japanese_sentences_are_japanese() -> None:
    for english, sentence in japanese.SENTENCES.items():
        only_places = re.fullmatch(r"(?:\{\w+\})*", sentence)  # the verb of an English clause may stand elsewhere
        if re.search("[A-Za-z]", re.sub(r"\{.*?\}", "", english)) and not only_places:
            assert re.search(r"[぀-ヿ一-鿿]", sentence), english
        assert not re.search("[．，]", sentence), english
        assert sentence.endswith("。") or not english.endswith("."), english


def test_what_happened_to_the_tickets_is_said_in_the_same_words() -> None:
    """`render.sentence` adds a statement of the effect only where one is missing."""
    with in_language("ja"):
        effects = {localized(render.EFFECTS[effect]).rstrip("。"): render.EFFECTS[effect][:-1] for effect in Effect}
    for english, sentence in japanese.SENTENCES.items():
        if english not in render.EFFECTS.values():
            for said, in_english in effects.items():
                assert (in_english.casefold() in english.casefold()) == (said in sentence), (english, sentence)


def test_a_language_ends_with_its_block() -> None:
    assert localized("There is no ticket {ticket_id}; get_ticket_list finds ids.", ticket_id="x").startswith("There")
    with in_language("ja"):
        assert "x" in localized("There is no ticket {ticket_id}; get_ticket_list finds ids.", ticket_id="x")
        with in_language("en"):
            assert localized(" and ") == " and "
        assert localized(" and ") == "と"
    assert localized(" and ") == " and "


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("ja", "ja"),
        ("ja-JP", "ja"),
        ("JA", "ja"),
        ("en-US,en;q=0.9,ja;q=0.8", "en"),
        ("ja,en-US;q=0.9,en;q=0.8", "ja"),
        ("fr-FR, ja;q=0.5", "ja"),
        ("fr, de;q=0.5", "en"),
        ("en;q=0.2, ja;q=0.3", "ja"),
        ("en-GB;q=0.5, en;q=0.9, ja;q=0.8", "en"),
        ("ja;q=0", "en"),
        ("ja;q=nonsense, ;;;q=,=", "ja"),
        (f"{'x,' * 10_000}ja", "ja"),
    ],
)
def test_the_language_is_the_preferred_one_of_those_there_are(header: str, language: str) -> None:
    assert localization.accepted_language(header) == language
