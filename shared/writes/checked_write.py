"""Checks the references of a write and determines its acting user."""

from collections.abc import Iterator, Mapping, Sequence
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
    further: Sequence[Problem] = (),
) -> tuple[Checked, MasterItem]:
    """Return the values of a write with every reference resolved, and its acting user.

    Args:
        master: the master data.
        values: of the call, by the API's field names.
        call: the call.
        acting: the argument that names the acting user.
        ticket: the ticket before an update.
        emptied: fields to clear.
        further: problems that are known already.

    Raises:
        InvalidInputError: it names all problems at once.
    """
    checked = await resolve(master, values, call, ticket=ticket)
    problems = [*checked.problems, *cut_problems(checked.values, ticket)]
    twice = localized("is given a value and is also to be cleared")
    problems += [Problem(name, twice) for name in emptied if name in values]
    problems += [*_excluding(values, emptied), *further]
    author: MasterItem | None = None
    if all(problem.field != acting for problem in problems):
        try:
            author = await acting_user(master, call, acting, checked.items.get(acting))
        except InvalidInputError as error:
            problems += error.problems
    if problems or author is None:
        raise InvalidInputError.of(problems)
    return checked, author


def _excluding(values: Mapping[str, Any], emptied: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem for each value that another one excludes, or that lacks what it belongs to."""
    if "addEffortHours" in values and ("actualEffortHours" in values or "actualEffortHours" in emptied):
        yield Problem(
            "addEffortHours", localized("is added to actualEffortHours, which is also given; give one of them")
        )
    if "visibility" in values and "comment" not in values:
        yield Problem("visibility", localized("is that of a comment, and no comment is given"))
