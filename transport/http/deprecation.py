"""How a wire ends: what its responses announce before that day, and what they say from then on.

Headers are for programs, the sentence of the refusal is for the person who reads a client's log.
Sources: RFC 9745 (`Deprecation`), RFC 8594 (`Sunset`), RFC 8288 and RFC 5829 (`Link`, `successor-version`).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from email.utils import format_datetime
from typing import Final

from starlette.types import Message, Send

from transport.http.errors import HTTPRefusalError
from transport.http.public_address import base_of

DEPRECATED_ON: Final = date(2025, 3, 26)
"""When the protocol itself replaced HTTP+SSE: revision 2025-03-26. No sunset may be earlier (RFC 9745, section 4)."""
GUIDE_PATH: Final = "/migration"
SUCCESSOR_PATH: Final = "/mcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sunset:
    """The end of HTTP+SSE, whose clients go on with Streamable HTTP.

    Times are asked for with each request: no restart has to happen on the day.
    """

    day: date | None
    """The first day, in UTC, on which the wire is not served; None when it is not served at all."""
    public_url: str = ""
    """Address that clients use; when it is empty they get paths."""
    clock: Callable[[], float] = time.time
    """Returns the time in seconds since 1970."""

    @property
    def is_over(self) -> bool:
        """Whether the wire has ended."""
        return self.day is None or self.clock() >= _midnight(self.day).timestamp()

    def require_open(self, root: str) -> None:
        """Pass while the wire is served. `root` is where the application is mounted.

        Raises:
            HTTPRefusalError: it has ended (410).
        """
        if not self.is_over:
            return
        base = base_of(self.public_url, root)
        raise HTTPRefusalError(
            410,
            "gone",
            f"HTTP+SSE is not served here any more. Connect by Streamable HTTP at {base}{SUCCESSOR_PATH} instead; "
            f"{base}{GUIDE_PATH} says what to change.",
        )

    def headers(self, root: str) -> dict[str, str]:
        """Return the headers of every response of the wire. `root` is where the application is mounted."""
        base = base_of(self.public_url, root)
        links = (
            f'<{base}{GUIDE_PATH}>; rel="deprecation"; type="text/plain"',
            f'<{base}{GUIDE_PATH}>; rel="sunset"; type="text/plain"',
            f'<{base}{SUCCESSOR_PATH}>; rel="successor-version"',
        )
        announced = {"deprecation": f"@{_midnight(DEPRECATED_ON).timestamp():.0f}", "link": ", ".join(links)}
        if self.day is not None:
            announced["sunset"] = format_datetime(_midnight(self.day), usegmt=True)
        return announced


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time_of_day(), UTC)


def announcing(send: Send, headers: Mapping[str, str]) -> Send:
    """Return a `send` that adds `headers` to the response, whatever kind of response it is."""
    more = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def announce(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    return announce
