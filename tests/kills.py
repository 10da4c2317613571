"""`@kills(file, old, new)` above a test: the test must fail once `old` is replaced by `new` in `file`.

A change of one line is called a mutation: it breaks what the test promises. `python3 run.py mutants` applies each one
to a copy of the tree and runs the test. The arguments are plain strings, because that program reads them without
importing the tests:

- `file`: the file to change, relative to the root of the checkout; any kind, not only Python;
- `old`: a short fragment that occurs exactly once in it;
- `new`: its replacement, with which the code is wrong but still runs.

At most two per test, and no more in total than tests/test_mutants.py allows: for promises of docs/, bounds, security,
isolation of organisations, and what happens exactly once.
"""

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., object])


def kills(file: str, old: str, new: str) -> Callable[[Test], Test]:
    """Declare a change that the test detects; the test itself is unchanged."""
    return lambda test: test
