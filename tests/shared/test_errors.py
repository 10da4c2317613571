"""The error tree: what each error says about the tickets, and how several problems become one message."""

import ast
import builtins
from pathlib import Path
from typing import Final

import pytest

from shared.errors import (
    ConflictError,
    Effect,
    InvalidInputError,
    NotFoundError,
    NotStoredError,
    OutcomeUnknownError,
    Problem,
    TicketServerError,
    UpstreamFaultError,
    UpstreamRefusedError,
    UpstreamUnavailableError,
)


@pytest.mark.parametrize(
    ("error", "kind", "effect"),
    [
        (TicketServerError("x"), "internal", Effect.NOTHING_CHANGED),
        (InvalidInputError("x"), "invalid_input", Effect.NOTHING_CHANGED),
        (NotFoundError("x"), "not_found", Effect.NOTHING_CHANGED),
        (ConflictError("x"), "conflict", Effect.NOTHING_CHANGED),
        (UpstreamUnavailableError("x"), "upstream_unavailable", Effect.NOTHING_CHANGED),
        (UpstreamRefusedError("x"), "upstream_refused", Effect.NOTHING_CHANGED),
        (UpstreamFaultError("x"), "upstream_fault", Effect.NOTHING_CHANGED),
        (NotStoredError("x", effect=Effect.CHANGED), "not_stored", Effect.CHANGED),
        (NotStoredError("x", effect=Effect.NOTHING_CHANGED), "not_stored", Effect.NOTHING_CHANGED),
        (OutcomeUnknownError("x"), "outcome_unknown", Effect.UNKNOWN),
    ],
)
def test_each_error_says_what_happened_to_the_tickets(error: TicketServerError, kind: str, effect: Effect) -> None:
    assert (error.kind, error.effect, str(error)) == (kind, effect, "x")


def test_an_unknown_outcome_is_unsettled_unless_said_otherwise() -> None:
    assert not OutcomeUnknownError("x").settled
    assert OutcomeUnknownError("x", settled=True).settled


def test_one_problem_is_one_sentence_with_its_field() -> None:
    error = InvalidInputError.of([Problem("statusId", "'x' is unknown", ("stat1", "stat2"))])

    assert str(error) == "statusId: 'x' is unknown. Allowed: stat1, stat2."
    assert (error.field, error.allowed) == ("statusId", ("stat1", "stat2"))


def test_several_problems_are_listed_so_that_they_can_be_fixed_in_one_go() -> None:
    problems = [Problem("limit", "must be 1 or more"), Problem("", "nothing to change")]

    error = InvalidInputError.of(problems)

    assert str(error) == "2 problems:\n- limit: must be 1 or more.\n- nothing to change.\n"
    assert (error.field, error.allowed, error.problems) == (None, (), tuple(problems))


def test_a_problem_of_several_fields_together_names_none() -> None:
    assert InvalidInputError.of([Problem("", "nothing to change")]).field is None


ROOT: Final = Path(__file__).resolve().parent.parent.parent
PROGRAM: Final = ("auth", "shared", "transport")
"""The ticket API is a program of its own, with a tree of its own."""


def bases_of_classes() -> dict[str, set[str]]:
    """Return the names of the bases of each class of this program, by its name."""
    files = [*ROOT.glob("*.py"), *(path for folder in PROGRAM for path in (ROOT / folder).rglob("*.py"))]
    return {
        node.name: {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        for path in files
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    }


FOR_VALIDATORS: Final = frozenset({"ValueError"})
"""Pydantic collects only these; the one boundary that reads arguments turns them into `InvalidInputError`."""


def test_every_error_of_this_program_is_in_the_one_tree() -> None:
    builtin = {
        name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
    }

    roots = {name for name, bases in bases_of_classes().items() if bases & (builtin - FOR_VALIDATORS)}

    assert roots == {"TicketServerError"}
