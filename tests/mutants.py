"""Breaks the code on purpose, one small change at a time, and sees whether the named test notices.

The guard against tests that assert nothing. The changes stand in tests/mutations.d/*.toml, one file per part
of the tree; every entry names the test that has to fail. Works on copies: the checkout is never changed.
`python3 run.py mutants [--only NAME]` runs it; a mutation is killed (good), survived (the test is blind) or
broken (the entry no longer fits the code). The last line counts killed as passed, the others as failed.
"""

import argparse
import multiprocessing
import os
import queue
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
WORKERS: Final = 2
TEST_TIMEOUT_S: Final = 60
"""A mutation that makes its test hang is killed by it: that is what the test run would show, too."""
if sys.platform == "win32":
    FORKED = multiprocessing.get_context("spawn")
else:
    FORKED = multiprocessing.get_context("forkserver")
PRELOADED: Final = [
    *(plugin.module for plugin in entry_points(group="pytest11")),
    *("alembic", "fastapi", "httpx2", "mcp.server", "pydantic_settings", "sqlalchemy.ext.asyncio", "structlog"),
]
"""Other people's modules that cost every test run seconds to import; where processes fork, once is enough."""
NOT_SOURCE: Final = (".git", ".venv", "data", "node_modules", "__pycache__", ".*_cache", ".hypothesis", ".coverage*")


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One change: in `file`, `old` (which occurs there once) becomes `new`, and `test` has to fail."""

    name: str
    file: str
    old: str
    new: str
    test: str
    why: str = ""


class Verdict(StrEnum):
    """What became of a mutation."""

    KILLED = "killed"
    SURVIVED = "survived"
    BROKEN = "broken"


def load(root: Path) -> list[Mutation]:
    """Return the entries of all lists below `root`. Raises: TypeError for a missing or unknown key."""
    lists = sorted((root / "tests" / "mutations.d").glob("*.toml"))
    return [Mutation(**entry) for one in lists for entry in tomllib.loads(one.read_text("utf-8"))["mutation"]]


def mutated(text: str, mutation: Mutation) -> str:
    """Return `text` with the change made. Raises: ValueError when there is not exactly one place for it."""
    places = text.count(mutation.old)
    if places != 1:
        raise ValueError(f"`old` occurs {places} times in {mutation.file}, it has to occur once")
    if mutation.new == mutation.old:
        raise ValueError("`new` equals `old`")
    return text.replace(mutation.old, mutation.new)


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[int | None, str]:
    """Run `tests` in `tree`; return pytest's exit code, None if they had to be killed as a whole, and the output."""
    log = tree / "mutants.log"
    process = FORKED.Process(target=be_pytest, args=(tree, tests, log))
    process.start()
    process.join((len(tests) + 1) * TEST_TIMEOUT_S)
    if (code := process.exitcode) is None:
        process.kill()
        process.join()
    return code, log.read_text("utf-8", errors="replace")


def be_pytest(tree: Path, tests: Sequence[str], log: Path) -> None:
    """Become a test run in `tree`; happens in a process of its own, which has loaded no code of ours."""
    with log.open("wb") as output:  # not a pipe, which a server that outlives its test would keep open
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    os.chdir(tree)
    sys.path[:] = [folder for folder in sys.path if Path(folder) != Path(__file__).parent]
    # No rewriting of assertions: the plugins are loaded already, and nobody reads why a mutant died.
    options = ("-x", "-q", "-p", "no:cacheprovider", "--assert=plain", f"--timeout={TEST_TIMEOUT_S}")
    sys.exit(pytest.main([*options, *tests]))


def try_one(tree: Path, mutation: Mutation) -> tuple[Verdict, str]:
    """Make the change in `tree`, run its test, undo the change; return the verdict and what explains it."""
    path = tree / mutation.file
    try:
        original = path.read_bytes()
        path.write_bytes(mutated(original.decode("utf-8"), mutation).encode("utf-8"))
    except (OSError, ValueError) as error:
        return Verdict.BROKEN, str(error)
    try:
        code, output = run_tests(tree, [mutation.test])
    finally:
        path.write_bytes(original)
    if code == 1:
        return Verdict.KILLED, ""
    if code == 0:
        return Verdict.SURVIVED, f"{mutation.test} passes although {mutation.old!r} became {mutation.new!r}"
    return Verdict.BROKEN, f"pytest ended with {code}, nothing was asserted:\n{output}"


def try_all(mutations: Sequence[Mutation], trees: Sequence[Path]) -> list[tuple[Verdict, str]]:
    """Try every mutation, as many at once as there are `trees`; say how each ended, and return what was said."""
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for tree in trees:
        free.put(tree)

    def attempt(mutation: Mutation) -> tuple[Verdict, str]:
        tree, started = free.get(), time.monotonic()
        try:
            verdict, why = try_one(tree, mutation)
        finally:
            free.put(tree)
        said = f"{verdict:9}{time.monotonic() - started:5.1f} s  {mutation.name}{why and f': {why}'}"
        print(said, flush=True)
        return verdict, said

    with ThreadPoolExecutor(len(trees)) as pool:
        return list(pool.map(attempt, mutations))


def failures_unmutated(mutations: Sequence[Mutation], trees: Sequence[Path]) -> str:
    """Return the output of the named tests that fail on the code as it is: they would seem to kill everything."""
    # Sorted, because pytest forgets the fixtures of a folder that it comes back to.
    tests = sorted({mutation.test for mutation in mutations})
    shares = [tests[start :: len(trees)] for start in range(min(len(trees), len(tests)))]
    with ThreadPoolExecutor(len(trees)) as pool:
        results = pool.map(run_tests, trees, shares)
        return "".join(output for code, output in results if code != 0)


def main(arguments: Sequence[str]) -> int:
    """Return 0 when every mutation was killed, else 1."""
    parser = argparse.ArgumentParser(prog="run.py mutants", description="Break the code, see the tests fail.")
    parser.add_argument("--only", metavar="NAME", help="try the mutations whose name contains this")
    only = parser.parse_args(arguments).only or ""
    mutations = [mutation for mutation in load(ROOT) if only in mutation.name]
    if not mutations:
        parser.error(f"no mutation's name contains {only!r}")

    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # compiled files are matched by second and size: too coarse here
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(scratch, "hypothesis"))  # its finds in broken code
        FORKED.set_forkserver_preload(PRELOADED)
        trees = [Path(scratch, f"tree{number}") for number in range(WORKERS)]
        for tree in trees:
            shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*NOT_SOURCE))
        if output := failures_unmutated(mutations, trees):
            print(f"{output}\nThe tests named do not pass on the unchanged code.\n0 passed, {len(mutations)} failed")
            return 1
        ends = try_all(mutations, trees)

    verdicts = [verdict for verdict, _ in ends]
    for said in (said for verdict, said in ends if verdict is not Verdict.KILLED):
        print(said)  # once more, where it is found: a log of hundreds of lines may be cut in the middle
    killed, survived, broken = (verdicts.count(verdict) for verdict in Verdict)
    print(f"{len(verdicts)} mutations: {killed} killed, {survived} survived, {broken} broken")
    print(f"{killed} passed, {survived + broken} failed")
    return 0 if killed == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
