"""The clients of the authorization server: those with a metadata document, and those that are registered.

A client whose id is an https address publishes its metadata there. The document is fetched when the client is first
asked for, and again when it is `FRESH` old. Once a person allowed the client something, it is kept in the store too, so
that people can sign in while it cannot be fetched, for `KEPT_FOR` after it was fetched. A request that was not
approved stores nothing.

A document that was fetched and is wrong is not replaced by a kept one: its owner may have changed it on purpose.

Sources: OAuth 2.0 Client ID Metadata Document (draft), sections 3 to 6; MCP authorization (2026-07-28); RFC 7591.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from auth.authorization_server.clients.metadata import (
    MAX_BYTES,
    ClientMetadataError,
    display_name,
    is_document_address,
    metadata_in_document,
    not_allowed,
)
from auth.authorization_server.clients.redirects import RedirectPolicy, matches, redirect_host
from auth.oauth.fetcher import FETCH_S, FetchError, GuardedFetcher
from auth.store.authorization.clients import OAuthClients
from auth.store.authorization.records import ClientSource
from shared.errors import TicketServerError
from shared.lru import LRUCache
from shared.storage.database import DatabaseBusyError
from shared.telemetry import get_logger

log = get_logger(__name__)

FRESH: Final = timedelta(hours=1)
KEPT_FOR: Final = timedelta(days=7)
AGAIN: Final = timedelta(minutes=1)
"""How long a document that cannot be fetched or used is not asked for again."""
MOST_KNOWN: Final = 1_000
MOST_FETCHES: Final = 20
"""Documents being fetched at once."""
WAIT_S: Final = FETCH_S + 5
"""How long a request waits for a document, in seconds: for its fetch, and then for the store."""


class UnknownClientError(TicketServerError):
    """No such client: it never registered here, or was removed. A client that gets this registers again."""

    kind = "unknown_client"

    def __init__(self) -> None:
        super().__init__("This client is not known here. Remove the connection from it, and add it again.")


class ClientDocumentError(TicketServerError):
    """The metadata document of a client is missing or cannot be used; the client is not unknown.

    The text is for the person at the browser. It does not say what the fetch met: that is in the log.
    `is_temporary` is true if the document could not be fetched, so that trying again may help.
    """

    kind = "client_document"

    def __init__(self, message: str, *, is_temporary: bool = False) -> None:
        super().__init__(message)
        self.is_temporary = is_temporary


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """What is used of a client."""

    id: str
    name: str
    """For display: cleaned, short; a host if it has none. Chosen by the client, so it proves nothing."""
    redirect_uris: tuple[str, ...]
    """Those of its own that are allowed here, at least one."""
    source: ClientSource

    @property
    def host(self) -> str:
        """The host of its metadata document; empty for a client without one."""
        return (urlsplit(self.id).hostname or "") if self.source is ClientSource.DOCUMENT else ""

    def may_be_sent_to(self, redirect_uri: str) -> bool:
        """Return whether `redirect_uri` is one of its own, on loopback with any port."""
        return matches(self.redirect_uris, redirect_uri)


@dataclass(frozen=True, slots=True)
class _Lookup:
    """What is known of one document until it is asked for again."""

    metadata: Mapping[str, Any] | None
    """None: it cannot be used, for `problem`."""
    fetched_at: datetime
    again_at: datetime
    problem: str = ""
    is_temporary: bool = False
    is_fetched: bool = False
    """Whether this process fetched it, at `fetched_at`; only then may it be kept as fetched."""


class Clients:
    """Finds clients by their ids. Close it with `aclose`.

    Args:
        stored: the clients in the identity store.
        fetcher: fetches metadata documents.
        policy: which redirect addresses are allowed.
        clock: returns the current time, timezone-aware.
    """

    def __init__(
        self, stored: OAuthClients, fetcher: GuardedFetcher, policy: RedirectPolicy, *, clock: Callable[[], datetime]
    ) -> None:
        self._stored = stored
        self._fetcher = fetcher
        self._policy = policy
        self._clock = clock
        self._known: LRUCache[str, _Lookup] = LRUCache(MOST_KNOWN)
        self._fetches: dict[str, asyncio.Task[_Lookup]] = {}

    async def get(self, client_id: str) -> OAuthClient:
        """Return a client.

        Raises:
            UnknownClientError: no client has this id.
            ClientDocumentError: its metadata cannot be fetched or used.
            DatabaseBusyError: the identity store does not respond.
        """
        if _has_document(client_id):
            lookup = await self._lookup(client_id)
            return self._client(client_id, ClientSource.DOCUMENT, lookup.metadata or {})
        if (record := await self._stored.get(client_id)) is None:
            raise UnknownClientError
        return self._client(client_id, record.source, record.metadata)

    async def keep(self, client_id: str) -> None:
        """Keep the document of a client that a person allowed something; a registration is kept anyway.

        Raises:
            UnknownClientError: the registration was removed meanwhile.
            DatabaseBusyError: the identity store does not respond.
        """
        if not _has_document(client_id):
            await self.get(client_id)
            return
        with suppress(ClientDocumentError):  # it became unusable meanwhile: then there is nothing to keep
            lookup = await self._lookup(client_id)
            if lookup.is_fetched and lookup.metadata is not None:
                await self._stored.put(client_id, lookup.metadata)

    async def aclose(self) -> None:
        """End fetches in flight."""
        for task in [*self._fetches.values()]:
            task.cancel()
        if self._fetches:
            await asyncio.wait([*self._fetches.values()])

    def _client(self, client_id: str, source: ClientSource, metadata: Mapping[str, Any]) -> OAuthClient:
        """Return the client with the redirect addresses that are allowed. Raises: ClientDocumentError."""
        uris: list[str] = metadata["redirect_uris"]
        allowed = tuple(filter(self._policy.allows, uris))
        if not allowed:
            raise ClientDocumentError(not_allowed(uris[0]))
        host = urlsplit(client_id).hostname if source is ClientSource.DOCUMENT else redirect_host(allowed[0])
        name = display_name(metadata.get("client_name"), host or client_id)
        return OAuthClient(id=client_id, name=name, redirect_uris=allowed, source=source)

    async def _lookup(self, address: str) -> _Lookup:
        """Return the metadata of a document. Raises: ClientDocumentError."""
        if not is_document_address(address):
            raise ClientDocumentError(
                "The id of this client is not the address of a metadata document: https, a host and a path, without "
                "`.` and `..` in it, without user name, fragment and escaped slashes or dots."
            )
        known = self._known.get(address)
        if known is None or self._clock() >= known.again_at:
            known = await self._asked(address)
        if known.metadata is None:
            raise ClientDocumentError(known.problem, is_temporary=known.is_temporary)
        return known

    async def _asked(self, address: str) -> _Lookup:
        """Fetch a document; all who ask for it meanwhile share one fetch, which goes on when they leave."""
        task = self._fetches.get(address)
        if task is None and len(self._fetches) < MOST_FETCHES:
            task = self._fetches[address] = asyncio.create_task(self._fetch(address))
            task.add_done_callback(lambda _: self._fetches.pop(address, None))
        if task is not None:
            await asyncio.wait({task}, timeout=WAIT_S)
            if task.done() and not task.cancelled():
                return task.result()
        now = self._clock()
        return await self._kept(address, now) or _unreachable(address, now)

    async def _fetch(self, address: str) -> _Lookup:
        now = self._clock()
        try:
            metadata = metadata_in_document(address, await self._fetcher.json(address, max_bytes=MAX_BYTES))
            lookup = _Lookup(metadata, now, now + FRESH, is_fetched=True)
        except FetchError as error:
            log.warning("client_document_unavailable", client_id=address, reason=str(error))
            lookup = await self._kept(address, now) or _unreachable(address, now)
        except ClientMetadataError as error:
            log.warning("client_document_refused", client_id=address, reason=str(error))
            lookup = _Lookup(None, now, now + AGAIN, f"The metadata document of this client cannot be used. {error}")
        self._known.put(address, lookup)
        return lookup

    async def _kept(self, address: str, now: datetime) -> _Lookup | None:
        """Return the newest metadata of a document that is known from before, if it is not too old."""
        known = self._known.get(address)
        kept = [] if known is None or known.metadata is None else [(known.fetched_at, known.metadata)]
        try:
            record = await self._stored.get(address)
        except DatabaseBusyError as error:
            log.warning("identity_store_unavailable", error=type(error).__name__)
            record = None
        if record is not None and record.fetched_at is not None:
            # The store notes when it was kept, which is up to that much later than the fetch.
            kept.append((record.fetched_at - FRESH, record.metadata))
        fetched_at, metadata = max(kept, key=lambda one: one[0], default=(now - KEPT_FOR, {}))
        return _Lookup(metadata, fetched_at, now + AGAIN) if now - fetched_at < KEPT_FOR else None


def _has_document(client_id: str) -> bool:
    return client_id.startswith("https://")


def _unreachable(address: str, now: datetime) -> _Lookup:
    host = urlsplit(address).hostname
    problem = f"The metadata document of this client at {host} cannot be fetched at the moment. Try again in a minute."
    return _Lookup(None, now, now + AGAIN, problem, is_temporary=True)
