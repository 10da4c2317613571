"""Servers with sign-in and their providers, set up by the settings and the commands of the documents."""

import asyncio
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from click.testing import CliRunner

from auth.__main__ import cli
from tests.interop.sign_in import google as look_alike
from tests.interop.sign_in.provider import Provider, provider
from tests.processes import HTTP_DOOR, IDENTITY_KEY, ROOT, Process, free_port, sqlite

SERVER, ISSUER = "https://tickets.example.com", "https://login.example.com"
"""The addresses of the documents."""
MARY, JOHN = "mary", "00u1john"
PEOPLE: Final = MappingProxyType({
    MARY: {"email": "mary@acme.example", "email_verified": True},
    JOHN: {},
})  # fmt: skip
"""Subjects at the organisation's own provider, and what their tokens say besides."""
SERVER_PROGRAM: Final = ("-m", "tests.interop.sign_in.server")
"""The server, whose access tokens live for as many seconds as the next argument says."""


@dataclass(frozen=True)
class Deployment:
    """A running server and the provider at which its people sign in."""

    address: str
    provider: Provider
    settings: Mapping[str, str]
    process: Process

    async def operator(self, command: str) -> str:
        """Run `python3 run.py auth` with what follows it in `command`; return what it prints."""
        return await asyncio.to_thread(operator, command, self.settings)


def operator(command: str, settings: Mapping[str, str]) -> str:
    """Run a command of the operator, which must succeed."""
    done = CliRunner().invoke(cli, shlex.split(command), env=dict(settings))
    assert done.exit_code == 0, done.output or done.exception
    return done.output


@dataclass(frozen=True)
class Guide:
    """A document, as far as its reader follows it."""

    document: Path
    sections: tuple[str, ...] = ("Step by step",)

    def settings(self) -> dict[str, str]:
        """Return the settings to add."""
        return dict(line.split("=", 1) for line in self._blocks("ini").splitlines())

    def commands(self) -> list[str]:
        """Return what follows `python3 run.py auth` in each command."""
        return re.findall(r"^python3 run\.py auth (.+)$", self._blocks("sh"), re.MULTILINE)

    def _blocks(self, language: str) -> str:
        text = self.document.read_text("utf-8")
        pattern = rf"^## (?:{'|'.join(self.sections)})\n(.*?)(?=^## )"
        followed = "".join(re.findall(pattern, text, re.MULTILINE | re.DOTALL))
        return "".join(re.findall(rf"^```{language}\n(.*?)^```$", followed, re.MULTILINE | re.DOTALL))


OWN_PROVIDER: Final = Guide(ROOT / "docs" / "own-identity-provider.md", ("Step by step", "Programs"))
GOOGLE: Final = Guide(ROOT / "docs" / "oauth.md")
LEAVING: Final = Guide(GOOGLE.document, ("When people leave",))


@contextmanager
def own_provider(folder: Path, *, life_s: float, early_s: float) -> Iterator[Deployment]:
    """Deploy with the organisation's own provider. The arguments are those of `provider`."""
    address = f"http://127.0.0.1:{free_port()}"
    resources = [address, f"{address}/mcp", f"{address}/sse"]
    with (
        provider(resources, PEOPLE, life_s=life_s, early_s=early_s) as issuer,
        deployed(folder, address, issuer, OWN_PROVIDER) as running,
    ):
        yield running


@contextmanager
def sign_in_with_google(folder: Path, *, life_s: float) -> Iterator[Deployment]:
    """Deploy with Google. `life_s` is the life of the server's own access tokens, in seconds."""
    address = f"http://127.0.0.1:{free_port()}"
    program = (*SERVER_PROGRAM, str(life_s))
    with look_alike.google([f"{address}/oauth/callback/localhost"]) as google:
        given = {
            "MCP_PUBLIC_URL": address,
            "MCP_OAUTH_ISSUER": google.issuer,  # only this and the id and secret differ from the real one
            "MCP_OAUTH_CLIENT_ID": look_alike.CLIENT_ID,
            "MCP_OAUTH_CLIENT_SECRET": look_alike.CLIENT_SECRET,
        }
        with deployed(folder, address, google, GOOGLE, program=program, given=given) as running:
            yield running


@contextmanager
def deployed(
    folder: Path,
    address: str,
    issuer: Provider,
    guide: Guide,
    *,
    program: Sequence[str] = HTTP_DOOR,
    given: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Deployment]:
    """Do what a guide says, with the settings `given` in place of its own, and start `program`."""

    def filled(text: str) -> str:
        return text.replace(SERVER, address).replace(ISSUER, issuer.issuer)

    settings = {name: filled(value) for name, value in guide.settings().items()} | dict(given)
    settings |= {"MCP_IDENTITY_KEYS": IDENTITY_KEY, "MCP_DATABASE_URL": sqlite(folder)}
    for command in guide.commands():
        operator(filled(command), settings)
    with Process(program, PORT=address.rpartition(":")[2], **settings) as process:
        assert process.wait_until_ready() == address
        yield Deployment(address, issuer, settings, process)
