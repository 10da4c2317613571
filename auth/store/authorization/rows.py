"""The columns that codes and grants share: what a person allowed, and what that person may do now."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, Select, Table, select

from auth.store.authorization.records import Authorization
from auth.store.tables import identities, memberships, tenants, users
from shared.identity import Scope


def columns_of(authorization: Authorization) -> Mapping[str, Any]:
    """Return an authorization as columns of a code or a grant."""
    return {
        "user_id": authorization.user,
        "identity_id": authorization.identity,
        "tenant_id": authorization.tenant,
        "client_id": authorization.client_id,
        "redirect_uri": authorization.redirect_uri,
        "resource": authorization.resource,
        "scopes": " ".join(sorted(authorization.scopes)),
    }


def authorization_of(row: RowMapping) -> Authorization:
    """Return the authorization in the row of a code or a grant."""
    return Authorization(
        user=row["user_id"],
        identity=row["identity_id"],
        tenant=row["tenant_id"],
        client_id=row["client_id"],
        redirect_uri=row["redirect_uri"],
        resource=row["resource"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"].split()),
    )


def with_membership(table: Table) -> Select[tuple[object, ...]]:
    """Select codes or grants with `issuer`, `email`, `role` and `ticket_user` of their user in their tenant.

    `role` is null if the user is not a member any more. `is_admitted`: the identity is not removed, neither user nor
    tenant disabled.
    """
    c = table.c
    is_admitted = identities.c.removed_at.is_(None) & users.c.disabled_at.is_(None) & tenants.c.disabled_at.is_(None)
    return (
        select(
            table,
            identities.c.issuer,
            users.c.email,
            memberships.c.role,
            memberships.c.ticket_user,
            is_admitted.label("is_admitted"),
        )
        .select_from(table)
        .join(users, users.c.id == c.user_id)
        .join(identities, identities.c.id == c.identity_id)
        .join(tenants, tenants.c.id == c.tenant_id)
        .outerjoin(memberships, (memberships.c.user_id == c.user_id) & (memberships.c.tenant_id == c.tenant_id))
    )
