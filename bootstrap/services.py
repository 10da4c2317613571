"""The part of `run.py doctor` that runs in the environment: settings, and every service that the server depends on.

Each check ends within seconds, changes nothing, and shows no secret.
"""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import httpx2
import sqlalchemy
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from auth.authorization_server.clients.redirects import RedirectPolicy
from auth.authorization_server.identity_provider.provider import IdentityProvider, callback_path
from auth.oauth.fetcher import FetchError, fetcher_for
from auth.oauth.issuer_metadata import jwks_uri_of
from auth.oauth.key_set import signing_keys
from bootstrap.doctor import Finding, show
from shared.config import CloudSettings, StdioSettings, load
from shared.environment import SettingsError
from shared.identity import provider_label
from shared.storage.database import open_engine, resolve_url
from shared.tickets.master_lists import STATUSES

LIMIT_S: Final = 6.0
_SKEW: Final = timedelta(seconds=90)
_CLOCK_TO_DO: Final = "Set the clock of this machine (turn on time synchronisation), or that of the other one."

Check = Callable[[CloudSettings], AsyncIterator[Finding]]


async def api(settings: CloudSettings) -> AsyncIterator[Finding]:
    """The ticket API: whether it answers, takes the key, and has the same time."""
    if settings.is_embedded:
        yield Finding(False, "ticket API: the embedded one (MCP_API_BASE_URL is not set)")
        return
    base = str(settings.api_base_url).rstrip("/")
    key = {} if settings.api_key is None else {"x-api-key": settings.api_key.get_secret_value()}
    async with httpx2.AsyncClient(timeout=LIMIT_S, headers=key, follow_redirects=False) as client:
        try:
            health = await client.get(f"{base}/health")
            statuses = await client.get(f"{base}{STATUSES.path}")
        except httpx2.HTTPError as error:
            yield Finding(
                True,
                f"ticket API: {base} cannot be reached ({type(error).__name__}). "
                "Start it, or correct MCP_API_BASE_URL.",
            )
            return
    yield _of_statuses(base, statuses, has_key=bool(key))
    if (date := health.headers.get("date")) is not None:
        yield clock("the ticket API", parsedate_to_datetime(date))


def _of_statuses(base: str, response: httpx2.Response, *, has_key: bool) -> Finding:
    if response.status_code in {401, 403}:
        to_do = "Correct MCP_API_KEY." if has_key else "Set MCP_API_KEY to a key that it accepts."
        return Finding(True, f"ticket API: {base} refuses the key ({response.status_code}). {to_do}")
    if not response.is_success:
        return Finding(
            True,
            f"ticket API: {base}{STATUSES.path} answers {response.status_code}. If its paths begin with a "
            "prefix, for example /api, add it to MCP_API_BASE_URL.",
        )
    return Finding(False, f"ticket API: {base} answers and accepts {'the key' if has_key else 'calls without a key'}")


def clock(whose: str, there: datetime) -> Finding:
    """Compare this machine's clock with another one."""
    skew = abs(datetime.now(UTC) - there)
    if skew > _SKEW:
        return Finding(True, f"clock: it differs from that of {whose} by {skew.total_seconds():.0f} s. {_CLOCK_TO_DO}")
    return Finding(False, f"clock: as that of {whose}")


async def database(settings: CloudSettings) -> AsyncIterator[Finding]:
    """The database of the embedded ticket API, and that of the keys if it is another file."""
    if settings.is_embedded:
        async for finding in _database("database", settings.database_url.get_secret_value()):
            yield finding
    if settings.identity_keys and settings.identity_database_url.startswith("sqlite"):
        async for finding in _database("database of keys", settings.identity_database_url):
            yield finding


async def _database(name: str, url: str) -> AsyncIterator[Finding]:
    try:
        resolved = resolve_url(url)
    except ValueError as error:
        yield Finding(True, f"{name}: MCP_DATABASE_URL: {error}")
        return
    if resolved.get_backend_name() == "sqlite":
        yield _of_file(name, Path(resolved.database or ""))
        return
    where = f"{resolved.host}:{resolved.port or 5432}/{resolved.database}"
    try:
        async with asyncio.timeout(LIMIT_S), open_engine(resolved) as engine, engine.connect() as connection:
            there = (await connection.execute(sqlalchemy.select(sqlalchemy.func.now()))).scalar_one()
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        cause = type(getattr(error, "orig", None) or error).__name__
        yield Finding(True, f"{name}: {where} cannot be used ({cause}). Start it, or correct MCP_DATABASE_URL.")
        return
    yield Finding(False, f"{name}: {where} answers")
    yield clock("the database", there)


def _of_file(name: str, file: Path) -> Finding:
    if not file.exists():
        return Finding(False, f"{name}: {file} does not exist yet; the first start makes it")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=LIMIT_S)) as connection:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as error:
        return Finding(True, f"{name}: {file} cannot be used: {error}. Check its permissions and those of its folder.")
    if said != "ok":
        return Finding(True, f"{name}: {file} is damaged: {said}. Restore it from a backup.")
    return Finding(False, f"{name}: {file}")


async def broker(settings: CloudSettings) -> AsyncIterator[Finding]:
    """The broker that instances share."""
    if settings.broker_url is None:
        return
    client = Redis.from_url(
        settings.broker_url.get_secret_value(), socket_connect_timeout=LIMIT_S, socket_timeout=LIMIT_S
    )
    try:
        async with client:
            seconds, _ = await client.time()
    except (RedisError, OSError, TimeoutError) as error:
        cause = type(error).__name__
        yield Finding(True, f"broker: it cannot be used ({cause}). Start it, or correct MCP_BROKER_URL.")
        return
    yield Finding(False, "broker: it answers")
    yield clock("the broker", datetime.fromtimestamp(int(seconds), UTC))


async def sign_in(settings: CloudSettings) -> AsyncIterator[Finding]:
    """The identity providers: whether their keys can be fetched, as the server fetches them."""
    if not settings.signs_in:
        return
    if settings.oauth_client_id is not None and settings.oauth_client_secret is not None:
        async for finding in _own_sign_in(settings, settings.oauth_client_id, settings.oauth_client_secret):
            yield finding
        return
    for issuer in settings.oauth_issuer:
        fetcher = fetcher_for(issuer)
        try:
            keys = signing_keys(await fetcher.json(await jwks_uri_of(issuer, fetcher)))
        except FetchError as error:
            yield Finding(True, f"sign-in: the keys of {issuer} cannot be fetched: {error}. Check MCP_OAUTH_ISSUER.")
        else:
            yield Finding(False, f"sign-in: {issuer} answers; its keys: {len(keys)}")


async def _own_sign_in(settings: CloudSettings, client_id: str, secret: SecretStr) -> AsyncIterator[Finding]:
    """Whether people can sign in at the provider of which this server is a client."""
    ((issuer, _),) = settings.sign_in_issuers.items()
    label, callback = provider_label(issuer), str(settings.public_url).rstrip("/") + callback_path(issuer)
    fetcher = fetcher_for(issuer)
    provider = IdentityProvider(issuer, client_id, secret.get_secret_value(), callback, fetcher)
    try:
        await provider.check()
        keys = signing_keys(await fetcher.json(await jwks_uri_of(issuer, fetcher)))
    except FetchError as error:
        yield Finding(
            True,
            f"sign-in: nobody can sign in at {label}: {error}. Check MCP_OAUTH_CLIENT_ID, MCP_OAUTH_CLIENT_SECRET and "
            "MCP_OAUTH_ISSUER.",
        )
    else:
        yield Finding(False, f"sign-in: {label} answers and knows MCP_OAUTH_CLIENT_ID; its keys: {len(keys)}")
    yield Finding(False, f"sign-in: the redirect URI that must be entered at {label}, exactly: {callback}")
    try:
        RedirectPolicy(settings.oauth_redirects)
    except ValueError as error:
        yield Finding(True, f"sign-in: MCP_OAUTH_REDIRECTS: {error}")


CHECKS: Final[tuple[Check, ...]] = (api, database, broker, sign_in)


async def examine() -> int:
    """Print every finding; return 1 if something is wrong."""
    try:
        settings = load(CloudSettings)
        load(StdioSettings)
    except SettingsError as error:
        show(Finding(True, f"settings:\n{error}"))
        return 1
    show(Finding(False, "settings: all can be used"))
    is_wrong = False
    for check in CHECKS:
        async for finding in check(settings):
            is_wrong = show(finding) or is_wrong
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(asyncio.run(examine()))
