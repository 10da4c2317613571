"""The deployment of the rehearsal: what gcp-deploy/production describes, as processes on this machine.

PostgreSQL with the roles of bootstrap.sh, Valkey, migration jobs, the ticket API service, revisions of the MCP server
from the files of their image, and a balancer in the place of Cloud Run's front end.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg

from tests.cloud.balancer import HOST, Balancer
from tests.cloud.pipe import Pipe
from tests.databases import PASSWORD, Postgres, dsn
from tests.deploy.test_dockerfile import copied
from tests.processes import API_KEY, IDENTITY_KEY, OPERATOR_KEY, Process, environment, steady_port
from tests.valkey import ValkeyServer, valkey_server

SERVICE: Final = "mcp-ticket-server"
END_S: Final = 9.0
"""Seconds within which an instance must end after SIGTERM; Cloud Run kills it after ten."""
JOB_S: Final = 60.0
DATABASE: Final = "tickets"
ROLES: Final = ("ticket_owner", "ticket_api", "mcp_server")
FASTER_THAN_PEOPLE: Final = {
    f"MCP_{kind}_PER_MINUTE": "60000" for kind in ("READS", "WRITES", "TENANT_READS", "TENANT_WRITES")
}
"""Limits that the callers of the rehearsal do not reach."""
STATE_KEY: Final = "seals-the-state-of-requests-0123456789"
_KEY: Final = re.compile(r"\btkt_live_\S+")


@dataclass(frozen=True)
class Image:
    """The files of an image, in a folder."""

    folder: Path

    def server(self) -> tuple[str, ...]:
        """Return the command line of the MCP server, after `python`."""
        return (str(self.folder / "cloud_mcp_server.py"),)

    def module(self, name: str, *arguments: str) -> tuple[str, ...]:
        """Return the command line of a module; needs `path` in the environment."""
        return ("-P", "-m", name, *arguments)

    @property
    def path(self) -> dict[str, str]:
        """The environment with which modules are those of the image and not of the checkout."""
        return {"PYTHONPATH": str(self.folder)}


def image_of(checkout: Path, folder: Path) -> Image:
    """Copy what the Dockerfile copies from a checkout."""
    folder.mkdir()
    for name in copied():
        source = checkout / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder)
    return Image(folder)


@dataclass
class Revision:
    """Instances of one image with one configuration."""

    name: str
    image: Image
    settings: dict[str, str]
    instances: dict[int, Process] = field(default_factory=dict)
    """By port."""


class Stage:
    """Everything that runs; its methods block unless they are coroutines."""

    def __init__(self, folder: Path, postgres: Postgres, valkey: ValkeyServer, running: ExitStack) -> None:
        self.postgres = postgres
        self.valkey = valkey
        self.api_port = steady_port()
        self.revisions: dict[str, Revision] = {}
        self.on_change: Callable[[], None] = lambda: None
        """Called when instances have come or gone."""
        self.ended: list[tuple[str, int, str]] = []
        """Name of the revision, exit code and output of every instance that has ended."""
        self.api_settings: dict[str, str] = {}
        """Settings of the ticket API beside those of its file."""
        self.pipe = Pipe()
        """The way from the MCP server to the ticket API."""
        self._folder = folder
        self._running = running
        self._api: ExitStack | None = None
        self._balancer: Balancer | None = None

    # ---- databases and jobs

    async def make_roles(self) -> None:
        """Create the roles and the database of bootstrap.sh."""
        plain = f"LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD '{PASSWORD}'"
        await self.postgres.execute(*(f"CREATE ROLE {role} {plain}" for role in ROLES))
        await self.make_database()

    async def make_database(self) -> None:
        """Create an empty database of the owner."""
        await self.postgres.execute(f"CREATE DATABASE {DATABASE} OWNER ticket_owner")

    async def lose_database(self) -> None:
        """Drop the database, whoever uses it."""
        await self.postgres.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")

    def url(self, role: str) -> str:
        """Return the address of the database for a role."""
        url = self.postgres.admin.set(username=role, password=PASSWORD, database=DATABASE)
        return url.render_as_string(hide_password=False)

    def url_of_administrator(self) -> str:
        """Return the address of the database for the server's administrator."""
        return dsn(self.postgres.admin.set(database=DATABASE))

    @asynccontextmanager
    async def locked(self, table: str) -> AsyncGenerator[None]:
        """Hold a table, as a program does that does not end its transaction."""
        connection = await asyncpg.connect(self.url_of_administrator(), timeout=10)
        try:
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", timeout=10)
                yield
        finally:
            await connection.close(timeout=10)

    @asynccontextmanager
    async def meddling(self, summary: str) -> AsyncGenerator[None]:
        """Have the database store another summary than this one."""
        await self.postgres.execute(
            "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN NEW.summary := 'something else'; RETURN NEW; END $$",
            "CREATE TRIGGER meddle BEFORE INSERT ON tickets FOR EACH ROW "
            f"WHEN (NEW.summary = '{summary}') EXECUTE FUNCTION meddle()",
            database=DATABASE,
        )
        try:
            yield
        finally:
            await self.postgres.execute("DROP TRIGGER meddle ON tickets", "DROP FUNCTION meddle()", database=DATABASE)

    def job(self, image: Image, module: str, *arguments: str, **settings: str) -> str:
        """Run a job to its end; return what it said."""
        done = subprocess.run(
            [sys.executable, *image.module(module, *arguments)],
            env=environment(**image.path, MCP_IDENTITY_KEYS=IDENTITY_KEY, **settings),
            cwd=image.folder, capture_output=True, text=True, timeout=JOB_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{module} {arguments}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def migrate(self, image: Image) -> str:
        """Run both migration jobs of an image; return what they said."""
        owner = {"MCP_DATABASE_URL": self.url("ticket_owner"), "MCP_SAMPLE_DATA": "en"}
        return self.job(image, "ticket_api", "migrate", "--grant-to", "ticket_api", **owner) + self.job(
            image, "auth", "migrate", "--grant-to", "mcp_server", **owner
        )

    def key(self, image: Image, *command: str) -> str:
        """Run a command of `auth` that makes a key; return the key."""
        said = self.job(image, "auth", *command, MCP_DATABASE_URL=self.url("mcp_server"))
        found = _KEY.search(said)
        assert found is not None, said
        return found[0]

    def end_key(self, image: Image, public_id: str) -> None:
        """Revoke a key."""
        self.job(image, "auth", "key", "revoke", public_id, "--yes", MCP_DATABASE_URL=self.url("mcp_server"))

    # ---- the ticket API

    def start_ticket_api(self, image: Image, **settings: str) -> None:
        """Start the ticket API service."""
        assert self._api is None, "it runs"
        self._api = ExitStack()
        given = {
            **image.path,
            "PORT": str(self.api_port),
            "MCP_API_KEY": API_KEY,
            "MCP_DATABASE_URL": self.url("ticket_api"),
        }
        process = self._api.enter_context(Process(image.module("ticket_api"), **given | self.api_settings | settings))
        process.wait_until_ready()

    def stop_ticket_api(self) -> None:
        """End it."""
        api, self._api = self._api, None
        if api is not None:
            api.close()

    def restart_ticket_api(self, image: Image, **settings: str) -> None:
        """End it and start it of this image."""
        self.stop_ticket_api()
        self.start_ticket_api(image, **settings)

    # ---- the MCP server

    @property
    def balancer(self) -> Balancer:
        """The front end; after `open`."""
        assert self._balancer is not None
        return self._balancer

    def open(self, serving: str) -> None:
        """Start the front end, with all requests for one revision."""
        folder = self._folder / "nginx"
        folder.mkdir()
        self._balancer = Balancer.create(folder, steady_port(), self._ports(), serving)
        self._running.enter_context(self._balancer.running())

    def start(self, name: str, image: Image, instances: int = 2, **settings: str) -> Revision:
        """Start a revision; it gets no requests yet."""
        revision = self.revisions.setdefault(name, Revision(name, image, settings))
        started = [(port, self._start(revision, port)) for port in (steady_port() for _ in range(instances))]
        for port, process in started:
            process.wait_until_ready()
            revision.instances[port] = process
        self._list()
        return revision

    def end(self, name: str) -> list[int]:
        """Take a revision out of the front end and send its instances SIGTERM; return their exit codes."""
        codes = self.stop_all(name)
        del self.revisions[name]
        return codes

    def stop_all(self, name: str) -> list[int]:
        """Send all instances of a revision SIGTERM, after the front end sends them no requests; return their codes."""
        ended, self.revisions[name].instances = self.revisions[name].instances, {}
        self._list()
        for process in ended.values():
            process.ask_to_end()  # all at once
        return [self._end(name, process) for process in ended.values()]

    def replace_one(self, name: str) -> int:
        """Start an instance of a revision, then end another one, as a platform does; return its exit code."""
        revision = self.revisions[name]
        port, process = next(iter(revision.instances.items()))
        self.start(name, revision.image, 1)
        del revision.instances[port]
        self._list()
        return self._end(name, process)

    def said(self) -> str:
        """Return the output of all instances, ended or not."""
        running = (one.said_so_far() for revision in self.revisions.values() for one in revision.instances.values())
        return "".join((*(said for _, _, said in self.ended), *running))

    def _end(self, name: str, process: Process) -> int:
        process.ask_to_end()
        code = process.wait(END_S)
        self.ended.append((name, code, process.said_so_far()))
        return code

    def _start(self, revision: Revision, port: int) -> Process:
        settings = {**self._settings(), "K_REVISION": revision.name, "PORT": str(port), **revision.settings}
        return self._running.enter_context(Process(revision.image.server(), **settings))

    def _settings(self) -> Mapping[str, str]:
        """The values of production/mcp-ticket-server.yaml here; what needs Google is left out."""
        return {
            "MCP_PUBLIC_URL": f"https://{HOST}",
            "MCP_ALLOWED_HOSTS": f"{HOST},*---{HOST},127.0.0.1",
            "MCP_API_BASE_URL": f"http://127.0.0.1:{self.pipe.port}",
            "MCP_API_KEY": API_KEY,
            "MCP_CLOUD_RUN_TIMEOUT": "840",
            "MCP_MAX_SESSIONS": "800",
            "MCP_BROKER_URL": self.valkey.url,
            "MCP_REQUEST_STATE_KEYS": STATE_KEY,
            "MCP_DATABASE_URL": self.url("mcp_server"),
            "MCP_IDENTITY_KEYS": IDENTITY_KEY,
            "MCP_OPERATOR_KEY": OPERATOR_KEY,
            **FASTER_THAN_PEOPLE,
        }

    def _ports(self) -> dict[str, list[int]]:
        return {name: list(one.instances) for name, one in self.revisions.items()}

    def _list(self) -> None:
        if self._balancer is not None:
            self._balancer.change(ports=self._ports())
        self.on_change()


@asynccontextmanager
async def stage(folder: Path, postgres: Postgres) -> AsyncGenerator[Stage]:
    """Prepare everything but the services; whatever runs ends with the block."""
    async with AsyncExitStack() as stack:
        running = stack.enter_context(ExitStack())
        valkey = running.enter_context(valkey_server())
        made = Stage(folder, postgres, valkey, running)
        running.callback(made.stop_ticket_api)
        await made.make_roles()
        await stack.enter_async_context(made.pipe.run(made.api_port))
        yield made
