"""Receives an MCP client over STDIO while the server is still being set up. Pure.

What can be answered without the server is answered at once, exactly as the server would: `initialize`, `ping`,
`server/discover` and the list of tools, from the file `opening.json`, which `python3 run.py renew` writes and a test
compares with the server. Only whose tickets these are is said later, in the first result. Everything else waits for the
server, but not longer than a client does: then it is answered that nothing was done, and it never runs.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

Message = dict[str, Any]
OPENING: Final = Path(__file__).with_name("opening.json")
LONGEST_WAIT_S: Final = 20.0
"""How long a request waits for the server; clients give up after 30 s or more."""
MOST_WAITING: Final = 100
_INTERNAL_ERROR: Final = -32603
_META: Final = "io.modelcontextprotocol/"


class _Waiting(NamedTuple):
    message: Message
    until: float


class WaitingRoom:
    """One client's conversation until the server takes over.

    Args:
        opening: what the server answers; see `read_opening`.
        read_only: leave out the tools that write.
    """

    def __init__(self, opening: Mapping[str, Any], *, read_only: bool = False) -> None:
        self._opening = opening
        self._read_only = read_only
        self._handshake: list[Message] = []
        """The client's `initialize`, once it was answered, and `notifications/initialized`."""
        self._is_modern: bool | None = None
        """Whether the first request was of a revision without a handshake, which a server goes by; None before it."""
        self._waiting: list[_Waiting] = []

    def receive(self, message: Message, now: float) -> Message | None:
        """Return the response to `message`; None if it has none, or waits. `now` is in seconds."""
        method = message.get("method")
        if "id" not in message or method is None:
            self._note(message)
            return None
        result = self._result(method, message.get("params") or {}, message)
        if result is not None:
            return {"jsonrpc": "2.0", "id": message["id"], "result": result}
        if len(self._waiting) >= MOST_WAITING:
            return _refused(message, "Too many calls are waiting for the server. Nothing was changed; ask again later.")
        self._waiting.append(_Waiting(message, now + LONGEST_WAIT_S))
        return None

    @property
    def next_due(self) -> float | None:
        """When the first waiting request must be answered; None if none waits."""
        return self._waiting[0].until if self._waiting else None

    def overdue(self, now: float, step: str) -> list[Message]:
        """Return the responses to the requests that have waited too long. `step` says how far the set-up is."""
        late = [waiting for waiting in self._waiting if waiting.until <= now]
        self._waiting = self._waiting[len(late) :]
        return [_refused(waiting.message, still(step)) for waiting in late]

    def refuse_all(self, text: str) -> list[Message]:
        """Return a response with `text` to every waiting request."""
        refused = [_refused(waiting.message, text) for waiting in self._waiting]
        self._waiting = []
        return refused

    def hand_over(self) -> tuple[list[Message], list[Message]]:
        """Return the handshake, to be repeated to the server, and the requests that wait, in their order."""
        waiting, self._waiting = self._waiting, []
        return self._handshake, [one.message for one in waiting]

    def _note(self, message: Message) -> None:
        """Keep what a notification changes; a response of the client answers nothing that was asked."""
        if message.get("method") == "notifications/initialized" and len(self._handshake) == 1:
            self._handshake.append(message)
        elif message.get("method") == "notifications/cancelled":
            cancelled = (message.get("params") or {}).get("requestId")
            self._waiting = [one for one in self._waiting if not _same(one.message["id"], cancelled)]

    def _result(self, method: str, params: Message, message: Message) -> Message | None:
        """Return what the server would certainly answer."""
        if self._is_modern is None:
            self._is_modern = f"{_META}protocolVersion" in (params.get("_meta") or {})
        if self._is_modern:
            return self._modern_result(method, params)
        if method == "ping":
            return {}
        if method == "initialize" and not self._handshake and _is_whole_handshake(params):
            self._handshake.append(message)
            wanted, served = params["protocolVersion"], self._opening["revisions"]
            return self._presented(self._opening["initialize"]) | {
                "protocolVersion": wanted if wanted in served else served[-1]
            }
        if method == "tools/list" and self._handshake and params.get("cursor") is None:
            return self._listed(self._opening[method])
        return None

    def _modern_result(self, method: str, params: Message) -> Message | None:
        if not _is_whole_envelope(params):
            return None
        if method == "tools/list" and params.get("cursor") is None:
            return self._listed(self._opening["modern"][method])
        return self._presented(self._opening["modern"][method]) if method == "server/discover" else None

    def _presented(self, server: Message) -> Message:
        return {**server, **(self._opening["read only"] if self._read_only else {})}

    def _listed(self, result: Message) -> Message:
        tools = (tool for tool in result["tools"] if tool["annotations"]["readOnlyHint"] or not self._read_only)
        return {**result, "tools": list(tools)}


def read_opening() -> dict[str, Any]:
    """Return what the server answers at the beginning of a conversation."""
    opening: dict[str, Any] = json.loads(OPENING.read_text("utf-8"))
    return opening


def still(step: str) -> str:
    """Return what a model and a person read when a call came too early."""
    return f"Still being set up ({step}). Nothing was changed; ask again in a minute."


def _refused(message: Message, text: str) -> Message:
    said = {"kind": "setting_up"}
    response = {"jsonrpc": "2.0", "id": message["id"]}
    if message["method"] != "tools/call":
        return {**response, "error": {"code": _INTERNAL_ERROR, "message": text, "data": said}}
    result = {
        "content": [{"type": "text", "text": text}],
        "structuredContent": {"error": {**said, "message": text}},
        "isError": True,
    }
    modern = {"resultType": "complete"} if _is_whole_envelope(message.get("params") or {}) else {}
    return {**response, "result": {**result, **modern}}


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _is_whole_handshake(params: Message) -> bool:
    return (
        isinstance(params.get("protocolVersion"), str)
        and isinstance(params.get("capabilities"), dict)
        and _is_client(params.get("clientInfo"))
    )


def _is_whole_envelope(params: Message) -> bool:
    """Return whether a request is one of 2026-07-28."""
    meta = params.get("_meta") or {}
    return (
        meta.get(f"{_META}protocolVersion") == "2026-07-28"
        and isinstance(meta.get(f"{_META}clientCapabilities"), dict)
        and (f"{_META}clientInfo" not in meta or _is_client(meta[f"{_META}clientInfo"]))
    )


def _is_client(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("name", "version"))
