"""No sentence of a result or an error is left in English alone: each one is looked up, or has a reason here.

A sentence is a literal with two English words in a row. What `localized` gets is known to `test_tables`; descriptions
of tools and arguments stay English by decision, and so do logs, patterns and errors of a start.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.processes import ROOT
from tests.shared.localization.test_tables import templates

FOLDERS: Final = ("shared/tickets", "shared/writes", "shared/upstream", "shared/mcp_tools")
FILES: Final = ("shared/api_client.py", "shared/bounds.py", "shared/errors.py", "shared/identity.py", "shared/tools.py")
WORDS: Final = re.compile(r"[A-Za-z]{2,}[,.:;]? [a-z]{2,}")
ENGLISH_CALLS: Final = frozenset({"Field", "compile", "sub", "_list_tool", "ToolSpec", "exception", "AssertionError"})
"""Descriptions, patterns and logs."""
ENGLISH: Final = {
    "shared/mcp_tools/overview.py": "the document docs://overview, which goes with the descriptions of the tools",
    "shared/mcp_tools/catalog.py": "names and descriptions of tools",
    "shared/tickets/columns.py": "headings, which `render` looks up",
    "shared/tickets/features.py": "what is said to developers of each feature",
    "shared/mcp_tools/arguments/choices.py": "other words for values",
    "shared/tickets/dates/relative_days.py": "words for days",
    "shared/tickets/folding.py": "titles of people",
    "shared/upstream/connection.py": "causes of a failure, which the log shows",
    "shared/upstream/connection_pool.py": "likewise",
    "shared/upstream/google_identity.py": "likewise",
    "shared/tickets/similar/common_words.py": "words that a search leaves out",
}
"""Files whose other literals are no sentences of a result."""
ENGLISH_LITERALS: Final = {
    "true and false are no numbers": "names an unreadable value of the ticket API; the note names only the field",
    "the text is blank": "likewise",
    "another charset": "why the fast parser is not used; no one is told",
    "perhaps a long number": "likewise",
    "[cut at {} of {} characters]": "a mark that a write recognises, whatever the language",
    "YYYY-MM-DD, today or +3d": "part of a description",
    "Defaults to the calling user, where that is known.": "part of a description",
    "Your own key for this one request: it is done once in 24 hours, however often you repeat it.": "a description",
    "true: do it again, even if an equal call did it in the last {} minutes.": "a description",
}


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")
    yield from (ROOT / file for file in FILES)


def literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the texts of a module, without docstrings and what is in English by decision."""
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            left_out.add(id(node.value))
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ENGLISH_CALLS:
                left_out.update(map(id, ast.walk(node)))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and id(node) not in left_out:
            left_out.update(map(id, node.values))
            yield node.lineno, "{}".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.lineno, node.value


def test_every_sentence_of_a_result_is_looked_up() -> None:
    looked_up = {text for _, text in templates()}
    left = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sources()
        if str(path.relative_to(ROOT)) not in ENGLISH
        for line, text in literals(ast.parse(path.read_text("utf-8")))
        if WORDS.search(text) and text not in looked_up and text not in ENGLISH_LITERALS
    ]

    assert left == []


def test_the_exceptions_are_in_the_code() -> None:
    texts = {text for path in sources() for _, text in literals(ast.parse(path.read_text("utf-8")))}

    assert {*ENGLISH_LITERALS} <= texts
    assert all((ROOT / file).is_file() for file in ENGLISH)
