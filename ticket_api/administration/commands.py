"""What the commands on master data do, over an open database."""

import argparse
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy import RowMapping

from shared.command_lines import data_command_line
from ticket_api.administration import usual, writes
from ticket_api.administration.kinds import CATEGORIES, CATEGORY_DETAILS, Kind
from ticket_api.administration.session import Session
from ticket_api.errors import BadInputError
from ticket_api.http.models.base import RequestModel
from ticket_api.http.refusals import describe
from ticket_api.store import master
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search.folding import fold

SHOWN: Final = ("id", "name", "email", "role", "category_id", "category_name", "completed", "parent_category")
"""The columns that a list shows, as far as a kind has them."""
Done = Sequence[tuple[Kind, str, str]]
"""Rows by kind and id, each with what was done to it."""


async def add(session: Session, options: argparse.Namespace) -> int:
    """Add one row; a category also with details. Raises: ApiError."""
    kind: Kind = options.kind
    body = checked(kind.new, {"id": options.id, "name": options.name, **_fields(options)})
    names = getattr(options, "detail", None) or ()
    if len({fold(name.strip()) for name in names}) < len(names):
        raise BadInputError("--detail gives the same name more than once.")
    details = [checked(CATEGORY_DETAILS.fields, {"name": name}) for name in names]

    def work(db: TenantConnection) -> Done:
        id_ = writes.add(db, kind, writes.values_of(body))
        made = [(kind, id_, "added")]
        for detail in details:
            values = {**writes.values_of(detail), "category_id": id_}
            made.append((CATEGORY_DETAILS, writes.add(db, CATEGORY_DETAILS, values), "added"))
        return made

    return await _write(session, options, work)


async def change(session: Session, options: argparse.Namespace) -> int:
    """Change the fields of one row that are given. Raises: ApiError."""
    kind: Kind = options.kind
    values = writes.values_of(checked(kind.fields, {"name": options.name, **_fields(options)}))
    if not values:
        raise BadInputError("Nothing to change: give the name or another field; --help lists them.")
    return await _write(session, options, lambda db: [(kind, options.id, writes.change(db, kind, options.id, values))])


async def remove(session: Session, options: argparse.Namespace) -> int:
    """Remove one row that nothing refers to. Raises: ApiError."""
    kind: Kind = options.kind

    def work(db: TenantConnection) -> Done:
        writes.remove(db, kind, options.id)
        return [(kind, options.id, "removed")]

    return await _write(session, options, work)


async def add_usual(session: Session, options: argparse.Namespace) -> int:
    """Fill lists that are empty with usual choices. Raises: ApiError."""

    def work(db: TenantConnection) -> Done:
        return [(kind, id_, "added") for kind, id_ in usual.add_usual(db, options.language)]

    return await _write(session, options, work)


async def show(session: Session, options: argparse.Namespace) -> int:
    """List the rows of a kind; of categories, also their details."""
    kind: Kind = options.kind
    rows = await session.read(lambda db: _rows(db, kind))
    for line in aligned([[_cell(name, row[name]) for name in SHOWN if name in row] for row in rows]):
        session.show(line)
    if not rows:
        session.tell(f"There are no {kind.path.replace('-', ' ')} yet.")
    if kind is CATEGORIES:
        session.tell(f"Their details: {data_command_line('category-details')} list")
    return 0


def checked(model: type[RequestModel], values: Mapping[str, Any]) -> RequestModel:
    """Return `values`, by field, as the API would take them. Raises: BadInputError."""
    given = {to_camel(name): _stripped(value) for name, value in values.items() if value is not None}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise describe({**first, "loc": ("body", *first["loc"])}) from None


async def _write(session: Session, options: argparse.Namespace, work: Any) -> int:
    """Do `work`, which returns what it did, and say so."""
    done: Done = await session.write(work, dry_run=options.dry_run)
    for kind, id_, outcome in done:
        if options.dry_run:
            session.show(f"{kind.one} {id_} would be {outcome}")
            continue
        session.show(f"{kind.one} {id_} {outcome}")
        if outcome != "unchanged":
            await session.audit(f"master_data_{outcome}", f"{kind.path}/{id_}")
    if not done:
        session.tell("Nothing to do: every list has rows already.")
    if not options.dry_run:
        await session.finish_renames()
    return 0


def _fields(options: argparse.Namespace) -> dict[str, Any]:
    kind: Kind = options.kind
    return {name: getattr(options, name) for name in kind.fields.model_fields if name != "name"}


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _rows(db: TenantConnection, kind: Kind) -> Sequence[RowMapping]:
    if kind is CATEGORY_DETAILS:
        return master.list_details(db, None)
    if "order_no" in kind.table.c:
        return master.list_choices(db, kind.table)
    return master.list_users(db, None)


def _cell(name: str, value: Any) -> str:
    if name == "completed":
        return "completed" if value else ""
    return value or ""


def aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Yield the rows as lines with aligned columns; a character of an East Asian font takes two places."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)
