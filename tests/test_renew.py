"""What repeats the catalog of tools or of client habits fits it; docs/extending.md says all that a new tool takes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import indent
from typing import Final

import pytest

from shared.client_habits import HABITS, Habit
from shared.mcp_tools.catalog import TOOLS, ToolSpec
from tests import renew
from tests.renew import HINT, INTEROP, ROOT, renewed, tool_table

TABLE: Final = """\
| tool | does |
|---|---|
| `get_ticket_list` | finds them |
| `get_users`, `get_accounts` | list ids |
"""
CHECKS: Final = (
    *("tests/test_renew.py::test_what_repeats_the_catalog_fits_it", "tests/test_docs.py"),
    *(
        f"tests/shared/test_server.py::test_{name}"
        for name in (
            "todays_tools_come_first_and_in_order",
            "every_tool_has_a_title_a_description_and_all_hints",
            "the_overview_is_a_markdown_resource_that_names_every_tool",
        )
    ),
    "tests/shared/mcp_tools/test_schema_lint.py::test_every_tool_passes",
    "tests/shared/test_tools.py::test_the_last_comment_is_shown",
)
CHECK_S: Final = 120


async def test_what_repeats_the_catalog_fits_it() -> None:
    for path, text in (await renewed()).items():
        assert path.read_text("utf-8") == text, f"{path.relative_to(ROOT)}: {HINT}"


async def test_a_row_of_habits_that_is_not_in_its_document_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renew, "HABITS", [*HABITS, Habit("shouting", "a client", "CAPITALS", "whisper", "400")])

    with pytest.raises(AssertionError, match=r"docs/interop.md: .* run `python3 run.py renew`"):
        await test_what_repeats_the_catalog_fits_it()
    assert (await renewed())[INTEROP].count("| `shouting` | a client | CAPITALS | whisper | 400 |\n") == 1


async def test_what_does_not_fit_fails_with_the_command_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renew, "TOOLS", some("get_users"))

    with pytest.raises(AssertionError, match=r"README.md: .* run `python3 run.py renew`"):
        await test_what_repeats_the_catalog_fits_it()


def some(*names: str) -> list[ToolSpec]:
    return [spec for spec in TOOLS if spec.name in names]


def test_rows_of_tools_that_are_there_keep_their_words() -> None:
    assert tool_table(TABLE, ", ", some("get_ticket_list", "get_users", "get_accounts")) == TABLE


def test_a_new_tool_joins_those_with_its_purpose_or_gets_a_row_in_its_place() -> None:
    tools = some("get_ticket_list", "create_ticket", "get_users", "get_accounts", "get_statuses")

    assert tool_table(TABLE, "、", tools).splitlines()[2:] == [
        "| `get_ticket_list` | finds them |",
        "| `create_ticket` | open one |",
        "| `get_users`、`get_accounts`、`get_statuses` | list ids |",
    ]


def test_a_tool_that_is_gone_leaves_the_table() -> None:
    assert tool_table(TABLE, ", ", some("get_accounts")).splitlines()[2:] == ["| `get_accounts` | list ids |"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of this checkout, to be changed."""
    left_out = shutil.ignore_patterns(".*", "data", "node_modules", "__pycache__")
    return shutil.copytree(ROOT, tmp_path / "copy", ignore=left_out)


def python(copy: Path, *arguments: str) -> tuple[int, str]:
    """Run Python in the copy; return its exit code and what it wrote."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=CHECK_S,
        check=False,
    )
    return done.returncode, done.stdout


def with_part(name: str, text: str, code: str) -> str:
    """Return the text of a file with its part of a new tool, an empty one for a new file: first what it imports."""
    if not text:
        return code
    imports, _, rest = code.partition("\n\n") if code.startswith("from ") else ("", "", code)
    if imports:
        text = with_import(text, imports.strip())
    if name == "shared/mcp_tools/catalog.py":
        return text.removesuffix(")\n") + indent(rest.rstrip() + ",\n", "    ") + ")\n"
    if name == "shared/tools.py":
        place = "\n    async def user_of("
        return text.replace(place, f"{indent(rest, '        ')}{place}")
    if name.endswith("__init__.py"):
        new = next(word for word in re.findall(r"\w+", imports.partition(" import ")[2]) if f'"{word}"' not in text)
        return text.replace("__all__ = [\n", f'__all__ = [\n    "{new}",\n')
    return f"{text}\n\n{rest}"


def with_import(text: str, line: str) -> str:
    """Return `text` with an import: instead of one from the same module, or before the first from `shared`."""
    module = re.escape(line.partition(" import ")[0])
    text, replaced = re.subn(rf"^{module} import .*$", line, text, count=1, flags=re.MULTILINE)
    return text if replaced else re.sub(r"^from shared", f"{line}\nfrom shared", text, count=1, flags=re.MULTILINE)


@pytest.fixture
def guided(copy: Path) -> Path:
    """A copy with the parts of the guide in their files."""
    guide = (ROOT / "docs" / "extending.md").read_text("utf-8")
    parts = re.findall(r"`((?:shared|tests)/[\w/]+\.py)`:\n\n```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert len(parts) == 8
    for name, code in parts:
        text = (copy / name).read_text("utf-8") if (copy / name).exists() else ""
        (copy / name).write_text(with_part(name, text, code), "utf-8")
    return copy


def test_the_parts_in_the_guide_make_a_tool(guided: Path) -> None:
    code, said = python(guided, "-c", "from shared.mcp_tools.catalog import TOOLS; print(TOOLS[-1].name)")
    assert (code, said.strip()) == (0, "get_last_comment"), said


@pytest.mark.long
def test_the_parts_in_the_guide_and_one_command_are_all_that_a_new_tool_takes(guided: Path) -> None:
    assert python(guided, "-m", "tests.renew") == (0, "")
    code, said = python(guided, "-m", "pytest", "-q", "-p", "no:cacheprovider", *CHECKS)
    assert code == 0, said
