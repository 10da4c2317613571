"""`python -m auth audit …`: what was done and refused, by whom."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import click

from auth.cli.context import LOSES, Operator, sure, with_store
from auth.cli.users import ONE_TENANT
from auth.store import IdentityStore
from auth.store.records import AuditRecord


class Moment(click.DateTime):
    """A day or a moment, in UTC where it names no zone."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return it aware."""
        moment: datetime = super().convert(value, param, ctx)
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


MOMENT = Moment(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])
FORMS: Final = "YYYY-MM-DD[THH:MM:SS[+HH:MM]]"


def between(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--since` and `--until`."""
    until = click.option("--until", type=MOMENT, metavar=FORMS, help="Only from before this moment; in UTC.")
    since = click.option("--since", type=MOMENT, metavar=FORMS, help="Only from this moment on; in UTC.")
    return since(until(command))


@click.group()
def audit() -> None:
    """What was done and refused, by whom."""


@audit.command(name="list")
@ONE_TENANT
@between
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
@with_store
async def list_(
    store: IdentityStore, *, tenant: str | None, since: datetime | None, until: datetime | None, limit: int
) -> list[AuditRecord]:
    """Show the newest events first. All that is known of each is in `--json` and `audit export`."""
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
    """Write every event as a line of JSON, the oldest first."""

    async def write(store: IdentityStore) -> None:
        async for event in store.audit.events(since=since, until=until, tenant=tenant):
            click.echo(json.dumps(event.as_json(), ensure_ascii=False))

    asyncio.run(operator.work(write))


@audit.command()
@click.option("--before", type=MOMENT, metavar=FORMS, required=True, help="90 days ago or earlier.")
@LOSES
@with_store
async def prune(store: IdentityStore, *, before: datetime, yes: bool) -> str:
    """Delete old events for good."""
    sure(f"Every event from before {before:%Y-%m-%d %H:%M} UTC will be deleted. Go on?", yes=yes)
    return f"{await store.audit.prune(before)} events were deleted."
