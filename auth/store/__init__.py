"""The identity store: tenants, users, service accounts, identities, keys and the audit trail, in one database.

    async with open_store(url, secrets) as store:
        await store.tenants.add("acme", name="ACME")
        await store.users.add("mika@example.com")
        await store.memberships.set("mika@example.com", "acme", role="agent")
        key = await store.keys.create("acme", user="mika@example.com", name="laptop")

Every change is committed together with its audit event. Other modules of this package do not import this one.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from auth.store import queries
from auth.store.api_keys import LIFE, ApiKeys, KeyOwner, insert_key
from auth.store.audit import AuditTable
from auth.store.authorization.admission import Admission
from auth.store.authorization.clients import OAuthClients
from auth.store.authorization.codes import Codes
from auth.store.authorization.domains import Domains
from auth.store.authorization.grants import Grants
from auth.store.authorization.invitations import Invitations
from auth.store.authorization.sign_ins import SignIns
from auth.store.authorization.signing_keys import SigningKeys
from auth.store.credentials import CredentialLookup
from auth.store.errors import AlreadyExistsError, NotUsableError, UnknownError
from auth.store.identities import Identities
from auth.store.migrate import in_schema, prepare
from auth.store.peppers import Secrets
from auth.store.records import NewKey
from auth.store.service_accounts import ServiceAccounts
from auth.store.tenants import Tenants, insert_tenant
from auth.store.transactions import AuditedChange, AuditedTransactions
from auth.store.upkeep.departure import Departures
from auth.store.users import Memberships, Users, insert_user, put_membership
from shared.command_lines import command_line
from shared.identity import DEFAULT_TENANT, Role
from shared.storage.database import Database, open_engine, resolve_url
from shared.storage.write_check import WriteCheck


def utc_now() -> datetime:
    """Return the current time in UTC, timezone-aware."""
    return datetime.now(UTC)


class IdentityStore:
    """One identity store, by kind of object. Open it with `open_store`.

    Args:
        engine: of a database migrated to head.
        secrets: hash API keys and seal upstream keys.
        actor: recorded as the actor of changes.
        clock: returns the current time, timezone-aware.
    """

    def __init__(
        self, engine: AsyncEngine, secrets: Secrets, *, actor: str = "cli", clock: Callable[[], datetime] = utc_now
    ) -> None:
        engine = in_schema(engine)
        self._transactions = AuditedTransactions(Database(engine), actor=actor, clock=clock)
        self._secrets = secrets
        self._write_check = WriteCheck(self._transactions.write_and_take_back)
        self.tenants = Tenants(self._transactions, secrets)
        self.departures = Departures(engine, self._transactions)
        self.users = Users(self._transactions)
        self.memberships = Memberships(self._transactions)
        self.service_accounts = ServiceAccounts(self._transactions)
        self.identities = Identities(self._transactions)
        self.domains = Domains(self._transactions)
        self.invitations = Invitations(self._transactions)
        self.admission = Admission(self._transactions)
        self.keys = ApiKeys(self._transactions, secrets)
        self.audit = AuditTable(self._transactions)
        self.credentials = CredentialLookup(self._transactions)
        self.sign_ins = SignIns(self._transactions, secrets)
        self.codes = Codes(self._transactions)
        self.grants = Grants(self._transactions, secrets)
        self.oauth_clients = OAuthClients(self._transactions)
        self.signing_keys = SigningKeys(self._transactions, secrets)

    @property
    def clock(self) -> Callable[[], datetime]:
        """Returns the current time, timezone-aware."""
        return self._transactions.clock

    async def check(self) -> None:
        """Check that the database accepts writes; a result is reused for ten seconds. Raises: DatabaseBusyError."""
        await self._write_check.check()

    async def join(self) -> None:
        """Wait for a check in progress, before the database is closed."""
        await self._write_check.join()

    async def first_key(
        self,
        email: str,
        *,
        tenant: str = DEFAULT_TENANT.id,
        name: str = "first key",
        life: timedelta = LIFE,
        another: bool = False,
    ) -> NewKey:
        """Create an administrator's key, and in the same transaction the tenant, user and membership if missing.

        A user who is already a member becomes an administrator. The tenant counts as having an administrator if an
        enabled user with role admin has a key for it that is neither revoked nor expired; nothing is then created
        unless `another` is set. After the last such key is lost, this is the way back in.

        Raises:
            InvalidInputError: the address, the tenant id, the name or the lifetime is invalid.
            AlreadyExistsError: the tenant has an administrator, and `another` is not set.
            NotUsableError: the tenant or the user is disabled.
            DatabaseBusyError: nothing was changed.
        """
        async with self._transactions.changing() as change:
            try:
                await queries.tenant(change.connection, tenant)
            except UnknownError:
                await insert_tenant(change, tenant)
            await queries.usable_tenant(change.connection, tenant)
            if not another:
                await _refuse_a_second_administrator(change, tenant, email)
            try:
                user = await queries.user(change.connection, email)
            except UnknownError:
                user = await insert_user(change, email)
            if user["disabled_at"] is not None:
                raise NotUsableError(f"{user['email']} is disabled. Enable them first.")
            await put_membership(change, user, tenant, Role.ADMIN)
            return await insert_key(change, self._secrets, KeyOwner(tenant, user_id=user["id"]), name=name, life=life)


async def _refuse_a_second_administrator(change: AuditedChange, tenant: str, email: str) -> None:
    """Raises: AlreadyExistsError."""
    there = await queries.administrator(change.connection, tenant, change.now)
    if there is not None:
        run = command_line("auth")
        raise AlreadyExistsError(
            f"The organisation {tenant!r} already has an administrator with a valid key: {there}. Nothing was changed. "
            f"To create another key for them, run `{run} key add --tenant {tenant} --user {there}`; "
            f"to create another administrator with a key, run `{run} first-key {email} --tenant {tenant} --another`."
        )


@asynccontextmanager
async def open_store(
    database_url: str, secrets: Secrets, *, actor: str = "cli", clock: Callable[[], datetime] = utc_now
) -> AsyncIterator[IdentityStore]:
    """Open the identity store, migrate its tables to head, and close all connections at the end.

    Raises:
        ValueError: the URL does not name an SQLite file or a PostgreSQL database.
        DatabaseNotReadyError: the database cannot be used; the text says what to do.
    """
    async with open_engine(resolve_url(database_url)) as engine:
        await prepare(engine)
        yield IdentityStore(engine, secrets, actor=actor, clock=clock)
