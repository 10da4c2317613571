"""Play the tasks, print what they take, and write docs/tools.md: `python -m tests.tasks`.

`python -m tests.tasks plate triage` plays only some, prints what a model would read, and writes nothing.
It runs on the Python of the tests.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.tasks.day import played
from tests.tasks.table import RUNS, table, write


def main(names: list[str]) -> int:
    """Return 0 if every task was done."""
    runs = {}
    for kind, language in RUNS:
        with tempfile.TemporaryDirectory(prefix="tasks-") as folder:
            runs[kind, language] = asyncio.run(
                played("stdio", kind, language, Path(folder), chosen=lambda task: not names or task.name in names)
            )
        for one, tokens in runs[kind, language]:
            print(
                f"== {kind} {language} {one.task.name}: {one.calls} calls, {tokens} tokens, at most {one.task.budget}"
            )
            if names:
                print(*one.texts, sep="\n--\n")
            for text in one.wrong:
                print("WRONG", text)
    is_done = not any(one.wrong for run in runs.values() for one, _ in run)
    if is_done and not names:
        write(table(runs))
    return int(not is_done)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
