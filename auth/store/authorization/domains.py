"""Domains of organisations: whose account belongs to one becomes a member at the first sign-in.

What counts is the claim `hd` of the ID token, which Google sets for accounts that the domain's owner manages, never the
part of an e-mail address after the `@`: a personal account can have an address of any domain.
"""

from typing import Final

from sqlalchemy import RowMapping, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from auth import validation
from auth.store import queries
from auth.store.authorization.errors import UnknownDomainError
from auth.store.authorization.records import DomainRecord
from auth.store.authorization.tables import tenant_domains
from auth.store.errors import AlreadyExistsError
from auth.store.transactions import AuditedTransactions
from shared.command_lines import command_line
from shared.errors import InvalidInputError
from shared.identity import Role

# fmt: off        Sources: the providers' sign-up pages; what Google, Microsoft, Apple and Yahoo call consumer accounts
FOR_EVERYBODY: Final = frozenset(
    {
        *("gmail.com", "googlemail.com", "outlook.com", "outlook.jp", "live.com", "live.jp", "live.co.uk", "msn.com"),
        *("icloud.com", "me.com", "mac.com", "aol.com", "ymail.com", "rocketmail.com", "proton.me", "protonmail.com"),
        *(
            "pm.me",
            "gmx.com",
            "gmx.de",
            "gmx.net",
            "gmx.at",
            "gmx.ch",
            "web.de",
            "t-online.de",
            "freenet.de",
            "mail.com",
        ),
        *("fastmail.com", "zoho.com", "zohomail.com", "tutanota.com", "hey.com", "orange.fr", "free.fr", "laposte.net"),
        *("wanadoo.fr", "libero.it", "comcast.net", "verizon.net", "att.net", "btinternet.com", "mail.ru", "yandex.ru"),
        *(
            "yandex.com",
            "qq.com",
            "foxmail.com",
            "163.com",
            "126.com",
            "sina.com",
            "naver.com",
            "daum.net",
            "hanmail.net",
        ),
        *("docomo.ne.jp", "ezweb.ne.jp", "au.com", "softbank.ne.jp", "i.softbank.jp", "ymobile.ne.jp", "nifty.com"),
        *("biglobe.ne.jp", "ocn.ne.jp", "so-net.ne.jp", "excite.co.jp"),
    }
)
"""Domains of consumer accounts: none of them belongs to an organisation of its users."""
# fmt: on
IN_EVERY_COUNTRY: Final = frozenset({"yahoo", "hotmail"})
"""First labels of such domains in many countries: yahoo.co.jp, hotmail.fr."""


class Domains:
    """Adds, removes and lists domains. Every change is audited. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions) -> None:
        self._transactions = transactions

    async def add(self, domain: str, tenant: str, *, role: str) -> DomainRecord:
        """Let who has an account in `domain` join the tenant with `role`; of a domain it has, change the role.

        Raises:
            InvalidInputError: the domain or the role is invalid, or the domain is one of consumer accounts.
            UnknownTenantError: there is no such tenant.
            NotUsableError: the tenant is disabled.
            AlreadyExistsError: the domain belongs to another tenant.
        """
        name, as_role = validation.domain(domain), validation.role(role)
        if name in FOR_EVERYBODY or name.partition(".")[0] in IN_EVERY_COUNTRY:
            raise InvalidInputError(
                f"{name} is a domain of consumer accounts: all its users would become members of {tenant!r}. Invite "
                f"people one by one: `{command_line('auth')} invite EMAIL --tenant {tenant} --role {as_role.value}`.",
                field="domain",
            )
        async with self._transactions.changing() as change:
            await queries.usable_tenant(change.connection, tenant)
            upsert = postgresql.insert if change.connection.dialect.name == "postgresql" else sqlite.insert
            put = upsert(tenant_domains).values(
                domain=name, tenant_id=tenant, role=as_role.value, created_at=change.now
            )
            put = put.on_conflict_do_update(
                index_elements=["domain"], set_={"role": as_role.value}, where=tenant_domains.c.tenant_id == tenant
            )
            await change.connection.execute(put)
            query = select(tenant_domains).where(tenant_domains.c.domain == name)
            row = (await change.connection.execute(query)).mappings().one()
            if row["tenant_id"] != tenant:
                raise AlreadyExistsError(
                    f"The domain {name} belongs to the organisation {row['tenant_id']!r}. To move it, run "
                    f"`{command_line('auth')} domain remove {name}` first."
                )
            change.record("domain_added", tenant=tenant, what=name, detail=as_role.value)
            return _record(row)

    async def all(self, *, tenant: str | None = None) -> list[DomainRecord]:
        """Return the domains of one tenant or of all, by tenant and name. Raises: UnknownTenantError."""
        query = select(tenant_domains).order_by(tenant_domains.c.tenant_id, tenant_domains.c.domain)
        async with self._transactions.reading() as connection:
            if tenant is not None:
                await queries.tenant(connection, tenant)
                query = query.where(tenant_domains.c.tenant_id == tenant)
            return [_record(row) for row in (await connection.execute(query)).mappings()]

    async def remove(self, domain: str) -> DomainRecord:
        """End joining by the domain; members stay members.

        Raises:
            InvalidInputError: it is not a domain.
            UnknownDomainError: no tenant has it.
        """
        gone = tenant_domains.c.domain == validation.domain(domain)
        async with self._transactions.changing() as change:
            result = await change.connection.execute(delete(tenant_domains).where(gone).returning(*tenant_domains.c))
            row = result.mappings().one_or_none()
            if row is None:
                raise UnknownDomainError(domain)
            change.record("domain_removed", tenant=row["tenant_id"], what=row["domain"])
            return _record(row)


def _record(row: RowMapping) -> DomainRecord:
    return DomainRecord(
        domain=row["domain"], tenant=row["tenant_id"], role=Role(row["role"]), created_at=row["created_at"]
    )
