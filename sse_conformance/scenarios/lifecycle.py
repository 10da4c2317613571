"""The lifecycle chapter of 2024-11-05: `initialize`, the negotiated revision, and what must not precede them.

Source: modelcontextprotocol.io/specification/2024-11-05/basic/lifecycle, and …/basic/utilities/ping
"""

from typing import Final

from sse_conformance.client import Client, NotConformingError
from sse_conformance.scenarios.expect import INVALID_PARAMS, METHOD_NOT_FOUND, error_code, tools
from sse_conformance.session import initialize_params, open_session
from sse_conformance.verdict import Level, scenario

HANDSHAKE_REVISIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
_INITIALIZATION: Final = "lifecycle, Initialization"
_NEGOTIATION: Final = "lifecycle, Version Negotiation"
_UNKNOWN: Final = "1999-12-31"


@scenario(Level.MUST, _INITIALIZATION)
async def initialize(client: Client) -> None:
    """`initialize` returns the server's revision, capabilities and information."""
    session = await open_session(client, None)
    result = await session.initialize()
    info = result.get("serverInfo")
    if not isinstance(result.get("protocolVersion"), str):
        raise NotConformingError("The result of initialize has no protocolVersion.")
    if not isinstance(result.get("capabilities"), dict):
        raise NotConformingError("The result of initialize has no capabilities.")
    if not isinstance(info, dict) or not all(isinstance(info.get(name), str) for name in ("name", "version")):
        raise NotConformingError("The result of initialize has no serverInfo with name and version.")


@scenario(Level.MUST, _NEGOTIATION)
async def supported_revision_is_echoed(client: Client) -> None:
    """A revision that the server itself offers is confirmed with the same revision."""
    offered = {await _negotiated(client, revision) for revision in (*HANDSHAKE_REVISIONS, _UNKNOWN)}
    for revision in sorted(offered - {None, _UNKNOWN}, key=str):
        got = await _negotiated(client, str(revision))
        if got != revision:
            raise NotConformingError(f"The server offers {revision}, but answers it with {got}.")


@scenario(Level.MUST, _NEGOTIATION)
async def unknown_revision_is_answered(client: Client) -> None:
    """An unknown revision gets one that the server supports (or the error that the chapter shows)."""
    got = await _negotiated(client, _UNKNOWN)
    if got == _UNKNOWN:
        raise NotConformingError(f"The server agreed to {_UNKNOWN}, which never was a revision.")


@scenario(Level.SHOULD, _NEGOTIATION)
async def unknown_revision_gets_the_latest(client: Client) -> None:
    """An unknown revision gets the latest one that the server supports."""
    latest = [one for one in HANDSHAKE_REVISIONS if await _negotiated(client, one) == one][-1:]
    got = await _negotiated(client, _UNKNOWN)
    if [got] != latest:
        raise NotConformingError(f"The server answered {got}, and supports {', '.join(latest) or 'none we know'}.")


async def _negotiated(client: Client, revision: str) -> str | None:
    """Return the revision in the server's response, None for the error that the chapter shows."""
    session = await open_session(client, None)
    response = await session.request("initialize", initialize_params(revision))
    await session.close()
    result = response.get("result")
    version = result.get("protocolVersion") if isinstance(result, dict) else None
    if isinstance(version, str):
        return version
    if error_code(response) != INVALID_PARAMS:
        raise NotConformingError(f"initialize with {revision} was answered with neither a revision nor error -32602.")
    return None


@scenario(Level.SHOULD, _INITIALIZATION)
async def nothing_is_asked_before_initialized(client: Client) -> None:
    """Before `initialized` the server sends no requests except pings."""
    session = await open_session(client, None)
    await session.initialize()
    await session.settle()
    asked = {str(one.value["method"]) for one in session.stream.messages if "method" in one.value and "id" in one.value}
    if asked - {"ping"}:
        raise NotConformingError(f"The server sent {', '.join(sorted(asked - {'ping'}))} before initialized.")


@scenario(Level.MUST, "server/tools, Capabilities")
async def tools_are_declared(client: Client) -> None:
    """A server that has tools declares them, and a server that declares them lists them."""
    session = await open_session(client, None)
    capabilities = (await session.handshake()).get("capabilities")
    if isinstance(capabilities, dict) and "tools" in capabilities:
        await tools(session)
    elif error_code(await session.request("tools/list")) != METHOD_NOT_FOUND:
        raise NotConformingError("The server knows tools/list, but declares no tools.")


@scenario(Level.MUST, "utilities/ping")
async def ping(client: Client) -> None:
    """A ping returns an empty result before, during and after the handshake."""
    session = await open_session(client, None)
    for stage in ("before initialize", "before initialized", "after initialized"):
        response = await session.request("ping")
        if response.get("result") != {}:
            raise NotConformingError(f"A ping {stage} was not answered with an empty result.")
        if stage == "before initialize":
            await session.initialize()
        elif stage == "before initialized":
            await session.notify("notifications/initialized")
