"""Clients of the authorization server: metadata documents, clients that registered themselves, and those of operators.

Every client may present a document or register, so these are limited: to 10,000 each, and to 90 days without a sign-in
or a refresh. A new one displaces the oldest that was never used, else the one that was not used for the longest time.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, case, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from auth import validation
from auth.store.authorization.bounds import check_storable, is_storable, make_room, prune
from auth.store.authorization.grants import end
from auth.store.authorization.records import ClientRecord, ClientSource
from auth.store.authorization.tables import authorization_codes, grants, oauth_clients
from auth.store.errors import UnknownOAuthClientError
from auth.store.transactions import AuditedChange, AuditedTransactions
from shared.errors import InvalidInputError

REGISTERED_ID: Final = "cli_"
"""The prefix of the ids of clients without a metadata document."""
MOST: Final = 10_000
"""How many clients of each source are kept."""
UNUSED: Final = timedelta(days=90)
"""How long a client is kept that is not used."""


class OAuthClients:
    """Keeps, lists and removes clients. All methods raise: DatabaseBusyError.

    `metadata` is what is used of a client's metadata, in the words of RFC 7591. Neither documents nor registrations are
    audited, since no sign-in is needed for them and audit events cannot be deleted; grants and removals are.
    """

    def __init__(self, transactions: AuditedTransactions) -> None:
        self._transactions = transactions

    async def get(self, client_id: str) -> ClientRecord | None:
        """Return a client, or None if it is unknown."""
        if not is_storable(client_id, oauth_clients.c.id):
            return None
        query = select(oauth_clients).where(oauth_clients.c.id == client_id)
        async with self._transactions.reading() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else _record(row)

    async def put(self, client_id: str, metadata: Mapping[str, Any]) -> ClientRecord:
        """Store the metadata document of a client, fetched now; replace what is known of it.

        Raises:
            InvalidInputError: the id is longer than 500 characters.
        """
        is_now = {"metadata": json.dumps(metadata), "fetched_at": self._transactions.clock()}
        async with self._transactions.changing() as change:
            values = _new(client_id, ClientSource.DOCUMENT, change.now) | is_now
            upsert = postgresql.insert if change.connection.dialect.name == "postgresql" else sqlite.insert
            await _make_room(change, ClientSource.DOCUMENT, but=client_id)
            put = upsert(oauth_clients).values(**values)
            await change.connection.execute(put.on_conflict_do_update(index_elements=["id"], set_=is_now))
            return await _read(change, client_id)

    async def register(self, metadata: Mapping[str, Any]) -> ClientRecord:
        """Store a client that registers itself, and return it with its new id (RFC 7591)."""
        client_id = REGISTERED_ID + secrets.token_hex(8)
        async with self._transactions.changing() as change:
            values = _new(client_id, ClientSource.REGISTERED, change.now) | {"metadata": json.dumps(metadata)}
            await _make_room(change, ClientSource.REGISTERED, but=client_id)
            await change.connection.execute(insert(oauth_clients).values(**values))
            return await _read(change, client_id)

    async def add(self, name: str, redirect_uris: Sequence[str]) -> ClientRecord:
        """Store a client that an operator adds, audited; it is not limited and kept until it is removed.

        Raises:
            InvalidInputError: the name or a redirect URI is invalid, or no redirect URI is given.
        """
        called, uris = validation.label(name), [validation.redirect_uri(uri) for uri in redirect_uris]
        if not uris:
            raise InvalidInputError("A client needs a redirect URI.", field="redirect_uri")
        client_id = REGISTERED_ID + secrets.token_hex(8)
        async with self._transactions.changing() as change:
            metadata = json.dumps({"client_name": called, "redirect_uris": uris})
            values = _new(client_id, ClientSource.ADDED, change.now) | {"metadata": metadata}
            await change.connection.execute(insert(oauth_clients).values(**values))
            change.record("client_added", what=client_id, detail=called)
            return await _read(change, client_id)

    async def all(self) -> list[ClientRecord]:
        """Return every client, by its last use, the latest first."""
        query = select(oauth_clients).order_by(oauth_clients.c.last_used_at.desc(), oauth_clients.c.id)
        async with self._transactions.reading() as connection:
            return [_record(row) for row in (await connection.execute(query)).mappings()]

    async def remove(self, client_id: str) -> int:
        """Forget a client with its codes, and revoke its grants, audited; return how many had not ended yet.

        A client with a metadata document can come back: people would have to sign in again.

        Raises:
            UnknownOAuthClientError: there is no such client and no grant of it.
        """
        async with self._transactions.changing() as change:
            codes = delete(authorization_codes).where(authorization_codes.c.client_id == client_id)
            await change.connection.execute(codes)  # first, for the order of locks
            ended = await end(change, grants.c.client_id == client_id, because="client removed")
            deleted = await change.connection.execute(delete(oauth_clients).where(oauth_clients.c.id == client_id))
            if not deleted.rowcount and not ended:
                raise UnknownOAuthClientError(client_id)
            change.record("client_removed", what=client_id)
            return ended


def _new(client_id: str, source: ClientSource, now: datetime) -> dict[str, Any]:
    """Raises: InvalidInputError."""
    check_storable(oauth_clients, id=client_id)
    return {"id": client_id, "source": source.value, "created_at": now, "last_used_at": now}


async def _make_room(change: AuditedChange, source: ClientSource, *, but: str) -> None:
    c = oauth_clients.c
    others = (c.source == source.value, c.id != but)
    await prune(change.connection, c.id, *others, c.last_used_at <= change.now - UNUSED)
    was_used = case((c.last_used_at == c.created_at, 0), else_=1)
    await make_room(change.connection, c.id, *others, first=(was_used, c.last_used_at), limit=MOST)


async def _read(change: AuditedChange, client_id: str) -> ClientRecord:
    query = select(oauth_clients).where(oauth_clients.c.id == client_id)
    return _record((await change.connection.execute(query)).mappings().one())


def _record(row: RowMapping) -> ClientRecord:
    return ClientRecord(
        id=row["id"],
        source=ClientSource(row["source"]),
        metadata=json.loads(row["metadata"]),
        created_at=row["created_at"],
        fetched_at=row["fetched_at"],
        last_used_at=row["last_used_at"],
    )
