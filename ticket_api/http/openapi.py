"""The parts of the OpenAPI document that the routes' own signatures do not give."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ticket_api.http.api_key_middleware import OPEN_PATHS
from ticket_api.http.models.responses import Failure

VERSION: Final = "1.0.0"
DESCRIPTION: Final = """Tickets of a support desk, their history, and the master data they refer to.

Dates are `YYYY-MM-DD` and `receptionDateTime` is `YYYY-MM-DD HH:MM`, both in the time zone that
`/health` names; all other times are ISO 8601 in UTC. Failures are `{"error"}`, with `field` if one is at fault and
`allowed` if there is a list of accepted values. Unknown fields and parameters are refused. Each key belongs to one
organisation and gives access to its tickets and master data only."""
FAILURES: Final[Mapping[int, tuple[str, dict[str, Any]]]] = {
    400: (
        "The input is invalid; nothing was changed.",
        {
            "error": "statusId: there is no 'stat9'",
            "field": "statusId",
            "allowed": ["stat1", "stat2", "stat3", "stat4"],
        },
    ),
    401: (
        "The key is missing or wrong.",
        {"error": "Missing API key", "message": "Send a key of this service in the header x-api-key."},
    ),
    403: (
        "The key may not administer; nothing was changed.",
        {
            "error": "This key may not change master data or import tickets. Nothing was changed; the operator makes a "
            "key that may: python3 run.py ticket-api tenant new-key default --admin",
            "kind": "needs_admin_key",
        },
    ),
    404: ("There is nothing with this id.", {"error": "Ticket not found"}),
    409: (
        "The Idempotency-Key was used for another request, or `kind` says what contradicts this one; nothing was "
        "changed.",
        {"error": "This Idempotency-Key was already used for another request.", "field": "Idempotency-Key"},
    ),
    413: ("The body is larger than 1 MiB.", {"error": "The body is larger than 1048576 bytes."}),
    415: (
        "The body is not declared as JSON.",
        {"error": "Send the body as JSON, with Content-Type: application/json."},
    ),
    429: (
        "Too many wrong keys came from this address; the key was not checked. `Retry-After` says when to try again.",
        {
            "error": "Too many wrong API keys came from your address. Check the key, and try again in 6 s.",
            "kind": "too_many_wrong_keys",
        },
    ),
    503: (
        "The database is busy or not reachable: try again after `Retry-After`. Or an operator must fix it first: "
        "`kind` is `read_only` or `disk_failed`, and there is no `Retry-After`.",
        {"error": "The database is busy or not reachable. Nothing was changed.", "kind": "database_busy"},
    ),
    507: (
        "The disk of the database is full; nothing was changed.",
        {"error": "The disk of the database is full. Nothing was changed.", "kind": "disk_full"},
    ),
}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return these statuses for a route, 429 too if it requires a key, and 500, which any route may return."""
    known = {
        **FAILURES,
        500: ("Internal error of the API.", {"error": "Internal error of the ticket API; its log has the details."}),
    }
    return {
        status: {
            "model": Failure,
            "description": known[status][0],
            "content": {"application/json": {"example": known[status][1]}},
        }
        for status in (*statuses, *((429,) if 401 in statuses else ()), 500)
    }


def _never_null(schema: dict[str, Any]) -> None:
    """Remove null from the schema of a parameter: a query or a header has no null."""
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        schema |= kinds[0]
    elif kinds:
        schema["anyOf"] = kinds


def document(app: FastAPI, *, needs_key: bool) -> dict[str, Any]:
    """Return the document, without the 422 that FastAPI adds to every route: this API never returns it."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes,
                             tags=app.openapi_tags)  # fmt: skip
        for path in schema["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
                for parameter in operation.get("parameters", ()):
                    _never_null(parameter["schema"])
        for unused in ("HTTPValidationError", "ValidationError"):
            schema["components"]["schemas"].pop(unused, None)
        if needs_key:
            schema["components"]["securitySchemes"] = {
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}
            }
            schema["security"] = [{"apiKey": []}]
            for path in OPEN_PATHS:
                schema["paths"][path]["get"]["security"] = []
        app.openapi_schema = schema
    return app.openapi_schema
