"""Which clients sign in over which transport, and what each does when it needs another scope.

`python -m tests.interop.sign_in.rows` prints the table of the document.
"""

from dataclasses import dataclass
from importlib import metadata
from typing import Final

from tests.interop import environments
from tests.interop.rows import PATHS, Home, Wire
from tests.interop.sign_in.clients import Connect, mcp_remote, python, typescript

HEAD: Final = """\
| client | version | transport | signs in, renews its token | when it needs another scope |
|---|---|---|---|---|
"""
_TRANSPORTS: Final = {"http": "Streamable HTTP", "sse": "SSE"}


@dataclass(frozen=True)
class SignIn:
    """One client on one transport."""

    package: str
    home: Home | None
    """Where it is installed; None for the tests' own Python."""
    connect: Connect
    wire: Wire
    refusal: str = ""
    """Text that the client shows instead of signing in once more; empty if it does sign in."""

    @property
    def path(self) -> str:
        """The path of its resource."""
        return PATHS[self.wire]

    @property
    def version(self) -> str:
        """The pinned version."""
        return environments.version(self.package, self.home) if self.home else metadata.version(self.package)

    def __str__(self) -> str:
        return f"{self.package.lstrip('@').replace('/', '-')}-{self.wire}"


V1, V2, REMOTE = "@modelcontextprotocol/sdk", "@modelcontextprotocol/client", "mcp-remote"
_TRIED: Final = "Server returned 403 after trying upscoping"
_ERROR: Final = "Error POSTing to endpoint (HTTP 403)"
"""To the transports of TypeScript for SSE, a 403 is an error like any other."""
# fmt: off
ROWS: Final = (
    SignIn("mcp",  None,      python,           "http"),
    SignIn("mcp",  None,      python,           "sse"),
    SignIn(V1,     "clients", typescript("v1"), "http", _TRIED),
    SignIn(V1,     "clients", typescript("v1"), "sse",  _ERROR),
    SignIn(V2,     "clients", typescript("v2"), "http"),
    SignIn(V2,     "clients", typescript("v2"), "sse",  _ERROR),
    SignIn(REMOTE, "node",    mcp_remote,       "http"),
    SignIn(REMOTE, "node",    mcp_remote,       "sse",  _ERROR),
)
# fmt: on


def table() -> str:
    """Return the table of docs/interop.md."""

    def line(row: SignIn) -> str:
        shown = f"`{row.refusal}`" if row.refusal else "signs in again and repeats the call"
        return f"| `{row.package}` | {row.version} | {_TRANSPORTS[row.wire]} | ✓ | {shown} |\n"

    return HEAD + "".join(map(line, ROWS))


if __name__ == "__main__":
    print(table(), end="")
