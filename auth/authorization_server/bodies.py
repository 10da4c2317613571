"""Reads the body of a request within limits of size and time."""

import asyncio
import re
from typing import Final

from starlette.requests import ClientDisconnect, Request

from shared.errors import TicketServerError

WITHIN_S: Final = 10.0
"""How long a body may take, in seconds."""
_LENGTH: Final = re.compile(r"[0-9]{1,9}")


class BodyError(TicketServerError):
    """A body was not read to its end. The text is a sentence in ASCII, without quotation marks."""

    kind = "request_body"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        """400, 408, 413 or 415."""


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Return the body; one that is too large is not read on. Raises: BodyError."""
    too_large = BodyError(413, f"The request may have at most {max_bytes} bytes.")
    length = request.headers.get("content-length", "")
    if length and (not _LENGTH.fullmatch(length) or int(length) > max_bytes):
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(WITHIN_S):
            async for part in request.stream():
                body += part
                if len(body) > max_bytes:
                    raise too_large
    except TimeoutError:
        raise BodyError(408, f"The body did not arrive within {WITHIN_S:g} seconds.") from None
    except ClientDisconnect:
        raise BodyError(400, "The connection ended before the body did.") from None
    return bytes(body)
