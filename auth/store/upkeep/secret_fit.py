"""Whether the secrets of a deployment fit an identity store: what in it could not be used with them.

For a backup and after a restore: without its secrets an identity store is useless.
"""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.store.authorization.signing_keys import opens
from auth.store.authorization.tables import signing_keys
from auth.store.errors import UpstreamKeyError
from auth.store.migrate import in_schema
from auth.store.peppers import Sealed, Secrets
from auth.store.tables import api_keys, tenants


async def misfits(engine: AsyncEngine, secrets: Secrets, now: datetime) -> list[str]:
    """Return a sentence for each kind of thing that `secrets` cannot check or open; none means that they fit.

    Keys that are revoked, or expired at `now`, do not count.
    """
    async with in_schema(engine).connect() as connection:
        return [
            *await _keys(connection, secrets, now),
            *await _upstream_keys(connection, secrets),
            *_signing_keys(await _newest_signing_key(connection), secrets),
        ]


async def _keys(connection: AsyncConnection, secrets: Secrets, now: datetime) -> list[str]:
    valid = (api_keys.c.revoked_at.is_(None), api_keys.c.expires_at > now)
    query = select(api_keys.c.pepper_id, func.count()).where(*valid).group_by(api_keys.c.pepper_id)
    return [
        f"{count} valid API keys were made with the secret {secret_id}, which is not set: they are refused."
        for secret_id, count in sorted((row[0], row[1]) for row in await connection.execute(query))
        if not secrets.has(secret_id)
    ]


async def _upstream_keys(connection: AsyncConnection, secrets: Secrets) -> list[str]:
    query = select(tenants).where(tenants.c.upstream_key_sealed.is_not(None)).order_by(tenants.c.id)
    found = []
    for row in (await connection.execute(query)).mappings():
        try:
            secrets.open(Sealed(row["upstream_key_sealed"], row["upstream_key_id"]), row["id"])
        except UpstreamKeyError as error:
            found.append(str(error))
    return found


async def _newest_signing_key(connection: AsyncConnection) -> str | None:
    query = select(signing_keys.c.sealed).order_by(signing_keys.c.number.desc()).limit(1)
    return await connection.scalar(query)


def _signing_keys(sealed: str | None, secrets: Secrets) -> Iterator[str]:
    if sealed is not None and not opens(sealed, secrets):
        yield "The newest signing key cannot be read: the server makes another one, and people sign in again."
