"""The command `python3 run.py bench`."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.document import rewrite
from bench.figures import Figure, Run
from bench.instructions import is_possible
from bench.lab import Lab
from bench.measures import TITLES, measure
from bench.process import LOAD_CORE
from bench.report import report
from bootstrap.machine import say, stop

FAILURES: Final = (RuntimeError, OSError, EOFError, ExceptionGroup, subprocess.SubprocessError)
"""How measuring a row fails: a server does not start, ends, or responds with an error."""


def main(arguments: Sequence[str]) -> None:
    """Measure the given rows and print their tables."""
    options = _parser().parse_args(arguments)
    if options.write and (options.rows or options.quick):
        stop("`--write` needs a run of all rows, without `--quick`.")
    if options.figures:
        run = Run.read(options.figures)
    else:
        run = Run.of(_figures(_rows(options.rows), is_quick=options.quick))
    print(report(run))
    if options.json:
        run.write(options.json)
    measured = {figure.row for figure in run.figures}
    if missing := [key for key in options.rows or TITLES if key not in measured]:
        stop(f"not measured: {', '.join(missing)}")
    if options.write:
        rewrite(run)


def _parser() -> argparse.ArgumentParser:
    rows = "\n".join(f"  {key:18}{title}" for key, title in TITLES.items())
    parser = argparse.ArgumentParser(
        prog="run.py bench", description=f"Measures this server beside others. The rows:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("rows", nargs="*", metavar="ROW", help="what to measure; by default everything")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, 1,000 tickets, no instructions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    parser.add_argument("--figures", type=Path, metavar="FILE", help="measure nothing: take those of an earlier --json")
    parser.add_argument("--write", action="store_true", help="rewrite docs/performance.md and bench/ratios.toml")
    return parser


def _rows(asked: Sequence[str]) -> Sequence[str]:
    if unknown := sorted(set(asked) - TITLES.keys()):
        stop(f"there are no rows {', '.join(unknown)}. The rows are: {', '.join(TITLES)}.")
    if sys.platform != "linux":
        stop("`bench` reads the processor time of threads, which only Linux shows.")
    if not is_possible():
        say("instructions are not counted, because valgrind is missing: `apt-get install valgrind`")
    return asked or list(TITLES)


def _figures(keys: Sequence[str], *, is_quick: bool) -> Iterator[Figure]:
    os.sched_setaffinity(0, {LOAD_CORE % (os.cpu_count() or 1)})
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as running:
        lab = Lab(Path(folder), running, is_quick=is_quick)
        for key in keys:
            begun = time.monotonic()
            try:
                yield from measure(key, lab, is_quick=is_quick)
            except FAILURES as error:  # the other rows still count
                say(f"{key} could not be measured: {error!r}")
            else:
                say(f"{key} measured in {time.monotonic() - begun:.0f} s")
            lab.tidy()


if __name__ == "__main__":
    main(sys.argv[1:])
