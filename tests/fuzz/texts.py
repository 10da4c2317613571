"""Builds the messages that steps name. Pure."""

from collections.abc import Callable
from typing import Any, Final

from tests.fuzz.steps import MODERN
from tests.transport.sse_client import initialize_params

Json = dict[str, Any]

ENVELOPE: Final[Json] = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}

_CALLS: Final[dict[str, Callable[[str], Json]]] = {
    "echo": lambda mark: {"text": mark},
    "read": lambda mark: {"gate": mark},
    "write": lambda mark: {"gate": mark},
    "stubborn": lambda mark: {"gate": mark},
    "report": lambda _: {"steps": 3},
    "fill": lambda _: {"size": 15_000},
    "ask": lambda _: {},
    "whoami": lambda _: {},
    "unknown tool": lambda mark: {"text": mark},
    "nonsense": lambda _: {"steps": "x", "text": 5, "gate": None, "size": []},
}
_REQUESTS: Final[dict[str, tuple[str, Json | None]]] = {
    "discover": ("server/discover", None),
    "listen": ("subscriptions/listen", {"notifications": {"toolsListChanged": True}}),
    "tools": ("tools/list", {"cursor": "no such page"}),
    "prompts": ("prompts/list", None),
    "ping": ("ping", {}),
    "level": ("logging/setLevel", {"level": "debug"}),
    "complete": ("completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": 5}}),
    "resource": ("resources/read", {"uri": "test://nothing"}),
    "no method": ("no/such\nmethod", {"x": [None, 1.5]}),
}
WAITS: Final = frozenset({"ask", "listen"})
"""Requests that do not end by themselves."""
NOTIFICATIONS: Final = frozenset({"initialized", "cancel", "progress", "roots", "answer", "refuse", "forged answer"})


def request(kind: str, request_id: Any, mark: str, *, version: str) -> Json:
    """Return the request named `kind`, with `mark` in everything it repeats."""
    message: Json = {"jsonrpc": "2.0", "id": request_id}
    if kind == "initialize":
        capabilities: Json = {"capabilities": {"elicitation": {}}}
        return message | {"method": "initialize", "params": initialize_params(version) | capabilities}
    if kind in _REQUESTS:
        method, params = _REQUESTS[kind]
        return message | {"method": method} | ({} if params is None else {"params": params})
    tool = "no such tool" if kind == "unknown tool" else "report" if kind == "nonsense" else kind
    params = {"name": tool, "arguments": _CALLS[kind](mark), "_meta": {"progressToken": mark}}
    return message | {"method": "tools/call", "params": params}


def notification(kind: str, target: Any, mark: str) -> Json:
    """Return the message named `kind` that expects no response; `target` is the id it refers to."""
    about: dict[str, Json] = {
        "initialized": {"method": "notifications/initialized"},
        "cancel": {"method": "notifications/cancelled", "params": {"requestId": target}},
        "progress": {"method": "notifications/progress", "params": {"progressToken": target, "progress": 1}},
        "roots": {"method": "notifications/roots/list_changed", "params": None},
        "answer": {"id": target, "result": {"action": "accept", "content": {"colour": mark}}},
        "refuse": {"id": target, "error": {"code": -1, "message": "no"}},
        "forged answer": {"id": "deadbeef:1", "result": {}},
    }
    return {"jsonrpc": "2.0"} | about[kind]


def modern(message: Json) -> Json:
    """Return `message` in the envelope of 2026-07-28."""
    params = message.get("params") or {}
    return message | {"params": params | {"_meta": {**params.get("_meta", {}), **ENVELOPE}}}


def modern_headers(message: Json) -> dict[str, str]:
    """Return the headers that repeat parts of `message`."""
    if "method" not in message:
        return {"MCP-Protocol-Version": MODERN}
    params = message.get("params") or {}
    name = params.get("name", params.get("uri"))
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": message["method"].replace("\n", " ")}
    return headers if name is None else headers | {"Mcp-Name": name}
