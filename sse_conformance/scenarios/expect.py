"""Expectations shared by several scenarios."""

import asyncio
import re
from typing import Any, Final

from sse_conformance.client import HTTPReply, NotConformingError
from sse_conformance.session import Session
from sse_conformance.verdict import NotApplicableError

MODERN: Final = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "sse-conformance", "version": "1"},
    }
}
"""Parameters of a request in the 2026-07-28 era, which clients of that era also send over this wire."""

METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
UNKNOWN_METHOD: Final = "conformance/no-such-method"
_TRACE: Final = re.compile(
    rb"""Traceback \(most recent|File (?:"|&quot;)[^"\n]+(?:"|&quot;), line"""  # Python
    rb"""|(?:\s|&nbsp;)at [^\n<]+:[0-9]+:[0-9]+"""  # JavaScript; frameworks show both as HTML, too
)


def served(status: int) -> bool:
    """Return whether a request was not refused."""
    return status < 400


def expect_refusal(reply: HTTPReply, what: str, *statuses: int) -> None:
    """Expect one of `statuses` and a body without a stack trace. Raises: NotConformingError."""
    if reply.status not in statuses:
        wanted = " or ".join(map(str, statuses))
        raise NotConformingError(f"{what} was answered {reply.status}, not {wanted}.")
    if _TRACE.search(reply.body):
        raise NotConformingError(f"{what} was refused with a stack trace.")


def expect_202(reply: HTTPReply, what: str) -> None:
    """Expect 202. Raises: NotConformingError."""
    if reply.status != 202:
        raise NotConformingError(f"{what} was answered {reply.status}, not 202.")


def error_code(response: dict[str, Any]) -> object:
    """Return the code of an error response, None for anything else."""
    error = response.get("error")
    return error.get("code") if isinstance(error, dict) else None


def declared_lists(initialized: dict[str, Any]) -> list[str]:
    """Return the list methods that the server declares in this `initialize` result."""
    capabilities = initialized.get("capabilities")
    declared = capabilities if isinstance(capabilities, dict) else {}
    return [f"{name}/list" for name in ("tools", "resources", "prompts") if name in declared]


def list_method(initialized: dict[str, Any]) -> str:
    """Return the first of `declared_lists`. Raises: NotApplicableError."""
    methods = declared_lists(initialized)
    if not methods:
        raise NotApplicableError("The server declares nothing that can be listed.")
    return methods[0]


async def talk(session: Session) -> None:
    """Send requests of several kinds, one by one and two at once, and wait for their responses."""
    for method in ("ping", "tools/list", "resources/list", "prompts/list", UNKNOWN_METHOD):
        await session.request(method)
    await session.request("tools/call", {"name": "conformance-no-such-tool", "arguments": {}})
    await asyncio.gather(session.request("ping"), session.request(UNKNOWN_METHOD))


async def harmless_request(session: Session) -> dict[str, Any]:
    """Return a request that changes nothing: a call of a read-only tool without required arguments, else a list."""
    method = list_method(await session.handshake("2025-06-18"))
    for tool in await tools(session) if method == "tools/list" else []:
        hints = tool.get("annotations")
        schema = tool.get("inputSchema")
        only_reads = isinstance(hints, dict) and hints.get("readOnlyHint") is True
        if only_reads and isinstance(schema, dict) and not schema.get("required"):
            return session.next_request("tools/call", {"name": tool.get("name"), "arguments": {}})
    return session.next_request(method)


async def tools(session: Session) -> list[dict[str, Any]]:
    """Return the first page of the tools. Raises: NotConformingError if it is not a list of objects."""
    listed = (await session.result("tools/list")).get("tools")
    if not isinstance(listed, list) or not all(isinstance(tool, dict) for tool in listed):
        raise NotConformingError("The result of tools/list has no list of tools.")
    return listed


async def start_listening(session: Session) -> dict[str, Any]:
    """Send `subscriptions/listen`, which runs until it is cancelled; return the request once it runs.

    Raises:
        NotApplicableError: the server does not offer it on this wire.
    """
    request = session.next_request("subscriptions/listen", {**MODERN, "notifications": {"toolsListChanged": True}})
    await session.send(request)
    await session.stream.until(
        lambda: acknowledged(session) or session.responses(request["id"]), "the response to subscriptions/listen"
    )
    if not acknowledged(session):
        raise NotApplicableError("The server has no request that is sure to run for long (subscriptions/listen).")
    return request


def acknowledged(session: Session) -> int:
    """Return how many times `subscriptions/listen` started to run."""
    method = "notifications/subscriptions/acknowledged"
    return sum(one.value.get("method") == method for one in session.stream.messages)
