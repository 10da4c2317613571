"""Which revision the Python SDK before 2.0 negotiated, for clients on it that do not show it."""

from typing import Any

from mcp import ClientSession


def watch() -> list[str]:
    """Return a list that grows by the revision of each session that is initialized from now on."""
    revisions: list[str] = []
    initialize: Any = ClientSession.initialize

    async def watched(session: ClientSession) -> Any:
        greeted = await initialize(session)
        revisions.append(str(greeted.protocolVersion))
        return greeted

    ClientSession.initialize = watched  # type: ignore[assignment,method-assign]
    return revisions
