"""A server with sign-in and its provider, set up by the settings and commands of docs/own-identity-provider.md."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from click.testing import CliRunner

from auth.__main__ import cli
from tests.interop.sign_in.provider import Provider, provider
from tests.processes import IDENTITY_KEY, ROOT, free_port, http_door, sqlite

DOCUMENT: Final = ROOT / "docs" / "own-identity-provider.md"
SERVER, ISSUER = "https://tickets.example.com", "https://login.example.com"
"""The addresses of the document."""
MARY, JOHN = "mary", "00u1john"
PEOPLE: Final = MappingProxyType({
    MARY: {"email": "mary@acme.example", "email_verified": True},
    JOHN: {},
})  # fmt: skip
"""Subjects at the provider, and what their tokens say besides."""


@dataclass(frozen=True)
class Deployment:
    """A running server and the provider at which its people sign in."""

    address: str
    provider: Provider


def blocks(language: str) -> list[str]:
    """Return the code blocks of the document in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@contextmanager
def deployment(folder: Path, *, life_s: float, early_s: float) -> Iterator[Deployment]:
    """Do what the document says, step by step. The arguments are those of `provider`."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    resources = [address, f"{address}/mcp", f"{address}/sse"]
    with provider(resources, PEOPLE, life_s=life_s, early_s=early_s) as issuer:

        def filled(text: str) -> str:
            return text.replace(SERVER, address).replace(ISSUER, issuer.issuer)

        settings = dict(line.split("=", 1) for line in filled(blocks("ini")[0]).splitlines())
        settings |= {"MCP_IDENTITY_KEYS": IDENTITY_KEY, "MCP_DATABASE_URL": sqlite(folder), "MCP_MCP_API_KEY": ""}
        for command in re.findall(r"^python3 run\.py auth (.+)$", filled("".join(blocks("sh"))), re.MULTILINE):
            done = CliRunner().invoke(cli, shlex.split(command), env=settings)
            assert done.exit_code == 0, done.output
        with http_door(folder, PORT=str(port), **settings):
            yield Deployment(address, issuer)
