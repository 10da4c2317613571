"""The command `python -m sse_conformance URL`: what it found on stdout, what is wrong with the call on stderr.

Exit codes: 0 every MUST passed (with --promises every promise, too), 1 one failed, 2 the server could not be reached
or the call was wrong.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import httpx2

from sse_conformance import report
from sse_conformance.client import Client, NotConformingError, Target
from sse_conformance.scenarios import SCENARIOS
from sse_conformance.verdict import Outcome, Scenario, outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        target = Target(
            options.url,
            _headers(options.header),
            _headers(options.other_header) if options.other_header else None,
            options.timeout,
        )
        chosen = _chosen(options.only)
        found = asyncio.run(_run(target, chosen, slow=options.slow))
    except _CannotStartError as reason:
        sys.stderr.write(f"{reason}\n")
        return report.UNREACHABLE
    sys.stdout.write((report.as_json(found) if options.json else report.table(found)) + "\n")
    return report.exit_code(found, promises=options.promises)


class _CannotStartError(Exception):
    """The call is wrong, or there is no server to look at; the text says what to do."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sse_conformance", description="Look at an MCP server over HTTP+SSE."
    )
    parser.add_argument("url", help="the SSE endpoint, for example http://127.0.0.1:8080/sse")
    parser.add_argument("--header", action="append", default=[], help="a credential: 'x-api-key: …'; may be repeated")
    parser.add_argument("--other-header", action="append", default=[], help="a credential of somebody else")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="run these alone; * is understood")
    parser.add_argument("--promises", action="store_true", help="let the promises count for the exit code")
    parser.add_argument("--slow", action="store_true", help="run what takes about 20 s, too")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="S", help="seconds each thing may take (10)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _headers(given: Sequence[str]) -> Mapping[str, str]:
    pairs = [text.partition(":") for text in given]
    if not all(colon and name.strip() for name, colon, _ in pairs):
        raise _CannotStartError("A header is written 'name: value'.")
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _chosen(patterns: Sequence[str]) -> list[Scenario]:
    chosen = [one for one in SCENARIOS if not patterns or any(fnmatchcase(one.name, name) for name in patterns)]
    if not chosen:
        names = "\n  ".join(one.name for one in SCENARIOS)
        raise _CannotStartError(f"No scenario has that name. There are:\n  {names}")
    return chosen


async def _run(target: Target, chosen: Sequence[Scenario], *, slow: bool) -> list[Outcome]:
    await _reach(target)
    return [outcome async for outcome in outcomes(target, chosen, slow=slow)]


async def _reach(target: Target) -> None:
    """Pass when an SSE endpoint answers there at all. Raises: _CannotStartError."""
    try:
        async with Client(target) as client:
            status = (await client.get()).status
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise _CannotStartError(f"The server cannot be reached ({type(error).__name__}).") from None
    except NotConformingError as reason:
        raise _CannotStartError(f"The server cannot be reached. {reason}") from None
    if status in {401, 403}:
        raise _CannotStartError(f"The server refuses this client ({status}). Add --header 'x-api-key: …' or the like.")
    if status == 404:
        raise _CannotStartError("There is nothing at that URL (404). Give the one of the SSE endpoint.")


if __name__ == "__main__":
    sys.exit(main())
