"""Counts which clients use which wire, so that an operator knows which ones the end of one would cut off.

Clients name themselves, so names are cut, cleaned and bounded here before they become labels or log fields. Besides
the counter there is a log line `usage` for each wire, revision and client every few minutes: nothing has to scrape
anything, and the logs of several instances add up. Nothing else of a message is looked at.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from mcp_types import CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from shared.counting import OTHER, BoundedLabels, Counter
from shared.json_rpc import JSONRPCRequest
from shared.periodic import periodic_task
from shared.telemetry import get_logger
from transport.sessions.session import SessionRecord

log = get_logger(__name__)

REPORT_S: Final = 300.0
"""Seconds between two summaries."""
MAX_NAME: Final = 40
MAX_NAMES: Final = 50
"""Distinct names that one process tells apart; any further one is `other`."""
UNKNOWN: Final = "unknown"
_UNPRINTABLE: Final = re.compile(r"[^ -~]")
_Labels = tuple[str, str, str]
"""Wire, revision and client."""


@dataclass(slots=True, eq=False)
class ClientTally:
    """What clients of one wire, revision and name did since the last summary."""

    labels: Mapping[str, str]
    """`wire`, `revision` and `client`, for counters and log lines."""
    sessions: int = 0
    requests: int = 0


class Usage:
    """Counts sessions and requests by wire, revision and client.

    Args:
        counter: counts `mcp_clients`: sessions as they are initialized, and requests that belong to none.
    """

    def __init__(self, counter: Counter | None = None) -> None:
        self._clients = None if counter is None else counter.labelled("mcp_clients", "wire", "revision", "client")
        self._names = BoundedLabels(MAX_NAMES)
        self._tallies: dict[_Labels, ClientTally] = {}

    def client_of(self, session: SessionRecord) -> ClientTally:
        """Return the tally of the client of a session, to which each request that is served is added."""
        name = self._names.label(name_of((session.client_params or {}).get("clientInfo")))
        return self._tally((session.wire, revision_of(session.version), name))

    def initialized(self, session: SessionRecord) -> ClientTally:
        """Count a session that was just initialized; return the tally of its client."""
        client = self.client_of(session)
        client.sessions += 1
        client.requests += 1
        log.info("session_initialized", **client.labels, principal=session.owner[1])
        if self._clients is not None:
            self._clients.add(*client.labels.values())
        return client

    def client_alone(self, request: JSONRPCRequest, *, wire: str, revision: str | None = None) -> ClientTally:
        """Return the tally of the client of a request of no session, which may still be refused.

        One of 2026-07-28 says who sent it, of another `revision` nothing is known.
        """
        meta = (request.params or {}).get("_meta") if revision is None else {PROTOCOL_VERSION_META_KEY: revision}
        meta = meta if isinstance(meta, dict) else {}
        name = self._names.label(name_of(meta.get(CLIENT_INFO_META_KEY)))
        return self._tally((wire, revision_of(meta.get(PROTOCOL_VERSION_META_KEY)), name))

    def stands_alone(self, client: ClientTally) -> None:
        """Count a request of no session that was served."""
        client.requests += 1
        if self._clients is not None:
            self._clients.add(*client.labels.values())

    def _tally(self, labels: _Labels) -> ClientTally:
        tally = self._tallies.get(labels)
        if tally is None:
            tally = ClientTally(dict(zip(("wire", "revision", "client"), labels, strict=True)))
            self._tallies[labels] = tally
        return tally

    def report(self) -> None:
        """Log what was counted since the last time; nothing when there was nothing."""
        for _, client in sorted(self._tallies.items(), key=itemgetter(0)):
            if client.requests:
                log.info("usage", **client.labels, sessions=client.sessions, requests=client.requests)
            client.sessions = client.requests = 0

    @asynccontextmanager
    async def run(self, *, every_s: float = REPORT_S) -> AsyncGenerator[None]:
        """Report from time to time, and at the end."""
        async with periodic_task(self.report, name="report_usage", every_s=every_s, at_exit=self.report):
            yield


def name_of(client_info: Any) -> str:
    """Return the name in a client's `clientInfo`: 1 to 40 characters of printable ASCII, whatever was sent."""
    name = client_info.get("name") if isinstance(client_info, dict) else None
    if not isinstance(name, str):
        return UNKNOWN
    name = name[:MAX_NAME]
    if not (name.isascii() and name.isprintable()):
        name = _UNPRINTABLE.sub("?", name)
    return name.strip() or UNKNOWN


def revision_of(version: Any) -> str:
    """Return a revision that is known, or a word for any other."""
    if version is None:
        return UNKNOWN
    return version if isinstance(version, str) and version in KNOWN_PROTOCOL_VERSIONS else OTHER
