"""The command `python -m sse_conformance URL`: results on stdout, wrong arguments on stderr.

Exit codes: 0 every MUST passed (with --promises every promise, too), 1 one failed, 2 the server could not be reached
or the arguments were wrong.
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
            _origins(options.origin),
        )
        chosen = _chosen(options.only)
        found = asyncio.run(_run(target, chosen, slow=options.slow))
    except _CannotStartError as reason:
        sys.stderr.write(f"{reason}\n")
        return report.UNREACHABLE
    sys.stdout.write((report.as_json(found) if options.json else report.table(found)) + "\n")
    return report.exit_code(found, promises=options.promises)


class _CannotStartError(Exception):
    """The arguments are wrong, or the server cannot be reached; the message says what to do."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sse_conformance", description="Check the conformance of an MCP server over HTTP+SSE."
    )
    parser.add_argument("url", help="the SSE endpoint, for example http://127.0.0.1:8080/sse")
    parser.add_argument("--header", action="append", default=[], help="your credential: 'x-api-key: …'; repeatable")
    parser.add_argument("--other-header", action="append", default=[], help="a credential of another user; repeatable")
    parser.add_argument("--origin", action="append", default=[], help="an origin the server accepts; repeatable")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only these; accepts *, repeatable")
    parser.add_argument("--promises", action="store_true", help="count promises for the exit code")
    parser.add_argument("--slow", action="store_true", help="also run what takes about 20 s")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="S", help="seconds each step may take (10)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _headers(given: Sequence[str]) -> Mapping[str, str]:
    pairs = [text.partition(":") for text in given]
    if not all(colon and name.strip() for name, colon, _ in pairs):
        raise _CannotStartError("A header must be written 'name: value'.")
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _origins(given: Sequence[str]) -> tuple[str, ...]:
    try:
        are_origins = all("://" in origin and httpx2.URL(origin).host for origin in given)
    except httpx2.InvalidURL:
        are_origins = False
    if not are_origins:
        raise _CannotStartError("An origin must be written like https://app.example.com.")
    return tuple(given)


def _chosen(patterns: Sequence[str]) -> list[Scenario]:
    chosen = [one for one in SCENARIOS if not patterns or any(fnmatchcase(one.name, name) for name in patterns)]
    if not chosen:
        names = "\n  ".join(one.name for one in SCENARIOS)
        raise _CannotStartError(f"No scenario has that name. The names are:\n  {names}")
    return chosen


async def _run(target: Target, chosen: Sequence[Scenario], *, slow: bool) -> list[Outcome]:
    await _reach(target)
    return [outcome async for outcome in outcomes(target, chosen, slow=slow)]


async def _reach(target: Target) -> None:
    """Return if the server has an SSE endpoint at the URL. Raises: _CannotStartError."""
    try:
        async with Client(target) as client:
            status = (await client.get()).status
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise _CannotStartError(f"The server cannot be reached ({type(error).__name__}).") from None
    except NotConformingError as reason:
        raise _CannotStartError(f"The server cannot be reached. {reason}") from None
    if status in {401, 403}:
        raise _CannotStartError(f"The server refuses this client ({status}). Add --header 'x-api-key: …' or similar.")
    if status == 404:
        raise _CannotStartError("There is nothing at that URL (404). Give the URL of the SSE endpoint.")


if __name__ == "__main__":
    sys.exit(main())
