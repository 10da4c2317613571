"""`@kills(file, old, new)` above a test: the test has to fail once `old` has become `new` in `file`.

Such a one-line change is a mutation: it breaks what the test promises, and `python3 run.py mutants` makes each one in
a copy of the tree and runs the test. The arguments are plain strings, because that program reads them without
importing the tests:

- `file`: the file to change, from the root of the checkout; of any kind, not only Python;
- `old`: a short fragment that occurs exactly once in it;
- `new`: what stands there instead, so that the code is wrong but still runs.

At most two above one test, and in all at most as many as tests/test_mutants.py allows: for promises of docs/, bounds,
security, the separation of organisations, and what happens exactly once.
"""

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., object])


def kills(file: str, old: str, new: str) -> Callable[[Test], Test]:
    """Say which change the test notices; the test itself stays as it is."""
    return lambda test: test
