"""Stack traces for the log: where an exception was raised and its class, with its text where that is harmless. Pure.

The text of an exception may repeat what it is about: an argument, a row, an address with a password. Only the
interpreter itself is known not to do that. The form is Python's own, which Error Reporting recognises and groups by.
"""

import traceback
from collections.abc import Iterator
from typing import Final

_HARMLESS: Final = (OSError, AttributeError, ImportError, NameError, TypeError, MemoryError, RecursionError)
_OF_PYTHON: Final = frozenset({"builtins", "socket", "ssl"})
_DEEPEST: Final = 10
"""Exceptions that led to one another, or groups inside groups."""


def stack_trace(error: BaseException) -> str:
    """Return the stack trace of `error` and of those that led to it, the first one first."""
    return "\n".join(_lines(error, _DEEPEST))


def _lines(error: BaseException, depth: int) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and depth:
        yield from _lines(before, depth - 1)
        yield ""
        yield "During handling of the above exception, another exception occurred:"
        yield ""
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):"
        yield from "".join(traceback.format_tb(error.__traceback__)).rstrip().splitlines()
    yield _said(error)
    if isinstance(error, BaseExceptionGroup) and depth:
        for number, one in enumerate(error.exceptions, 1):
            yield f"  +---------------- {number} ----------------"
            yield from (f"  | {line}" for line in _lines(one, depth - 1))


def _said(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if kind.__module__ in _OF_PYTHON and isinstance(error, _HARMLESS) and (text := str(error)):
        return f"{name}: {text}"
    return name
