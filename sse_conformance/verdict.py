"""What a scenario is, how it reports its findings, and how scenarios are run in sequence."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import httpx2

from sse_conformance.client import Client, NotConformingError, Target


class Level(StrEnum):
    """The weight of a scenario."""

    MUST = "MUST"
    """The text of 2024-11-05 requires it, or states it as a fact without which the wire does not work."""
    SHOULD = "SHOULD"
    """The text of 2024-11-05 recommends it."""
    PROMISE = "promise"
    """The text is silent; the ticket server's docs/sessions.md promises it."""


class ScenarioResult(StrEnum):
    """The result of a scenario."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


class NotApplicableError(Exception):
    """The server or the options give the scenario nothing to check; the message says why."""


Check = Callable[[Client], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One behaviour that a server has or does not have."""

    name: str
    level: Level
    source: str
    rule: str
    """What `source` asks, in one or two sentences."""
    check: Check
    """Raises NotConformingError or NotApplicableError."""
    slow: bool = False
    """Takes about 20 s, so it runs only with `--slow`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one scenario, and the reason."""

    scenario: Scenario
    result: ScenarioResult
    why: str = ""


def scenario(level: Level, source: str, *, slow: bool = False) -> Callable[[Check], Scenario]:
    """Make a scenario from a function; its name is that of the function, with hyphens, and its rule the docstring."""

    def make(check: Check) -> Scenario:
        rule = " ".join((check.__doc__ or "").split())
        return Scenario(check.__name__.replace("_", "-"), level, source, rule, check, slow)

    return make


def collect(module: Mapping[str, Any]) -> tuple[Scenario, ...]:
    """Return the scenarios in a module's namespace, in their order."""
    return tuple(value for value in module.values() if isinstance(value, Scenario))


async def outcomes(target: Target, scenarios: Iterable[Scenario], *, slow: bool) -> AsyncIterator[Outcome]:
    """Run scenarios in sequence, each with its own connections, and yield their outcomes."""
    for one in scenarios:
        if one.slow and not slow:
            yield Outcome(one, ScenarioResult.NOT_APPLICABLE, "It takes about 20 s: add --slow.")
        else:
            yield await _outcome(target, one)


async def _outcome(target: Target, one: Scenario) -> Outcome:
    def failed(reason: str) -> Outcome:
        return Outcome(one, ScenarioResult.FAILED, f"{reason} Rule ({one.source}): {one.rule}")

    try:
        async with asyncio.timeout(30 + 6 * target.timeout_s), Client(target) as client:
            await one.check(client)
    except NotApplicableError as reason:
        return Outcome(one, ScenarioResult.NOT_APPLICABLE, str(reason))
    except NotConformingError as reason:
        return failed(str(reason))
    except httpx2.HTTPError as error:
        return failed(f"The connection failed ({type(error).__name__}).")
    except TimeoutError:
        return failed("It took too long in total.")
    return Outcome(one, ScenarioResult.PASSED)
