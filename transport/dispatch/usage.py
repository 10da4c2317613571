"""Counts who uses which wire, so that an operator knows whom the end of one would cut off.

Clients name themselves, so names are cut, cleaned and bounded here before they become labels or log fields. Besides
the counter there is a log line `usage` for each wire, revision and client every few minutes: nothing has to scrape
anything, and the logs of several instances add up. Nothing else of a message is looked at.
"""

import re
from collections import Counter as Tally
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp_types import CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY, JSONRPCRequest
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from shared.labels import OTHER, Names
from shared.periodic import periodic_task
from shared.telemetry import Counter, get_logger
from transport.dispatch.sdk_kernel import is_modern
from transport.sessions.session import SessionRecord

log = get_logger(__name__)

REPORT_S: Final = 300.0
"""Seconds between two summaries."""
MAX_NAME: Final = 40
MAX_NAMES: Final = 50
"""Distinct names that one process tells apart; any further one is `other`."""
UNKNOWN: Final = "unknown"
_Labels = tuple[str, str, str]
"""Wire, revision and client."""


class Usage:
    """Counts sessions and requests by wire, revision and client.

    Args:
        counter: counts `mcp_clients`: sessions as they are initialized, and requests of 2026-07-28, which has none.
    """

    def __init__(self, counter: Counter | None = None) -> None:
        self._counter = counter
        self._names = Names(MAX_NAMES)
        self._sessions: Tally[_Labels] = Tally()
        self._requests: Tally[_Labels] = Tally()

    def served(self, request: JSONRPCRequest, session: SessionRecord | None, *, wire: str) -> None:
        """Count a request that was served; after `initialize` the session's record says by whom."""
        stands_alone = session is None or is_modern(request)
        if session is None or stands_alone:
            said = (request.params or {})["_meta"]
            revision, client_info = said[PROTOCOL_VERSION_META_KEY], said.get(CLIENT_INFO_META_KEY)
        else:
            revision, client_info = session.version, (session.client_params or {}).get("clientInfo")
        labels = wire, revision_of(revision), self._names.label(name_of(client_info))
        self._requests[labels] += 1
        if request.method == "initialize" and session is not None:
            self._sessions[labels] += 1
            log.info("session_initialized", **_named(labels), principal=session.owner[1])
        if self._counter is not None and (stands_alone or request.method == "initialize"):
            self._counter.count("mcp_clients", **_named(labels))

    def report(self) -> None:
        """Log what was counted since the last time; nothing when there was nothing."""
        sessions, requests = self._sessions, self._requests
        self._sessions, self._requests = Tally(), Tally()
        for labels, count in sorted(requests.items()):
            log.info("usage", **_named(labels), sessions=sessions[labels], requests=count)

    @asynccontextmanager
    async def run(self, *, every_s: float = REPORT_S) -> AsyncGenerator[None]:
        """Report from time to time, and at the end."""
        async with periodic_task(self.report, name="report_usage", every_s=every_s, at_exit=self.report):
            yield


def _named(labels: _Labels) -> dict[str, str]:
    return dict(zip(("wire", "revision", "client"), labels, strict=True))


def name_of(client_info: Any) -> str:
    """Return the name in a client's `clientInfo`: 1 to 40 signs of printable ASCII, whatever was sent."""
    name = client_info.get("name") if isinstance(client_info, dict) else None
    if not isinstance(name, str):
        return UNKNOWN
    return re.sub(r"[^ -~]", "?", name[:MAX_NAME]).strip() or UNKNOWN


def revision_of(version: Any) -> str:
    """Return a revision that is known, or a word for any other."""
    if version is None:
        return UNKNOWN
    return version if version in KNOWN_PROTOCOL_VERSIONS else OTHER
