"""The documents are correct: the settings table, the README translations, and every link."""

import re
from pathlib import Path

import pytest

from shared.config import settings_table
from tests.auth.authorization_server.client_rows import ROWS
from transport.http import migration_guide

ROOT = Path(__file__).resolve().parent.parent
READMES = ["README.md", "README.ja.md"]
TRANSLATED = [
    READMES,
    ["docs/oauth.md", "docs/oauth.ja.md"],
    ["docs/own-identity-provider.md", "docs/own-identity-provider.ja.md"],
    ["docs/operations.md", "docs/operations.ja.md"],
    ["docs/recovery.md", "docs/recovery.ja.md"],
    ["docs/your-data.md", "docs/your-data.ja.md"],
]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "gcp-deploy").rglob("*.md")]
)


def text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def prose(document: str) -> str:
    return CODE.sub("", text(document))


def settings_of(readme: str) -> str:
    """Return the settings table between its markers."""
    _, _, rest = text(readme).partition("<!-- settings")
    return rest.partition("-->\n")[2].partition("<!-- /settings -->")[0]


def test_the_settings_table_is_the_one_of_the_settings_class() -> None:
    assert settings_of("README.md") == settings_table(), "paste the output of python -m shared.config"


def test_the_translated_settings_table_has_the_same_rows() -> None:
    english, japanese = (
        [
            (row.split("|")[1], sorted(re.findall(r"`[^`]+`|\d\d+|docs/[a-z]+\.md", row)))
            for row in table.splitlines()[2:]
        ]
        for table in map(settings_of, READMES)
    )
    assert japanese == english


@pytest.mark.parametrize("documents", TRANSLATED, ids=["readme", "oauth", "provider", "operations", "recovery", "data"])
@pytest.mark.parametrize("pattern", [r"^#+ ", r"^\*\*", r"^- \[[^\]]*\]\([^)]*\)", r"^\|"])
def test_both_languages_have_the_same_shape(pattern: str, documents: list[str]) -> None:
    english, japanese = (
        [found.replace(".ja.md", ".md") for found in re.findall(pattern, prose(document), re.MULTILINE)]
        for document in documents
    )
    assert japanese == english


@pytest.mark.parametrize("documents", TRANSLATED[:-1], ids=["readme", "oauth", "provider", "operations", "recovery"])
def test_both_languages_have_the_same_code_and_name_the_same_things(documents: list[str]) -> None:
    english, japanese = documents
    assert CODE.findall(text(japanese)) == CODE.findall(text(english))
    named = [sorted(set(re.findall(r"`([^`\n]+)`", prose(document)))) for document in documents]
    assert named[1] == named[0]


def test_the_clients_of_the_sign_in_are_those_that_the_tests_simulate() -> None:
    _, _, rest = text("docs/oauth.md").partition("## What each client needs")
    rows = [row.split(" | ") for row in re.findall(r"^\| (.*) \|$", rest.partition("\n## ")[0], re.MULTILINE)[1:]]
    shown = {name: way for _, _, way, names, *_ in rows for name in names.split(", ")}
    simulated = {row.shown: "document" if row.documents else "registration" for row in ROWS}
    assert shown == {**simulated, "as they say": "registration"}


def test_client_authors_read_the_same_in_the_guide_and_on_the_page_of_the_server() -> None:
    (changes,) = re.findall(r"^```diff\n(.*?)^```$", text("docs/migration.md"), re.MULTILINE | re.DOTALL)
    assert changes == migration_guide.changes("https://tickets.example.com/mcp")
    assert changes in migration_guide.page("https://tickets.example.com", None)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    here = (ROOT / document).parent
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(document))
    missing = [link for link in links if "://" not in link and not (here / link).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_document_names_a_file_that_is_not_there(document: str) -> None:
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|toml|md|yaml))`", text(document))
    made_here = re.findall(r'`([\w/]+\.py)`:\n\n```python\n"""', text(document))  # a new file begins with its docstring
    assert not [name for name in named if not (ROOT / name).exists() and name not in made_here]
