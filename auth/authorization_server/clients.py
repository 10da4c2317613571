"""The clients of the authorization server: those with a metadata document, and those that are registered.

A client whose id is an https address publishes its metadata there. The document is fetched when the client is first
asked for, then again when it is `FRESH_S` old. It is kept in the store once a person allowed the client something, so
that a sign-in works while the document cannot be fetched, until the kept one is `KEPT_FOR` old. Nothing is stored for
a request that nobody approved.

Sources: OAuth 2.0 Client ID Metadata Document (draft), sections 3 to 6; MCP authorization (2026-07-28); RFC 7591.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from auth.authorization_server.redirects import is_loopback_redirect, matches
from auth.store.authorization.records import ClientSource
from shared.errors import TicketServerError


class UnknownClientError(TicketServerError):
    """No such client: it never registered here, or was removed. A client that gets this registers again."""

    kind = "unknown_client"


class ClientDocumentError(TicketServerError):
    """The metadata document of a client is missing or cannot be used; the client is not unknown.

    `is_temporary` is true if the document could not be fetched, so that trying again may help.
    """

    kind = "client_document"

    def __init__(self, message: str, *, is_temporary: bool = False) -> None:
        super().__init__(message)
        self.is_temporary = is_temporary


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What is used of a client."""

    id: str
    name: str
    """For display: cleaned, short; that of the host of its document if it has none. Chosen by the client."""
    redirect_uris: tuple[str, ...]
    """Those of its own that are allowed here, at least one."""
    source: ClientSource

    @property
    def host(self) -> str:
        """The host of its metadata document; empty for a client without one."""
        return (urlsplit(self.id).hostname or "") if self.source is ClientSource.DOCUMENT else ""

    @property
    def is_loopback_only(self) -> bool:
        """Whether it can only be sent to the machine of the browser, where any program may be it."""
        return all(map(is_loopback_redirect, self.redirect_uris))

    def may_be_sent_to(self, redirect_uri: str) -> bool:
        """Return whether `redirect_uri` is one of its own, on loopback with any port."""
        return matches(self.redirect_uris, redirect_uri)


class Clients:
    """Finds clients by their ids. Close it with `aclose`.

    Args:
        stored: the clients in the identity store.
        fetcher: fetches metadata documents.
        policy: which redirect addresses are allowed.
        clock: returns the current time, timezone-aware.
    """

    async def get(self, client_id: str) -> Client:
        """Return a client.

        Raises:
            UnknownClientError: there is none with this id.
            ClientDocumentError: its metadata document cannot be fetched or used.
            StoreUnavailableError: the identity store does not respond.
        """
        raise NotImplementedError

    async def note_use(self, client_id: str) -> None:
        """Note that a person allowed the client something: keep its document, or prolong its registration."""

    async def aclose(self) -> None:
        """End fetches in flight."""
