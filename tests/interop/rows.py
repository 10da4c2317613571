"""Which clients are driven over which transport, and the revision that each must negotiate: the whole plan, as data.

One row is one version of a client, on one transport, in one of its modes of negotiation. Drivers are in `drivers`, pins
in `environments`. A new client is a pin, a line here and, for a library, a driver.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Wire = Literal["sse", "http"]
Home = Literal["python-v1", "python-v2", "python-v2.1", "converters", "judges", "node", "node-agents", "clients"]
"""Where a client is installed: a file of pins in `environments`, or `tests/clients`."""
WIRES: Final[tuple[Wire, ...]] = ("sse", "http")
PATHS: Final = MappingProxyType({"sse": "/sse", "http": "/mcp"})


@dataclass(frozen=True)
class Client:
    """A client in one of its modes, with the revisions that it negotiates over SSE and Streamable HTTP.

    A revision is None for a transport that the client does not have.
    """

    package: str
    home: Home
    driver: str
    mode: str | None
    over_sse: str | None
    over_http: str | None

    def over(self, wire: Wire) -> str | None:
        """Return the revision over a transport."""
        return {"sse": self.over_sse, "http": self.over_http}[wire]


@dataclass(frozen=True)
class Row:
    """One client on one transport."""

    client: Client
    wire: Wire

    @property
    def revision(self) -> str:
        """The revision that must be negotiated."""
        return str(self.client.over(self.wire))

    @property
    def refusal(self) -> str:
        """Text that a client shows when its key is wrong."""
        return REFUSALS.get((self.client.driver, self.wire), "401")

    @property
    def after_restart(self) -> str:
        """Pattern of the text that a client shows for its next call when the server was restarted."""
        return AFTER_RESTART.get((self.client.driver, self.revision, self.wire), self.served)

    @property
    def recovers(self) -> bool:
        """Whether a client is served again after a restart without connecting anew."""
        return self.after_restart == self.served

    @property
    def served(self) -> str:
        """What the result of the first call contains."""
        return "Connected" if self.connects_only else "stat1"

    @property
    def connects_only(self) -> bool:
        """Whether a client cannot list or call tools without a model."""
        return self.client.driver == "claude_code"

    def __str__(self) -> str:
        mode = f"-{self.client.mode}" if self.client.mode else ""
        return f"{self.client.package.lstrip('@').replace('/', '-')}-{self.client.home}{mode}-{self.wire}"


OLD, NEW = "2025-11-25", "2026-07-28"
# fmt: off
CLIENTS: Final = (
    #      package                             home         driver           mode      SSE  HTTP
    Client("mcp",                              "python-v1", "mcp_v1",        None,     OLD, OLD),
    Client("mcp",                              "python-v2", "mcp_v2",        "legacy", OLD, OLD),
    Client("mcp",                              "python-v2", "mcp_v2",        "auto",   NEW, NEW),
    Client("mcp",                              "python-v2", "mcp_v2",        NEW,      NEW, NEW),
    Client("@modelcontextprotocol/sdk",        "clients",   "typescript_v1", None,     OLD, OLD),
    Client("@modelcontextprotocol/client",     "clients",   "typescript_v2", "legacy", OLD, OLD),
    Client("@modelcontextprotocol/client",     "clients",   "typescript_v2", "auto",   NEW, NEW),
    Client("@modelcontextprotocol/client",     "clients",   "typescript_v2", NEW,      NEW, NEW),
    Client("@modelcontextprotocol/inspector",  "clients",   "inspector",     "legacy", OLD, OLD),
    Client("@modelcontextprotocol/inspector",  "clients",   "inspector",     "auto",   NEW, NEW),
    Client("mcp-remote",                       "node",      "mcp_remote",    None,     OLD, OLD),
    Client("supergateway",                     "node",      "supergateway",  None,     OLD, OLD),
    Client("mcp-proxy",                        "python-v1", "mcp_proxy",     None,     OLD, OLD),
    Client("fastmcp",                          "python-v2", "fastmcp",       "legacy", OLD, OLD),
    Client("fastmcp",                          "python-v2", "fastmcp",       "auto",   OLD, NEW),
    Client("langchain-mcp-adapters",           "python-v1", "langchain",     None,     OLD, OLD),
    Client("openai-agents",                    "python-v1", "openai_agents", None,     OLD, OLD),
    Client("pydantic-ai-slim",                 "python-v1", "pydantic_ai",   None,     OLD, OLD),
    Client("google-adk",                       "python-v2.1", "google_adk",  None,     OLD, OLD),
    Client("google-adk",                       "python-v2.1", "google_adk",  "modern", NEW, NEW),
    Client("smolagents",                       "python-v1", "smolagents",    None,     OLD, OLD),
    Client("autogen-ext",                      "python-v1", "autogen",       None,     OLD, OLD),
    Client("autogen-ext",                      "python-v1", "autogen_tools", "tools",  OLD, OLD),
    Client("mcp-use",                          "python-v1", "mcp_use",       None,     OLD, OLD),
    Client("llama-index-tools-mcp",            "python-v2", "llama_index",   None,     OLD, OLD),
    Client("strands-agents",                   "python-v2.1", "strands",     None,     NEW, NEW),
    Client("@ai-sdk/mcp",                      "node-agents", "ai_sdk.mjs",  None,     OLD, NEW),
    Client("@openai/agents",                   "node-agents", "openai_agents.mjs", None, OLD, NEW),
    Client("@langchain/mcp-adapters",          "node-agents", "langchain.mjs", None,   OLD, OLD),
    Client("@mastra/mcp",                      "node-agents", "mastra.mjs",  None,     None, NEW),
    Client("@mastra/mcp",                      "node-agents", "mastra.mjs",  "legacy", None, OLD),
    Client("mcporter",                         "node-agents", "mcporter",    None,     OLD, OLD),
    Client("@anthropic-ai/claude-code",        "node-agents", "claude_code", None,     OLD, NEW),
)
# fmt: on
UNMARKED: Final = frozenset({"smolagents"})
"""Drivers of clients that pass on the text of an error as if it were that of a result."""
ROWS: Final = tuple(Row(client, wire) for client in CLIENTS for wire in WIRES if client.over(wire))
ANNOUNCED: Final = MappingProxyType({"mcporter": "mcporter", "claude_code": "claude-code"})
"""Names that clients which do not tell their revision announce: the server's log has the revision."""

_OURS: Final = "This API key is not valid."
_NO_SIGN_IN: Final = "This server has no OAuth sign-in: check the API key that your client sends."
REFUSALS: Final = MappingProxyType({
    # The Python SDK since 2.0 does not show the status of a refused POST, but passes on the server's message.
    ("mcp_v2", "http"): _OURS,
    ("fastmcp", "http"): _OURS,
    ("google_adk", "http"): _OURS,
    ("llama_index", "http"): _OURS,
    ("strands", "http"): _OURS,
    # The TypeScript SDK shows the server's message in the text of a transport error; some clients add the status.
    ("ai_sdk.mjs", "sse"): _OURS,
    ("ai_sdk.mjs", "http"): _OURS,
    ("langchain.mjs", "http"): _OURS,
    ("typescript_v1", "http"): _OURS,
    # These treat every 401 as a request to sign in, and there is no authorization server.
    ("claude_code", "sse"): _NO_SIGN_IN,
    ("claude_code", "http"): _NO_SIGN_IN,
    ("mcp_remote", "sse"): _NO_SIGN_IN,
    ("mcp_remote", "http"): _NO_SIGN_IN,
    ("inspector", "sse"): "auth_required",
    ("inspector", "http"): "auth_required",
})  # fmt: skip

_LOST: Final = "Connection closed"
_CLOSED: Final = f"{_LOST}|ClosedResourceError"
_GONE: Final = "There is no such session|Session terminated"
_UNINITIALIZED: Final = "Invalid request parameters"
"""These open the stream again, but send no `initialize` over it."""
AFTER_RESTART: Final = MappingProxyType[tuple[str, str, Wire], str]({
    # driver          revision transport
    ("mcp_v1",        OLD, "sse"): _CLOSED,
    ("mcp_v1",        OLD, "http"): _GONE,
    ("mcp_v2",        OLD, "sse"): _CLOSED,
    ("mcp_v2",        NEW, "sse"): _CLOSED,
    ("mcp_v2",        OLD, "http"): _GONE,
    ("fastmcp",       OLD, "sse"): _CLOSED,
    ("fastmcp",       OLD, "http"): _GONE,
    ("langchain",     OLD, "sse"): _CLOSED,
    ("langchain",     OLD, "http"): _GONE,
    ("openai_agents", OLD, "sse"): _CLOSED,
    ("openai_agents", OLD, "http"): _GONE,
    ("pydantic_ai",   OLD, "sse"): _CLOSED,
    ("pydantic_ai",   OLD, "http"): _GONE,
    ("google_adk",    OLD, "http"): _GONE,
    ("smolagents",    OLD, "sse"): _CLOSED,
    ("smolagents",    OLD, "http"): _GONE,
    ("autogen",       OLD, "sse"): rf"^\s*$|{_LOST}",  # the text of a ClosedResourceError, or it noticed only now
    ("autogen",       OLD, "http"): _GONE,
    ("mcp_use",       OLD, "sse"): f"{_UNINITIALIZED}|{_LOST}",  # of the reopened stream, or it noticed only now
    ("mcp_use",       OLD, "http"): _GONE,
    ("strands",       NEW, "sse"): _CLOSED,
    ("mcp_proxy",     OLD, "sse"): "^$",
    ("mcp_proxy",     OLD, "http"): _GONE,
    ("ai_sdk.mjs",    OLD, "sse"): "Not connected",
    ("langchain.mjs", OLD, "http"): _GONE,
    ("mastra.mjs",    OLD, "http"): _GONE,
    ("typescript_v1", OLD, "http"): _GONE,
    ("typescript_v2", OLD, "http"): _GONE,
    ("supergateway",  OLD, "sse"): f"{_GONE}|{_UNINITIALIZED}",  # of the session, or of its reopened stream
    ("supergateway",  OLD, "http"): _GONE,
})  # fmt: skip
