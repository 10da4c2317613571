"""Server-sent events as bytes. Pure: nothing here reads, writes or waits.

Source: WHATWG HTML, section 9.2 "Server-sent events". Lines end with a single LF, an event with an empty line; without
that empty line a client never dispatches it.
"""

from typing import Final

HEARTBEAT: Final = b":\n\n"
"""A comment: keeps proxies and idle timers quiet, invisible to clients."""


def event(data: bytes, *, name: str = "message", event_id: str | None = None) -> bytes:
    """Return one event.

    Args:
        data: one line, or several; a line break inside becomes a further `data:` line, as the format asks.
        name: the event's type.
        event_id: what a client sends back as `Last-Event-ID`.

    Raises:
        ValueError: `name` or `event_id` would break out of its line.
    """
    head = [f"event: {_one_line(name)}\n"]
    if event_id is not None:
        head.append(f"id: {_one_line(event_id)}\n")
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return "".join(head).encode() + b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"


def retry(milliseconds: int) -> bytes:
    """Return the field that tells a client how long to wait before it comes again."""
    return b"retry: %d\n\n" % milliseconds


def _one_line(value: str) -> str:
    if any(forbidden in value for forbidden in "\r\n\0"):
        raise ValueError("the name and id of an event are one line without NUL")
    return value
