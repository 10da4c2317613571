"""Statements belong to no tenant until a connection of one runs them, and are built once for all requests."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy.exc import StatementError

from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from tests.kills import kills
from tests.ticket_api.conftest import NOW
from ticket_api.http.models.queries import TicketQuery
from ticket_api.store import filters, lists
from ticket_api.store.connection import TENANT, TenantConnection
from ticket_api.store.tables import accounts
from ticket_api.tenancy import DEFAULT, TenantDatabase

NAMES = TenantConnection.select(accounts, accounts.c.name)


async def read(url: str, work: Callable[[TenantConnection], Any], tenant: str = DEFAULT) -> Any:
    async with open_transactions(resolve_url(url)) as transactions:
        return await TenantDatabase(transactions, clock=lambda: NOW).read(tenant, work)


async def test_a_statement_that_no_tenant_runs_fails(database_url: str) -> None:
    with pytest.raises(StatementError, match=TENANT.key):
        await read(database_url, lambda db: db.connection.execute(NAMES))


@kills("ticket_api/store/connection.py", "return self.connection.execute(statement, {**values, **mine})",
       "return self.connection.execute(statement, {**mine, **values})")  # fmt: skip
async def test_no_value_of_a_caller_changes_the_tenant_of_a_statement(database_url: str) -> None:
    foreign = {TENANT.key: DEFAULT}

    assert await read(database_url, lambda db: db.scalars(NAMES, foreign).all())
    assert await read(database_url, lambda db: db.scalars(NAMES, foreign).all(), tenant="another") == []
    assert await read(database_url, lambda db: db.scalars(NAMES).all(), tenant="another") == []


async def test_lists_with_other_values_of_the_same_filters_build_no_statement(database_url: str) -> None:
    def page(person: str, since: str) -> Callable[[TenantConnection], lists.TicketPage]:
        sent = {"personInChargeId": person, "receptionDateTimeFrom": since, "envelope": "true", "limit": "2"}
        return partial(lists.read_page, query=TicketQuery.model_validate(sent))

    first = await read(database_url, page("user1", "2020-01-01"))
    built = filters._built.cache_info().misses
    second = await read(database_url, page("user2", "2020-02-02"))

    assert filters._built.cache_info().misses == built
    assert {row.person_in_charge_id for row in first.rows} == {"user1"}
    assert {row.person_in_charge_id for row in second.rows} == {"user2"}
