"""Every sentence of an error says once what happened to the tickets, and says it in the same words."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from shared.errors import Effect, TicketServerError
from shared.mcp_tools import render
from tests.processes import ROOT

PACKAGES: Final = ("shared", "transport", "auth", "ticket_api")
EFFECT: Final = re.compile(
    r"nothing was (?:changed|done)|it (?:was|may have been) changed|not known whether", re.IGNORECASE
)
OF_THE_COMMAND_LINE: Final = {"auth/__main__.py"}


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def literals(tree: ast.AST) -> Iterator[str]:
    """Yield every text as it is written, what is filled in left out; no docstrings."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def errors(of: type[TicketServerError] = TicketServerError) -> Iterator[type[TicketServerError]]:
    for one in of.__subclasses__():
        yield one
        yield from errors(one)


def test_no_text_says_twice_what_happened() -> None:
    for path in sources():
        for text in literals(ast.parse(path.read_text("utf-8"))):
            if len(text) < 400:  # longer ones are documents
                assert len(EFFECT.findall(text)) <= 1, (path, text)


def test_no_error_says_that_nothing_was_done_in_other_words() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in sources()
        for text in literals(ast.parse(path.read_text("utf-8")))
        if re.search(r"(?i)nothing was done", text)
    }

    assert found <= OF_THE_COMMAND_LINE


def test_every_error_that_takes_no_arguments_says_it_once_as_the_result_of_a_tool() -> None:
    for package in PACKAGES:
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if not re.search(r"__main__|migrations\.(?:env|versions)", module.name):
                importlib.import_module(module.name)
    checked = 0
    for error in set(errors()):
        try:
            one = error()
        except TypeError:
            continue
        checked += bool(str(one))
        assert len(EFFECT.findall(render.sentence(one))) == 1, (error, render.sentence(one))

    assert checked > 10


@pytest.mark.parametrize("effect", Effect)
def test_a_statement_of_the_effect_is_added_only_where_there_is_none(effect: Effect) -> None:
    said = render.EFFECTS[effect]
    for text in ("It failed.", f"It failed. {said}", f"It failed; {said[0].lower()}{said[1:-1]}, so wait."):
        error = TicketServerError(text)
        error.effect = effect
        assert len(EFFECT.findall(render.sentence(error))) == 1
