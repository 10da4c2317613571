"""Shared by all commands: the open store, output as a table or JSON, and confirmation before something is lost."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, cast
from urllib.parse import urlsplit

import click

from auth.cli.table import table
from auth.store import IdentityStore
from auth.store.authorization.records import ClientRecord, GrantRecord, InvitationRecord
from auth.store.records import AuditRecord, IdentityRecord, KeyRecord, NewKey

Work = Callable[..., Awaitable[object]]
LOSES: Final = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
"""For a command that takes something away; its function confirms with `sure`."""
IN_TABLES: Final[Mapping[type, tuple[str, ...]]] = MappingProxyType(
    {
        KeyRecord: ("public_id", "tenant", "owner_name", "name", "scopes", "expires_at", "last_used_at", "state"),
        IdentityRecord: ("id", "issuer", "subject", "owner_name", "tenant", "removed_at"),
        InvitationRecord: ("id", "email", "tenant", "role", "expires_at", "state"),
        GrantRecord: ("id", "email", "tenant", "client", "last_used_at", "revoked_because"),
        ClientRecord: ("id", "name", "last_used_at"),
        AuditRecord: ("at", "action", "tenant", "actor", "object", "outcome"),
    }
)
"""The columns shown of records that are too wide for a terminal; JSON has all fields."""


@dataclass(frozen=True, slots=True)
class Linked:
    """A record with the link that an operator sends to a person."""

    record: InvitationRecord
    link: str


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator who runs a command."""

    open_store: Callable[[], AbstractAsyncContextManager[IdentityStore]]
    public_url: Callable[[], str]
    """Returns where clients find the server, without a slash at the end; empty if that is not set."""

    async def work(self, work: Work, **options: Any) -> object:
        """Run `work` with the open store, then close it."""
        async with self.open_store() as store:
            return await work(store, **options)


def with_store(work: Work) -> Callable[..., None]:
    """Turn `work`, which takes the open store and its options, into a click callback that prints its result."""

    def run(operator: Operator, /, *, as_json: bool, **options: Any) -> None:
        answer = asyncio.run(operator.work(work, **options))
        click.echo(as_lines(answer) if as_json else as_text(answer))

    run.__name__, run.__doc__ = work.__name__, work.__doc__  # click derives the name and the help from these
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
    command: Callable[..., None] = option(click.pass_obj(run))
    return command


def confirm(question: str, *, yes: bool) -> None:
    """Return only if the operator confirms. Raises: click.Abort."""
    if not yes:
        # The event loop's own handler would cancel a task, which cannot end while it waits for the operator.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            click.confirm(question, abort=True, err=True)
        finally:
            signal.signal(signal.SIGINT, before)


def as_lines(answer: object) -> str:
    """Return a result as JSON: an array for a list, an object for a single record."""
    plain = [_plain(one) for one in answer] if isinstance(answer, list) else _plain(answer)
    return json.dumps(plain, ensure_ascii=False, indent=2, default=_json)


def as_text(answer: object) -> str:
    """Return a result as text for a terminal."""
    if isinstance(answer, NewKey):
        return f"{table([_row(answer.record)])}\n\nThe key (shown only once):\n{answer.text}"
    if isinstance(answer, Linked):
        return f"{table([_row(answer.record)])}\n\nThe link to send:\n{answer.link}"
    if isinstance(answer, str):
        return answer
    rows: Sequence[object] = answer if isinstance(answer, list) else [answer]
    return table([_row(row) for row in rows])


def _row(record: object) -> dict[str, Any]:
    row = _plain(record)
    match record:
        case AuditRecord():
            row["action"] = record.tool or record.action
            row["outcome"] = ", ".join(filter(None, (record.outcome, record.detail)))
        case GrantRecord():
            client_id = record.authorization.client_id
            row["client"] = urlsplit(client_id).hostname or client_id
        case ClientRecord():
            row["name"] = record.metadata.get("client_name")
    return {name: row[name] for name in IN_TABLES.get(type(record), row)}


def _plain(record: object) -> dict[str, Any]:
    if isinstance(record, NewKey):
        return {"key": record.text, **_plain(record.record)}
    if isinstance(record, Linked):
        return {"link": record.link, **_plain(record.record)}
    if isinstance(record, str):
        return {"done": record}
    if isinstance(record, GrantRecord):
        fields = asdict(record)
        return {"id": fields.pop("id"), **fields.pop("authorization"), **fields}
    return asdict(cast("Any", record))  # one of auth.store.records


def _json(value: object) -> object:
    match value:
        case frozenset():
            return sorted(value)
        case datetime():
            return value.isoformat()
        case _:
            raise TypeError(f"{type(value).__name__} cannot be converted to JSON")
