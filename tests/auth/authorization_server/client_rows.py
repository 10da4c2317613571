"""What is known of clients that people use: their documents, registrations, redirect addresses and habits.

Written from what their vendors publish and from requests that others saw, as of November 2026; nothing of it is fetched
from them here. So the tests prove that this reading of them works.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_CODE: Final[Mapping[str, Any]] = {
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
}
_PUBLIC: Final[Mapping[str, Any]] = {**_CODE, "token_endpoint_auth_method": "none"}


@dataclass(frozen=True, kw_only=True)
class ClientRow:
    """One client."""

    name: str
    shown: str
    """Its name on the consent page."""
    redirects: tuple[str, ...]
    """Addresses at which it may wait, with the ports that it got."""
    neighbour: str
    """An address like one of these that is not its own."""
    documents: tuple[Mapping[str, Any], ...] = ()
    """Its metadata documents, each at the address that is its `client_id`."""
    registration: Mapping[str, Any] | None = None
    """What it sends to register, with the redirect addresses of that moment."""
    asks: Mapping[str, str] | None = None
    """Further parameters of its authorization requests."""
    address: str = "203.0.113.5"
    """Where its own requests come from."""
    keeps_cookies: bool = True
    """Whether its browser still has our cookie after the identity provider."""

    def __str__(self) -> str:
        return self.name


CLAUDE: Final = ("https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback")
CHATGPT: Final = "https://chatgpt.com/connector_platform_oauth_redirect"
CHATGPT_ONE: Final = "https://chatgpt.com/connector/oauth/ig2N09X8ZQ6D"
GROK: Final = (
    "https://grok.com/connectors-oauth-exchange-code/",
    "https://console.x.ai/connectors-oauth-exchange-code/",
)
PERPLEXITY: Final = "https://www.perplexity.ai/rest/connections/oauth_callback"
_CHATGPT_METHODS: Final[Mapping[str, Any]] = {
    "client_name": "ChatGPT",
    "client_uri": "https://chatgpt.com/",
    "token_endpoint_auth_method": "private_key_jwt",
    "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
    "token_endpoint_auth_signing_alg": "RS256",
    "jwks_uri": "https://chatgpt.com/oauth/jwks.json",
}
_CURSOR: Final = (
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
)

ROWS: Final = (
    ClientRow(
        name="claude.ai",
        shown="Claude",
        redirects=CLAUDE,
        neighbour="https://claude.ai/api/mcp/auth_callback/",
        documents=(
            {
                "client_id": "https://claude.ai/oauth/mcp-oauth-client-metadata",
                "client_name": "Claude",
                "client_uri": "https://claude.ai",
                "redirect_uris": [*CLAUDE],
                **_PUBLIC,
            },
        ),
        registration={
            "client_name": "Claude",
            "redirect_uris": [*CLAUDE],
            "token_endpoint_auth_method": "client_secret_post",
            **_CODE,
        },
        asks={"scope": " offline_access"},
        address="160.79.104.10",
    ),
    ClientRow(
        name="Claude Code",
        shown="Claude Code",
        redirects=("http://localhost:54545/callback", "http://127.0.0.1:61000/callback"),
        neighbour="http://localhost:54545/oauth/callback",
        documents=(
            {
                "client_id": "https://claude.ai/oauth/claude-code-client-metadata",
                "client_name": "Claude Code",
                "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
                **_PUBLIC,
            },
        ),
        asks={"scope": "tickets:read tickets:write offline_access"},
    ),
    ClientRow(
        name="ChatGPT",
        shown="ChatGPT",
        redirects=(CHATGPT_ONE, CHATGPT),
        neighbour="https://chatgpt.com/connector/oauth/anotherOne",
        documents=(
            {
                "client_id": "https://chatgpt.com/oauth/ig2N09X8ZQ6D/client.json",
                "redirect_uris": [CHATGPT_ONE, CHATGPT],
                **_CODE,
                **_CHATGPT_METHODS,
            },
        ),
        registration={
            "client_name": "ChatGPT",
            "redirect_uris": [CHATGPT_ONE, CHATGPT],
            "token_endpoint_auth_method": "client_secret_basic",
            **_CODE,
        },
    ),
    ClientRow(
        name="Codex",
        shown="Codex",
        redirects=("http://127.0.0.1:51234/callback", "http://localhost:1455/callback"),
        neighbour="http://127.0.0.1.codex.example:51234/callback",
        documents=(
            {
                "client_id": "https://chatgpt.com/oauth/codex/client.json",
                "client_name": "Codex",
                "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
                **_PUBLIC,
            },
        ),
        registration={
            "client_name": "Codex",
            "redirect_uris": ["http://127.0.0.1:51234/callback", "http://localhost:1455/callback"],
            **_PUBLIC,
        },
    ),
    ClientRow(
        name="VS Code",
        shown="Visual Studio Code",
        redirects=("http://127.0.0.1:33418/", "http://127.0.0.1:50321/", "https://vscode.dev/redirect"),
        neighbour="https://vscode.dev/redirect2",
        documents=(
            {
                "client_id": "https://vscode.dev/oauth/client-metadata.json",
                "client_name": "Visual Studio Code",
                "client_uri": "https://vscode.dev/product",
                "redirect_uris": ["http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
                "application_type": "native",
                **_PUBLIC,
                "grant_types": [*_CODE["grant_types"], "urn:ietf:params:oauth:grant-type:device_code"],
            },
        ),
        registration={
            "client_name": "Visual Studio Code",
            "client_uri": "https://code.visualstudio.com",
            "redirect_uris": [
                "https://insiders.vscode.dev/redirect",
                "https://vscode.dev/redirect",
                "http://127.0.0.1/",
                "http://127.0.0.1:33418/",
            ],
            "application_type": "native",
            **_PUBLIC,
            "grant_types": [*_CODE["grant_types"], "urn:ietf:params:oauth:grant-type:device_code"],
        },
    ),
    ClientRow(
        name="Copilot CLI",
        shown="GitHub Copilot CLI",
        redirects=("http://127.0.0.1:45999/", "http://127.0.0.1:33418/"),
        neighbour="http://localhost:33418/",
        documents=(
            {
                "client_id": "https://github.com/copilot/cli/client-metadata.json",
                "client_name": "GitHub Copilot CLI",
                "redirect_uris": ["http://127.0.0.1:33418/"],
                **_PUBLIC,
            },
        ),
    ),
    ClientRow(
        name="Cursor",
        shown="Cursor",
        redirects=_CURSOR,
        neighbour="cursor://anysphere.cursor-mcp/oauth/callback2",
        registration={"client_name": "Cursor", "redirect_uris": [*_CURSOR], **_PUBLIC},
    ),
    ClientRow(
        name="Gemini CLI",
        shown="Gemini CLI MCP Client",
        redirects=("http://localhost:7777/oauth/callback", "http://localhost:65290/oauth/callback"),
        neighbour="http://localhost:7777/oauth/callback?next=https://evil.example",
        registration={
            "client_name": "Gemini CLI MCP Client",
            "redirect_uris": ["http://localhost:7777/oauth/callback"],
            "scope": "",
            **_PUBLIC,
        },
    ),
    ClientRow(
        name="Goose",
        shown="goose",
        redirects=("http://127.0.0.1:40123/oauth_callback", "http://[::1]:40123/oauth_callback"),
        neighbour="http://localhost:40123/oauth_callback",
        documents=(
            {
                "client_id": "https://goose-docs.ai/oauth/client-metadata.json",
                "client_name": "goose",
                "redirect_uris": ["http://127.0.0.1/oauth_callback", "http://[::1]/oauth_callback"],
                "code_challenge_methods_supported": ["S256"],
                **_PUBLIC,
            },
        ),
    ),
    ClientRow(
        name="Grok",
        shown="Grok",
        redirects=GROK,
        neighbour="https://grok.com/connectors-oauth-exchange-code",
        documents=(
            {
                "client_id": "https://grok.com/oauth/mcp-client.json",
                "client_name": "Grok",
                "client_uri": "https://grok.com",
                "redirect_uris": [*GROK],
                **_PUBLIC,
            },
        ),
        registration={"client_name": "Grok", "redirect_uris": [*GROK], **_PUBLIC},
    ),
    ClientRow(
        name="Inspector",
        shown="MCP Inspector",
        redirects=("http://localhost:6274/oauth/callback/debug", "http://localhost:6274/oauth/callback"),
        neighbour="http://localhost:6274/oauth/callback/debug/",
        registration={
            "client_name": "MCP Inspector",
            "client_uri": "https://github.com/modelcontextprotocol/inspector",
            "redirect_uris": ["http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"],
            "scope": "tickets:read tickets:write",
            **_PUBLIC,
        },
    ),
    ClientRow(
        name="mcp-remote",
        shown="MCP CLI Proxy",
        redirects=("http://localhost:3334/oauth/callback", "http://localhost:19101/oauth/callback"),
        neighbour="http://127.0.0.1:3334/oauth/callback",
        registration={
            "client_name": "MCP CLI Proxy",
            "redirect_uris": ["http://localhost:3334/oauth/callback"],
            "application_type": "native",
            "software_id": "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
            "software_version": "0.15.1",
            **_PUBLIC,
        },
        asks={"prompt": "consent", "scope": "tickets:read offline_access"},
    ),
    ClientRow(
        name="Antigravity",
        shown="Antigravity",
        redirects=("https://antigravity.google/oauth-callback",),
        neighbour="https://antigravity.google.example/oauth-callback",
        registration={
            "client_name": "Antigravity",
            "redirect_uris": ["https://antigravity.google/oauth-callback"],
            **_PUBLIC,
        },
    ),
    ClientRow(
        name="OpenCode",
        shown="OpenCode",
        redirects=("http://127.0.0.1:19876/mcp/oauth/callback",),
        neighbour="http://127.0.0.1:19876/mcp/oauth",
        registration={  # without application_type
            "client_name": "OpenCode",
            "client_uri": "https://opencode.ai",
            "redirect_uris": ["http://127.0.0.1:19876/mcp/oauth/callback"],
            **_PUBLIC,
        },
    ),
    ClientRow(
        name="Perplexity",
        shown="Perplexity",
        redirects=(PERPLEXITY,),
        neighbour="https://www.perplexity.ai.example/rest/connections/oauth_callback",
        registration={"client_name": "Perplexity", "redirect_uris": [PERPLEXITY], **_PUBLIC},
        keeps_cookies=False,
    ),
)
