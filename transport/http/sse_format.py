"""Server-sent events as bytes. Pure: nothing here reads, writes or waits.

Source: WHATWG HTML, section 9.2 "Server-sent events". Lines end with a single LF, an event with an empty line; without
that empty line a client never dispatches it.
"""

import re
from typing import Final, NamedTuple, Self

from transport.sessions.session import SESSION_ID

_LF: Final = 0x0A
_CR: Final = 0x0D  # as numbers: Python is slow to see that it looks for bytes in bytes
HEARTBEAT: Final = b":\n\n"
"""A comment: keeps proxies and idle timers quiet, invisible to clients."""


class EventId(NamedTuple):
    """Where a client stands in one stream of one session. Opaque to clients."""

    session: str
    number: int
    stream: str = ""
    """Empty for the standalone stream, the only one that HTTP+SSE has."""

    def __str__(self) -> str:
        return spelled(self.session, self.stream, self.number)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the id that `text` spells, or None when this server gives no such id."""
        session, _, rest = text.strip().partition(":")
        stream, _, number = rest.partition(":")
        if not SESSION_ID.fullmatch(session) or not re.fullmatch(r"[0-9]{1,18}", number):
            return None
        return cls(session, int(number), stream)


def spelled(session: str, stream: str, number: int) -> str:
    """Return the text of an `EventId`."""
    return f"{session}:{stream}:{number}"


def event(data: bytes, *, name: str = "message", event_id: str = "") -> bytes:
    """Return one event.

    Args:
        data: one line, or several; a line break inside becomes a further `data:` line, as the format asks.
        name: the event's type.
        event_id: what a client sends back as `Last-Event-ID`; empty for none.

    Raises:
        ValueError: `name` or `event_id` would break out of its line.
    """
    if not (name + event_id).isprintable():
        raise ValueError("the name and id of an event are one line without NUL")
    if _LF in data or _CR in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    begin = f"event: {name}\nid: {event_id}\ndata: " if event_id else f"event: {name}\ndata: "
    return b"%b%b\n\n" % (begin.encode(), data)


def retry(milliseconds: int) -> bytes:
    """Return the field that sets how long a client waits before it reconnects."""
    return b"retry: %d\n\n" % milliseconds
