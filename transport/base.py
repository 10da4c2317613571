"""The seam of a transport: it is handed one authenticated HTTP request at a time, and returns the response.

`transport.http.endpoint.Endpoint` stands in front of each handler: it refuses what must be refused, in one order and in
one place, so that a handler sees only requests that may be made.
"""

from abc import ABC, abstractmethod

from starlette.types import ASGIApp

from shared.identity import Principal
from transport.http.request_head import HTTPRequest


class TransportHandler(ABC):
    """Answers the requests of one route of one transport."""

    wire: str = "other"
    """Name of the wire, for counters."""
    methods: frozenset[str]
    """HTTP methods it answers; any other is a 405."""
    how_to_open: str = "Open a new one."
    """What a client does that has no session, as a sentence."""

    @abstractmethod
    async def handle_request(self, request: HTTPRequest, auth_info: Principal) -> ASGIApp:
        """Return the response to `request`, which `auth_info` sent.

        Raises:
            TicketServerError: the request is refused; `transport.http.errors` has the response to each error.
        """
