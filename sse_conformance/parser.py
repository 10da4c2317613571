"""Server-sent events, parsed as a browser does. Pure.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream".
"""

import re
from dataclasses import dataclass, field
from typing import Final

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event as a browser would dispatch it."""

    name: str
    data: str
    id: str
    """The last id seen on the stream, empty before the first."""


@dataclass(slots=True)
class Parser:
    """Parses bytes as they arrive. The public fields hold everything seen so far, oldest first."""

    events: list[ServerSentEvent] = field(default_factory=list)
    retries_ms: list[int] = field(default_factory=list)
    comments: int = 0
    _rest: bytes = b""
    _name: str = ""
    _data: list[str] = field(default_factory=list)
    _id: str = ""

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes; they may end anywhere."""
        text = self._rest + chunk
        held = text[-1:] if text.endswith(b"\r") else b""  # it may be the first half of CR LF
        *lines, rest = _LINE_END.split(text.removesuffix(held) if held else text)
        self._rest = rest + held
        for line in lines:
            self._take(line.decode("utf-8", errors="replace"))

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            self._dispatch()
        elif line.startswith(":"):
            self.comments += 1
        elif name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retries_ms.append(int(value))

    def _dispatch(self) -> None:
        if self._data:
            self.events.append(ServerSentEvent(self._name or "message", "\n".join(self._data), self._id))
        self._name, self._data = "", []
