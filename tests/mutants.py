"""Break the code on purpose, one small change at a time, and check that the test beside the change fails.

This guards against tests that assert nothing. The changes are declared above their tests (tests/kills.py) and made in
copies; the checkout never changes. `python3 run.py mutants [--only NAME]` runs it, where NAME is part of the name of a
test or of a changed file. A mutation is killed (good), survived (the test does not detect it) or broken (it does not
fit the code, or its test fails anyway or cannot run). The last line counts killed as passed and the others as failed.
"""

import argparse
import ast
import compileall
import gc
import json
import multiprocessing
import os
import queue
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
WORKERS: Final = 3
"""Three on two cores: a failing test often first waits for something that does not come."""
TEST_TIMEOUT_S: Final = 120
HANGS_S: Final = 10
HANGS_TIMES: Final = 5
"""A test on changed code hangs when it takes these seconds and so many times as long as on the unchanged code."""
"""A mutation that makes its test hang counts as killed: a test run would show it too."""
if sys.platform == "win32":
    FORKED = multiprocessing.get_context("spawn")
else:
    FORKED = multiprocessing.get_context("forkserver")
PRELOADED: Final = [
    *(plugin.module for plugin in entry_points(group="pytest11")),
    *("alembic", "asyncpg", "fastapi", "httpcore2", "httpx2", "mcp.server", "pydantic_settings", "redis.asyncio"),
    *("sqlalchemy.dialects.sqlite.aiosqlite", "sqlalchemy.ext.asyncio", "uvicorn"),
]
"""Third-party modules that take every test run seconds to import; where processes fork, once is enough."""
NOT_SOURCE: Final = (".git", ".venv", "data", "node_modules", "__pycache__", ".*_cache", ".hypothesis", ".coverage*")


@dataclass(frozen=True)
class Mutation:
    """One change: replace `old`, which occurs once in `file`, by `new`; then `test` must fail."""

    test: str
    file: str
    old: str
    new: str

    def __str__(self) -> str:
        """Return one line by which it can be recognised and selected with `--only`."""
        return f"{self.test}  {self.file}: {self.old!r} -> {self.new!r}"


class Outcome(IntEnum):
    """How a test ended; of its parametrizations the highest value counts."""

    SKIPPED = 0
    PASSED = 1
    UNFINISHED = 2
    FAILED = 3


class Run(NamedTuple):
    """Result of a test run: outcome and seconds of each test by name, and the output."""

    outcomes: Mapping[str, Outcome]
    seconds: Mapping[str, float]
    timed_out: bool
    output: str


class Verdict(StrEnum):
    """Result of a mutation."""

    KILLED = "killed"
    SURVIVED = "survived"
    BROKEN = "broken"


def load(root: Path) -> list[Mutation]:
    """Return all mutations of the tests below `root`. Raises: TypeError, ValueError if one is not three strings."""
    sources = {file: file.read_text("utf-8") for file in sorted((root / "tests").rglob("test_*.py"))}
    return [
        mutation
        for file, source in sources.items()
        if "@kills(" in source
        for mutation in in_body(ast.parse(source).body, file.relative_to(root).as_posix())
    ]


def in_body(body: Sequence[ast.stmt], name: str) -> Iterator[Mutation]:
    """Yield the mutations above the functions in the body of a module or class called `name`."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from in_body(node.body, f"{name}::{node.name}")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "kills":
                    yield Mutation(f"{name}::{node.name}", *map(ast.literal_eval, decorator.args))


def of_name(mutations: Sequence[Mutation], name: str) -> list[Mutation]:
    """Return those with `name` in the name of the test or of the changed file."""
    return [mutation for mutation in mutations if name in mutation.test or name in mutation.file]


def mutated(text: str, mutation: Mutation) -> str:
    """Return `text` with the change made. Raises: ValueError unless `old` occurs exactly once."""
    places = text.count(mutation.old)
    if places != 1:
        raise ValueError(f"`old` occurs {places} times in {mutation.file}, it must occur once")
    if mutation.new == mutation.old:
        raise ValueError("`new` equals `old`")
    return text.replace(mutation.old, mutation.new)


class Report:
    """A pytest plugin that writes each outcome to a file immediately, because the process may then end in any way."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._outcome = Outcome.UNFINISHED
        self._began = 0.0

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Record that a test begins."""
        self._outcome, self._began = Outcome.UNFINISHED, time.monotonic()
        self._write(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record that set-up, call or teardown has ended."""
        if report.failed:
            self._outcome = Outcome.FAILED
            self._write(report.nodeid)
        elif report.skipped:
            self._outcome = Outcome.SKIPPED

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Record that the whole test has ended."""
        if self._outcome is Outcome.UNFINISHED:
            self._outcome = Outcome.PASSED
        self._write(nodeid)

    def _write(self, nodeid: str) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            print(json.dumps([nodeid, self._outcome, time.monotonic() - self._began]), file=file)


def read_report(file: Path) -> tuple[dict[str, Outcome], dict[str, float]]:
    """Return the outcome and the seconds of each test in a file of `Report`, all parametrizations combined."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    last = {nodeid: (Outcome(outcome), took) for nodeid, outcome, took in map(json.loads, lines)}
    outcomes: dict[str, Outcome] = {}
    seconds: dict[str, float] = {}
    for nodeid, (outcome, took) in last.items():
        test = nodeid.partition("[")[0]
        outcomes[test] = max(outcome, outcomes.get(test, outcome))
        seconds[test] = seconds.get(test, 0.0) + took
    return outcomes, seconds


def run_tests(tree: Path, tests: Sequence[str], *options: str, test_s: float = TEST_TIMEOUT_S) -> Run:
    """Run `tests` in `tree`, each for at most `test_s` seconds, and end the whole run if it takes too long.

    The exit code is ignored: several threads start processes here, each start reaps all of them, and a thread that
    finds its child already reaped reads 255 instead (`multiprocessing.popen_forkserver`).
    """
    log, report = tree / "mutants.log", tree / "mutants.report"
    report.unlink(missing_ok=True)
    options = (*options, f"--timeout={test_s:.0f}")
    process = FORKED.Process(target=be_pytest, args=(tree, tests, options, log, report))
    process.start()
    process.join((len(tests) + 1) * test_s)
    if timed_out := process.is_alive():
        process.kill()
        process.join()
    return Run(*read_report(report), timed_out, log.read_text("utf-8", errors="replace"))


def be_pytest(tree: Path, tests: Sequence[str], options: Sequence[str], log: Path, report: Path) -> None:
    """Become a test run in `tree`, in a process that has not loaded any code of this project."""
    gc.freeze()  # pytest collects garbage several times, and the preloaded modules contain none
    with log.open("wb") as output:  # not a pipe: a server that outlives its test would keep it open
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    os.chdir(tree)
    sys.path[:] = [folder for folder in sys.path if Path(folder) != Path(__file__).parent]
    # No assertion rewriting: the plugins are already loaded, and the reason a mutant failed is never read.
    always = ("-q", "-p", "no:cacheprovider", "--assert=plain", "-m", "not long")
    pytest.main([*always, *options, *tests], plugins=[Report(report)])


def try_one(tree: Path, mutation: Mutation, *, within_s: float) -> tuple[Verdict, str]:
    """Make the change in `tree`, run its test, undo the change; return the verdict and its explanation.

    A test that is not over after `within_s` seconds has failed: it waits for what does not come any more.
    """
    path = tree / mutation.file
    try:
        original = path.read_bytes()
        path.write_bytes(mutated(original.decode("utf-8"), mutation).encode("utf-8"))
    except (OSError, ValueError) as error:
        return Verdict.BROKEN, str(error)
    try:
        run = run_tests(tree, [mutation.test], "-x", test_s=within_s)
    finally:
        path.write_bytes(original)
    match run.outcomes.get(mutation.test):
        case Outcome.FAILED:
            return Verdict.KILLED, ""
        case Outcome.UNFINISHED if run.timed_out:
            return Verdict.KILLED, ""
        case Outcome.PASSED:
            return Verdict.SURVIVED, "the test still passes"
        case _:
            return Verdict.BROKEN, f"the test did not run to its end:\n{run.output}"


def try_all(mutations: Sequence[Mutation], trees: Sequence[Path]) -> list[tuple[Verdict, str]]:
    """Try every mutation, one at a time in each of `trees`; print and return how each ended."""
    unmutated = run_unmutated(mutations, trees)
    longest_first = sorted(mutations, key=lambda mutation: -unmutated.seconds.get(mutation.test, 0.0))
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for tree in trees:
        free.put(tree)

    def attempt(mutation: Mutation) -> tuple[Verdict, str]:
        tree, started = free.get(), time.monotonic()
        try:
            if unmutated.outcomes.get(mutation.test) is Outcome.PASSED:
                within_s = HANGS_S + HANGS_TIMES * unmutated.seconds[mutation.test]
                verdict, why = try_one(tree, mutation, within_s=within_s)
            else:
                verdict, why = Verdict.BROKEN, "the test does not pass on the unchanged code"
        finally:
            free.put(tree)
        line = f"{verdict:9}{time.monotonic() - started:5.1f} s  {mutation}{why and f': {why}'}"
        print(f"{line}\n", end="", flush=True)  # one write: another thread prints as well
        return verdict, line

    with ThreadPoolExecutor(len(trees)) as pool:
        return list(pool.map(attempt, longest_first))


def run_unmutated(mutations: Sequence[Mutation], trees: Sequence[Path]) -> Run:
    """Run all named tests on the unchanged code; a test that fails there would appear to kill everything."""
    # Sorted, because pytest forgets the fixtures of a folder that it returns to.
    tests = sorted({mutation.test for mutation in mutations})
    shares = [tests[start :: len(trees)] for start in range(min(len(trees), len(tests)))]
    with ThreadPoolExecutor(len(trees)) as pool:
        runs = list(pool.map(run_tests, trees, shares))
    outcomes = {test: outcome for run in runs for test, outcome in run.outcomes.items()}
    seconds = {test: took for run in runs for test, took in run.seconds.items()}
    output = "".join(run.output for run in runs)
    if any(outcomes.get(test) is not Outcome.PASSED for test in tests):
        print(output)
    return Run(outcomes, seconds, any(run.timed_out for run in runs), output)


def main(arguments: Sequence[str]) -> int:
    """Return 0 if every mutation was killed, else 1."""
    parser = argparse.ArgumentParser(prog="run.py mutants", description="Break the code and check that the tests fail.")
    parser.add_argument("--only", metavar="NAME", help="try only tests or changed files with this in their name")
    only = parser.parse_args(arguments).only or ""
    mutations = of_name(load(ROOT), only)
    if not mutations:
        parser.error(f"{only!r} is not in the name of any test or changed file")

    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(scratch, "hypothesis"))  # examples found in broken code
        FORKED.set_forkserver_preload(PRELOADED)
        trees = [Path(scratch, f"tree{number}") for number in range(WORKERS)]
        for tree in trees:
            shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*NOT_SOURCE))
            # Compiled files are matched by content: by time and size, the default, is too coarse here.
            compileall.compile_dir(tree, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        ends = try_all(mutations, trees)

    verdicts = [verdict for verdict, _ in ends]
    for line in (line for verdict, line in ends if verdict is not Verdict.KILLED):
        print(line)  # repeated at the end: a log of hundreds of lines may be cut in the middle
    killed, survived, broken = (verdicts.count(verdict) for verdict in Verdict)
    print(f"{len(verdicts)} mutations: {killed} killed, {survived} survived, {broken} broken")
    print(f"{killed} passed, {survived + broken} failed")
    return 0 if killed == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
