"""Fixtures: the large data set in both databases, built once a run, each served by a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import pytest

from tests.databases import Postgres, dsn, run_aside
from tests.processes import API_KEY, ROOT, environment, ticket_api
from tests.scale.build import key_of
from tests.scale.rows import tenant_named
from tests.scale.scan import Scan
from tests.ticket_api.conftest import make

BUILD_S: Final = 500.0


@dataclass(frozen=True)
class Large:
    """One database with the data set, and the API that serves it."""

    kind: str
    url: str
    """As the application's role."""
    address: str

    @staticmethod
    def key(tenant: str) -> str:
        """Return the key of a tenant."""
        return API_KEY if tenant == "default" else key_of(tenant)


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[dict[str, Large]]:
    """The data set in both databases, built at the same time."""
    sqlite = f"sqlite:///{(tmp_path_factory.mktemp('scale') / 'tickets.sqlite3').as_posix()}"
    made = run_aside(postgres.create(may_use_tables=False))
    run_aside(make(sqlite, "none"))
    run_aside(make(made.owner_url, "none", grant_to=made.application))
    with ExitStack() as running:
        builders = []
        for url in (sqlite, dsn(postgres.admin.set(database=made.name))):
            program = [sys.executable, "-m", "tests.scale.build", url]
            builders.append(running.enter_context(subprocess.Popen(program, cwd=ROOT, env=environment())))
            running.callback(builders[-1].kill)
        assert [builder.wait(BUILD_S) for builder in builders] == [0, 0]
        yield {
            kind: Large(kind, url, running.enter_context(ticket_api(url)))
            for kind, url in (("sqlite", sqlite), ("postgresql", made.application_url))
        }
    run_aside(postgres.drop(made))


@pytest.fixture(params=["sqlite", "postgresql"])
def large(request: pytest.FixtureRequest, both: dict[str, Large]) -> Large:
    """The data set in one database."""
    return both[request.param]


@pytest.fixture(scope="session")
def scans() -> dict[str, Scan]:
    """Tenants to be read from end to end."""
    return {name: Scan(tenant_named(name)) for name in ("default", "small-07", "small-08")}
