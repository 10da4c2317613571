"""Plays tasks: makes the calls of the shortest way with a real client, and collects what a model would read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp import Client, MCPError

from tests.shared.given import rows_of, text_of
from tests.tasks.desk import Desk
from tests.tasks.task import Task
from tests.tasks.verify import problems

_PLACE: Final = re.compile(r"\{([\w.]+)\}")


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    task: Task
    calls: int
    texts: Sequence[str]
    """What the model read, a text for each call."""
    wrong: Sequence[str]
    """What is not as it should be."""


async def play(client: Client, task: Task, desk: Desk) -> Outcome:
    """Do a task, and compare what was said and what is stored with what should be."""
    async with desk.with_tickets_of(task):
        before, results, texts, wrong = desk.rows(), list[Mapping[str, Any]](), list[str](), list[str]()
        try:
            for step in task.way:
                if "meanwhile" in step:
                    await desk.write(step["meanwhile"])
                    continue
                result = await client.call_tool(step["tool"], filled(step.get("arguments", {}), task, desk, results))
                texts.append(text_of(result))
                results.append(result.structured_content or {})
                _check(step, texts[-1], is_error=result.is_error)
        except (AssertionError, LookupError, MCPError) as error:
            wrong.append(f"after {len(texts)} calls: {error!r}")
        wrong += problems(filled_task(task, desk), before, desk.rows(), texts, results) if not wrong else []
    return Outcome(task, len(texts), texts, wrong)


def _check(step: Mapping[str, Any], text: str, *, is_error: bool) -> None:
    due = step.get("refused")
    assert is_error is (due is not None), f"{step['tool']} should {'work' if due is None else 'be refused'}: {text}"
    assert due is None or due in text, f"“{due}” is not in: {text}"


def filled_task(task: Task, desk: Desk) -> Mapping[str, Any]:
    """Return what is promised, with the words of the language."""
    promised = {"shows": task.shows, "changes": task.changes, "creates": task.creates}
    return {name: filled(value, task, desk, ()) for name, value in promised.items()}


def filled(value: Any, task: Task, desk: Desk, results: Sequence[Mapping[str, Any]]) -> Any:
    """Return `value` with words and results in place of `{…}`; what is only such a place keeps its type."""
    if isinstance(value, dict):
        return {name: filled(one, task, desk, results) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [filled(one, task, desk, results) for one in value]
    if not isinstance(value, str):
        return value

    def found(place: str) -> Any:
        if not place[0].isdigit():
            return task.word(place, desk.language)
        number, *path = place.split(".")
        return at_path(results[int(number) - 1], path)

    if whole := _PLACE.fullmatch(value):
        return found(whole[1])
    return _PLACE.sub(lambda place: str(found(place[1])), value)


def at_path(result: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Return the value at a path: names of fields and, from 0, numbers of entries; rows of tables have names too."""
    found: Any = result
    for step in path:
        if isinstance(found, dict) and step == "rows" and "columns" in found:
            found = rows_of(found)
        else:
            found = found[int(step)] if isinstance(found, list) else found[step]
    return found
