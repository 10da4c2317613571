"""The two ticket APIs with the same tickets, served on a loopback port; each task begins with the tickets it needs.

The reference API has the sample data as it makes it; the stand-in of the existing API gets the same rows. Time stands
still at `NOW`, except for writes of a seed, which happen earlier.
"""

import shutil
import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

import ticket_api
from tests.processes import API_KEY
from tests.shared.given import NOW
from tests.standin.app import served
from tests.standin.model import Api
from tests.tasks.rows import Rows, rows_of_database, rows_of_model, stand_in_with
from tests.tasks.task import Kind, Language, Task
from tests.ticket_api.bulk import fill_tickets
from tests.transport.serving import serve

MANY: Final = 2_000
_BETWEEN: Final = JSONResponse({"error": "Between two tasks."}, 503)
_KEY: Final = {"x-api-key": API_KEY}
_SPREAD: Final = """UPDATE tickets SET
    reception_date_time = strftime('%Y-%m-%d %H:%M:%S.000000', '2026-11-28 09:00:00', '-' || (number % 120) || ' days'),
    scheduled_completion_date = date('2026-11-28', '-' || (number % 120) || ' days', '+20 days'),
    completion_date = CASE WHEN status_id = 'stat4' THEN date('2026-11-28', '-' || (number % 120) || ' days', '+' ||
        min(number % 6, number % 120) || ' days') END,
    category_id = (SELECT d.category_id FROM category_details d WHERE d.id = 'catd' || (1 + number % 12)),
    category_detail_id = 'catd' || (1 + number % 12), request_channel_id = 'ch' || (1 + number % 4)
    WHERE number > 50"""
_NAMESAKE: Final = """INSERT INTO users SELECT tenant_id, 'user9', name, name_folded, 'user9@example.com', 'sales'
    FROM users WHERE id = 'user6'"""


class Desk:
    """One of the two APIs, with the tickets of one task after the other."""

    def __init__(self, kind: Kind, language: Language, folder: Path) -> None:
        self.kind, self.language, self._folder = kind, language, folder
        self.url = ""
        self._now = NOW
        self._app: ASGIApp | None = None
        self._file, self._model = folder / "tickets.sqlite3", Api({})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the API of the present task answer."""
        await (self._app or _BETWEEN)(scope, receive, send)

    @asynccontextmanager
    async def with_tickets_of(self, task: Task) -> AsyncGenerator[None]:
        """Have the tickets of a task."""
        template = await self._template(many=task.many)
        async with AsyncExitStack() as stack:
            if self.kind == "reference":
                shutil.copy(template, self._file)
                self._app = await stack.enter_async_context(self._reference(self._file, API_KEY))
            else:
                self._model = stand_in_with(rows_of_database(template))
                self._app = served(self._model, API_KEY, lambda: self._now)
            for write in task.seed:
                for number in range(1, write.get("times", 1) + 1):
                    await self.write(write, number)
            yield
            self._app = None

    def rows(self) -> Rows:
        """Return the tickets as they are stored."""
        return rows_of_database(self._file) if self.kind == "reference" else rows_of_model(self._model)

    async def write(self, write: Mapping[str, Any], number: int = 1) -> None:
        """Do a write of a seed: `body` to `path` by POST, or by PUT to a ticket; `{n}` in its texts is `number`."""
        path, self._now = write["path"], datetime.fromisoformat(write["at"]).replace(tzinfo=UTC)
        body = {name: _long(value, number) for name, value in write["body"].items()}
        method = "POST" if path == "/tickets" or path.endswith("/history") else "PUT"
        transport = httpx2.ASGITransport(self)
        async with httpx2.AsyncClient(transport=transport, base_url="http://desk", headers=_KEY) as client:
            response = await client.request(method, path, json=body)
        assert response.is_success, response.text
        self._now = NOW

    async def _template(self, *, many: bool) -> Path:
        file = self._folder / f"{'many' if many else 'sample'}.sqlite3"
        if not file.exists():
            made = file.with_suffix(".new")
            async with self._reference(made, None):
                pass
            if many:
                await fill_tickets(f"sqlite+aiosqlite:///{made.as_posix()}", MANY - 50, 40)
            with closing(sqlite3.connect(made)) as database, database:
                database.execute(_SPREAD)
                database.execute(_NAMESAKE)
            made.rename(file)
        return file

    @asynccontextmanager
    async def _reference(self, file: Path, key: str | None) -> AsyncGenerator[ASGIApp]:
        url = f"sqlite+aiosqlite:///{file.as_posix()}"
        app = ticket_api.create_app(
            database_url=url,
            api_keys=[key] if key else (),
            sample_data=self.language,
            zone=UTC,
            clock=lambda: self._now,
        )
        async with app.router.lifespan_context(app):
            yield app


def _long(value: Any, number: int) -> Any:
    """Return a value of a seed: `{text, times}` is that many numbered lines."""
    if isinstance(value, dict):
        return "\n".join(value["text"].replace("{n}", str(n)) for n in range(1, value["times"] + 1))
    return value.replace("{n}", str(number)) if isinstance(value, str) else value


@asynccontextmanager
async def open_desk(kind: Kind, language: Language, folder: Path) -> AsyncGenerator[Desk]:
    """Serve a desk."""
    desk = Desk(kind, language, folder)
    async with serve(desk, lifespan="off") as desk.url:
        yield desk
