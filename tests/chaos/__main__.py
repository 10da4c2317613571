"""`python -m tests.chaos [--repeat N] [--seed S]`: run that many storms, and print a table of their results.

Each seed (S, S+1, …) runs on its own fleet; `--faults cut,freeze` runs only these faults. Exits with 1 if a promise was
broken, and prints which one and what the servers logged as errors.
"""

import argparse
import asyncio
import logging
import random
import sys
from collections.abc import Sequence

from tests.chaos.fleet import fleet
from tests.chaos.plan import Fault, plan
from tests.chaos.storm import storm
from tests.chaos.verdict import TABLE, Verdict, written
from tests.databases import Postgres, make_ticket_tables, running_postgres
from tests.javascript import installed


async def run(postgres: Postgres, seed: int, faults: Sequence[Fault]) -> list[str]:
    """Run one storm on its own database and fleet, print its row, and return the problems."""
    database = await postgres.create()
    try:
        async with fleet(await make_ticket_tables(database)) as servers:
            outcome = await storm(servers, plan(seed, faults), seed, installed())
            verdict = Verdict(outcome, await written(database.application_url), servers.gate.writes)
            logged = [line for instance in servers.instances for line in instance.complaints()]
    finally:
        await postgres.drop(database)
    print(verdict.row(), flush=True)
    problems = verdict.problems()
    return [f"seed {seed}: {line}" for line in (*problems, *logged)] if problems else []


def fault_list(text: str) -> list[Fault]:
    """Return the faults named by an option."""
    return [Fault(name) for name in text.split(",")]


def main() -> int:
    """Run the storms; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--repeat", type=int, default=1, help="number of storms (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the first one; default: random")  # noqa: S311 - no secret
    parser.add_argument("--faults", type=fault_list, default=list(Fault), help=f"subset of: {', '.join(Fault)}")
    options = parser.parse_args()
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # lost streams are expected here
    print(TABLE, flush=True)
    problems: list[str] = []
    with running_postgres() as postgres:
        for seed in range(options.seed, options.seed + options.repeat):
            problems += asyncio.run(run(postgres, seed, options.faults))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
