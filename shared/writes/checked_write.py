"""Checks the references of a write and determines its acting user."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.errors import InvalidInputError, Problem
from shared.localization import localized
from shared.tickets.acting_user import ToolCall, acting_user
from shared.tickets.master_data import MasterData
from shared.tickets.models import MasterItem, Ticket
from shared.tickets.references import Checked, cut_problems, resolve


async def checked_write(
    master: MasterData,
    values: Mapping[str, Any],
    call: ToolCall,
    acting: str,
    *,
    ticket: Ticket | None = None,
    emptied: Sequence[str] = (),
) -> tuple[Checked, MasterItem]:
    """Return the values of a write with every reference resolved, and its acting user.

    Raises:
        InvalidInputError: it names all problems at once.
    """
    checked = await resolve(master, values, call, ticket=ticket)
    problems = [*checked.problems, *cut_problems(checked.values, ticket)]
    twice = localized("is given a value and is also to be cleared")
    problems += [Problem(name, twice) for name in emptied if name in values]
    author: MasterItem | None = None
    if all(problem.field != acting for problem in problems):
        try:
            author = await acting_user(master, call, acting, checked.items.get(acting))
        except InvalidInputError as error:
            problems += error.problems
    if problems or author is None:
        raise InvalidInputError.of(problems)
    return checked, author
