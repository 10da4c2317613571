"""What Express does in the existing API: body, key, routes, and its page for unknown paths.

One ASGI endpoint instead of Starlette's routing, because the two differ visibly: Express matches the undecoded path,
ignores a trailing slash and has no 405.
"""

import html
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.standin.columns import DatabaseError
from tests.standin.model import MASTER_TABLES, Api, RefusedError, Row
from tests.standin.sample import fill, master_data

PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Error</title>
</head>
<body>
<pre>Cannot {}</pre>
</body>
</html>
"""

Query = Mapping[str, str]
Handler = Callable[[Api, str, Query, Row, datetime], Any]  # api, id in the path, query, body, now


def master_handler(table: str) -> Handler:
    """Return the handler that lists one master table."""
    return lambda api, _id, query, _body, _now: api.rows(table, query)


# fmt: off
ROUTES: Final[tuple[tuple[str, str, int, str, Handler], ...]] = (
    # method, path, success, the action that a 500 names, handler
    *(("GET", f"/tickets/master/{table}", 200, f"fetching {table.replace('-', ' ')}", master_handler(table))
      for table in MASTER_TABLES),
    ("GET",  "/tickets", 200, "fetching tickets",
     lambda api, _id, query, _body, now: api.list_tickets(query, now.date())),
    ("POST", "/tickets", 201, "creating ticket", lambda api, _id, _query, body, now: api.create(body, now)),
    ("GET",  "/tickets/([^/]+)", 200, "fetching ticket", lambda api, key, _query, _body, _now: api.ticket(key)),
    ("PUT",  "/tickets/([^/]+)", 200, "updating ticket",
     lambda api, key, _query, body, now: api.update(key, body, now)),
    ("GET",  "/tickets/([^/]+)/history", 200, "fetching ticket history",
     lambda api, key, _query, _body, _now: api.entries(key)),
    ("POST", "/tickets/([^/]+)/history", 201, "adding ticket history",
     lambda api, key, _query, body, now: api.comment(key, body, now)),
)
# fmt: on


class ExpressResponse(JSONResponse):
    """JSON as `res.json` sends it, with the charset that breaks a strict comparison of content types."""

    media_type = "application/json; charset=utf-8"


class Express:
    """The whole service as one ASGI endpoint."""

    def __init__(self, api: Api, api_key: str, now: Callable[[], datetime]) -> None:
        self.api, self.api_key, self.now = api, api_key, now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        response = self.response(request, await request.body())
        await response(scope, receive, send)

    def response(self, request: Request, raw: bytes) -> Response:
        """Run the middlewares in their order: body, key, route."""
        path = str(request.scope["raw_path"], "latin-1")
        try:
            body = parse_body(request.headers.get("content-type", ""), raw)
        except ValueError:
            self.api.requests.append((request.method, unquote(path), raw.decode(errors="replace")))
            return ExpressResponse({"error": {"message": "Unexpected token in JSON"}}, 500)
        self.api.requests.append((request.method, unquote(path), body if raw else None))
        now = self.now().astimezone(UTC)
        if path.rstrip("/") == "/health" and request.method == "GET":
            timestamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            return ExpressResponse({"status": "OK", "timestamp": timestamp})
        key = request.headers.get("x-api-key")
        if not key:
            return ExpressResponse({"error": "Missing API key", "message": "Send the header x-api-key"}, 401)
        if key != self.api_key:
            return ExpressResponse({"error": "Invalid API key", "message": "The API key is not valid"}, 401)
        return self.route(request.method, path, request.query_params, body, now)

    def route(self, method: str, path: str, query: Query, body: Row, now: datetime) -> Response:
        """Run the first matching route, or return the page that names the path."""
        for allowed, pattern, success, doing, handler in ROUTES:
            found = re.fullmatch(f"{pattern}/?", path)
            if method != allowed or not found:
                continue
            try:
                ticket_id = unquote(found[1]) if found.groups() else ""
                return ExpressResponse(handler(self.api, ticket_id, query, body, now), success)
            except RefusedError as error:
                status, sentence = error.args
                return ExpressResponse({"error": sentence}, status)
            except DatabaseError:
                return ExpressResponse({"error": f"An error occurred while {doing}"}, 500)
        return Response(PAGE.format(html.escape(f"{method} {path}")), 404, media_type="text/html")


def parse_body(content_type: str, raw: bytes) -> Row:
    """Return the JSON object of a request; a body that is not declared as JSON counts as empty.

    Raises:
        ValueError: it is declared as JSON and is not JSON, or is a bare value.
    """
    if not raw or content_type.partition(";")[0].strip().lower() != "application/json":
        return {}
    body = json.loads(raw)
    if not isinstance(body, dict | list):
        raise ValueError("a bare value")  # Express treats it like any other broken JSON
    return body if isinstance(body, dict) else {}


def create_app(*, api_key: str = "standin-key", now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Starlette:
    """Return the stand-in with fresh data; `now` must be aware, and also dates the sample data.

    `app.state.api` is the model: `tickets` by id, `history` by ticket id, and `requests`, a list of
    (method, path without query, JSON body or None) of every request received, refused or not.
    """
    api = Api(master_data())
    fill(api, now().astimezone(UTC))
    return served(api, api_key, now)


def served(api: Api, api_key: str, now: Callable[[], datetime]) -> Starlette:
    """Return the stand-in over a model of one's own: see `create_app`."""
    app = Starlette(routes=[Route("/{path:path}", Express(api, api_key, now))])
    app.state.api = api
    return app
