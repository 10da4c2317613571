"""`auth tenant export` and `auth tenant erase`, as an operator types them."""

from pathlib import Path

import click
import pytest

from shared.errors import InvalidInputError
from tests.auth.cli.test_commands import MAIL, Terminal, mary, terminal, url

__all__ = ("mary", "terminal", "url")  # fixtures


def test_an_organisation_leaves_with_its_data(mary: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "acme.jsonl"

    exported = mary.json("tenant", "export", "acme", "--to", str(file))
    erased = mary.run("tenant", "erase", "acme", answer="acme\n")

    assert exported["done"].startswith(f"{file}: tenants 1, users 1, ")
    assert MAIL in file.read_text("utf-8")
    assert "acme is erased; servers refuse its keys within MCP_REVOKE_WITHIN seconds." in erased.stdout
    assert [one["id"] for one in mary.json("tenant", "list")] == ["default"]
    assert mary.json("user", "list") == []
    assert mary.json("audit", "list")[0]["action"] == "tenant_erased"
    assert "was erased" in str(mary.error("tenant", "add", "acme"))


@pytest.mark.parametrize(("options", "answer", "error"), [
    ((), "acne\n", InvalidInputError), (("--yes-erase", "acne"), "", InvalidInputError), ((), "", click.Abort),
])  # fmt: skip
def test_an_erasure_needs_the_id_once_more(
    mary: Terminal, options: tuple[str, ...], answer: str, error: type[Exception]
) -> None:
    refused = mary.run("tenant", "erase", "acme", *options, answer=answer)

    assert refused.exit_code != 0
    assert isinstance(refused.exception, error | SystemExit)
    assert "acme" in [one["id"] for one in mary.json("tenant", "list")]
