"""`python -m auth audit …`: list, export and prune audit events."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import click

from auth.cli.context import LOSES, Operator, confirm, with_store
from auth.cli.users import ONE_TENANT
from auth.store import IdentityStore
from auth.store.records import AuditRecord


class DateTimeParam(click.DateTime):
    """A date or a time, in UTC unless it has an offset."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return a timezone-aware time."""
        moment: datetime = super().convert(value, param, ctx)
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


MOMENT = DateTimeParam(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])
FORMS: Final = "YYYY-MM-DD[THH:MM:SS[+HH:MM]]"


def between(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--since` and `--until`."""
    until = click.option("--until", type=MOMENT, metavar=FORMS, help="Only events before this time (default UTC).")
    since = click.option("--since", type=MOMENT, metavar=FORMS, help="Only events at or after this time (default UTC).")
    return since(until(command))


@click.group()
def audit() -> None:
    """List, export and prune audit events."""


@audit.command(name="list")
@ONE_TENANT
@between
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Maximum number of events.")
@with_store
async def list_(
    store: IdentityStore, *, tenant: str | None, since: datetime | None, until: datetime | None, limit: int
) -> list[AuditRecord]:
    """List audit events, newest first. `--json` and `audit export` show all their fields."""
    newest: list[AuditRecord] = []
    async for event in store.audit.events(since=since, until=until, tenant=tenant, newest_first=True):
        newest.append(event)
        if len(newest) == limit:
            break
    return newest


@audit.command()
@ONE_TENANT
@between
@click.pass_obj
def export(operator: Operator, *, tenant: str | None, since: datetime | None, until: datetime | None) -> None:
    """Write all audit events to stdout as JSON lines, oldest first."""

    async def write(store: IdentityStore) -> None:
        async for event in store.audit.events(since=since, until=until, tenant=tenant):
            click.echo(json.dumps(event.as_json(), ensure_ascii=False))

    asyncio.run(operator.work(write))


@audit.command()
@click.option("--before", type=MOMENT, metavar=FORMS, required=True, help="At least 90 days ago (default UTC).")
@LOSES
@with_store
async def prune(store: IdentityStore, *, before: datetime, yes: bool) -> str:
    """Delete old audit events permanently."""
    confirm(f"All audit events before {before:%Y-%m-%d %H:%M} UTC will be deleted permanently. Continue?", yes=yes)
    return f"{await store.audit.prune(before)} events were deleted."
