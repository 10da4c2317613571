"""The Japanese page for support staff: what it advises to ask is what the tasks of a support day play."""

import re
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
HEAD: Final = re.compile(r"^\| 頼むこと \| .+\n\|[-|]+\|\n((?:\|.*\n)+)", re.MULTILINE)


def test_every_example_of_the_page_is_a_task_that_is_played() -> None:
    page = (ROOT / "docs/assistant.ja.md").read_text("utf-8")
    files = [tomllib.loads(path.read_text("utf-8")) for path in (ROOT / "tests/tasks").glob("*.toml")]
    played = {re.sub("（[^）]*）$", "", task["ja"]) for tasks in files for task in tasks.values() if "ja" in task}

    examples = [row.split("|")[1].strip() for rows in HEAD.findall(page) for row in rows.splitlines()]

    assert len(examples) > 10
    assert [one for one in examples if one not in played] == []
