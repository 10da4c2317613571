"""Takes what comes in over STDIO apart into texts of one message each. Pure, standard library only.

MCP delimits messages by line ends. A message that is spread over several lines is put together, as it would be read
from the body of a POST, so that there is one response to it instead of one for each line. It is over when its brackets
are closed, when another message begins, or when nothing more comes. Blank lines mean nothing.
"""

from collections.abc import Iterator
from typing import Any, Final

from shared import json_rpc
from shared.json_body import MalformedMessageError, ids_in, open_brackets, read
from shared.json_rpc import Message

QUIET_S: Final = 1.0
"""How long the rest of an unfinished message may keep its reader waiting."""
MAX_BYTES: Final = 4 * 1024 * 1024
"""The longest message; over HTTP, it is as long."""


class TooLargeError(MalformedMessageError):
    """A message is longer than `MAX_BYTES`."""

    kind = "too_large"

    def __init__(self, beginning: bytes) -> None:
        super().__init__(f"A message may have {MAX_BYTES:,} bytes at most.")
        self.request_id = next(ids_in(beginning), None)


class JsonLines:
    """Reads one stream.

    Call `feed` with what was read, `quiet` when nothing came for `QUIET_S` while `is_waiting`, and `end` at the end of
    input. Each yields what to serve or to refuse now.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        """The line that is not over."""
        self._text = bytearray()
        """The lines of a message that is not over."""
        self._open = 0
        """Brackets that are open in it."""

    @property
    def is_waiting(self) -> bool:
        """Whether something came that is not over."""
        return bool(self._line or self._text)

    def feed(self, data: bytes) -> Iterator[Message | MalformedMessageError]:
        """Yield the messages that are complete with `data`, each or why it is refused."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._add(self._line, end)
            yield from self._end_line()
        self._add(self._line, rest)

    def quiet(self) -> Iterator[Message | MalformedMessageError]:
        """Yield what is complete but for its line end; give up on an unfinished message, unless a line has begun."""
        if not self._line:
            yield from self._end_text()
        elif self._open + open_brackets(bytes(self._line)) == 0 and _value(bytes(self._text + self._line)):
            yield from self._end_line()

    def end(self) -> Iterator[Message | MalformedMessageError]:
        """Yield what is left at the end of input."""
        yield from self._end_line()
        yield from self._end_text()

    def _end_line(self) -> Iterator[Message | MalformedMessageError]:
        line = bytes(self._line)
        self._line.clear()
        if not line.strip():
            return
        if self._text and b'"jsonrpc"' in line and isinstance(whole := _value(line), dict) and "jsonrpc" in whole:
            yield from self._end_text()
        self._open += open_brackets(line)
        self._add(self._text, line + b"\n")
        if self._open <= 0 or len(line) > MAX_BYTES:
            yield from self._end_text()

    def _end_text(self) -> Iterator[Message | MalformedMessageError]:
        text = bytes(self._text)
        self._text.clear()
        self._open = 0
        if text:
            yield from _read(text)

    @staticmethod
    def _add(kept: bytearray, more: bytes) -> None:
        """Add to `kept`, which grows to one byte over the limit of a message and a line end."""
        kept += more[: MAX_BYTES + 2 - len(kept)]


def _value(text: bytes) -> dict[str, Any] | list[Any]:
    """Return the object or list that `text` is; an empty list if it is something else."""
    try:
        value = read(text)
    except MalformedMessageError:
        return []
    return value if isinstance(value, dict | list) else []


def _read(text: bytes) -> Iterator[Message | MalformedMessageError]:
    if len(text) > MAX_BYTES + 1:
        yield TooLargeError(text)
        return
    try:
        yield from json_rpc.read(text)[0]
    except MalformedMessageError as error:
        yield error
