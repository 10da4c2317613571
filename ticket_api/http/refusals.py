"""Turns every failure of a request into the JSON shape of `ticket_api.errors`, with a readable message."""

import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException

from shared.storage.database import DatabaseBusyError, DatabaseFullError
from shared.telemetry import get_logger
from shared.trace_context import path_of_ids
from ticket_api.errors import ApiError, BadInputError

SENTENCES: Final = {
    400: "The body could not be read.",
    404: "There is nothing at this path.",
    405: "This path does not support this method.",
    415: "Send the body as JSON, with Content-Type: application/json.",
}
LONGEST_NAME: Final = 100
"""Of a field; in a row of an import, clients choose it."""
log = get_logger(__name__)


def install(app: FastAPI) -> None:
    """Return every failure of `app` as JSON."""

    @app.exception_handler(ApiError)
    async def refuse(_: Request, error: ApiError) -> JSONResponse:
        return JSONResponse(error.body(), error.status)

    @app.exception_handler(DatabaseBusyError)
    async def ask_to_come_back(_: Request, error: DatabaseBusyError) -> JSONResponse:
        return busy(error)

    @app.exception_handler(RequestValidationError)
    async def refuse_input(_: Request, error: RequestValidationError) -> JSONResponse:
        refusal = describe(error.errors()[0])
        return JSONResponse(refusal.body(), refusal.status)

    @app.exception_handler(HTTPException)
    async def refuse_request(request: Request, error: HTTPException) -> JSONResponse:
        status = 404 if error.status_code == 405 and _has_slash_in_id(request) else error.status_code
        headers = {"Allow": ", ".join(allowed_methods(request))} if status == 405 else None
        return JSONResponse({"error": SENTENCES[status]}, status, headers)

    @app.exception_handler(Exception)
    async def apologise(request: Request, error: Exception) -> JSONResponse:
        log.error("request_failed", method=request.method, path=path_of_ids(request.url.path), exc_info=error)
        return JSONResponse({"error": "Internal error of the ticket API; its log has the details."}, 500)


def busy(error: DatabaseBusyError) -> JSONResponse:
    """Return the response to a request that the database could not serve."""
    body = {"error": str(error), "kind": error.kind}
    cause = type(error.__cause__).__name__
    if type(error) is DatabaseBusyError:
        log.warning("ticket_database_unavailable", kind=error.kind, cause=cause)
        return JSONResponse(body, 503, {"Retry-After": "1"})
    log.error("ticket_database_unavailable", kind=error.kind, cause=cause)
    return JSONResponse(body, 507 if isinstance(error, DatabaseFullError) else 503)


def _has_slash_in_id(request: Request) -> bool:
    """Return whether the path is another's only because its slashes are decoded before routing; no id has one."""
    return b"%2f" in request.scope["raw_path"].lower()


def allowed_methods(request: Request) -> list[str]:
    """Return every method that the request's path supports; the router itself lists only those of one route."""
    path = request.scope["path"]
    matching = [context for context in iter_route_contexts(request.app.routes) if context.path_regex.match(path)]
    exact = [context for context in matching if context.path == path]  # not that of a ticket with this id
    return sorted(set().union(*(context.methods or set() for context in exact or matching)))


def describe(problem: Mapping[str, Any]) -> BadInputError:
    """Turn one of pydantic's errors into a message that begins with the field's name."""
    kind, context = problem["type"], problem.get("ctx") or {}
    at = problem["loc"][1:] if problem["loc"][0] == "body" else problem["loc"][1:2]  # a repeated parameter has one name
    name = (context.get("field") or ".".join(str(part) for part in at))[:LONGEST_NAME]
    if kind == "json_invalid":
        return BadInputError("The body is not valid JSON.")
    if not name:
        return BadInputError("The body must be a JSON object.")
    if kind == "both_needed":
        return BadInputError(problem["msg"], field=name)
    if kind == "unknown_name":
        return BadInputError(f"{name}: there is no such field or parameter", field=name, allowed=context["allowed"])
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        return BadInputError(f"{name} must be one of {', '.join(allowed)}", field=name, allowed=allowed)
    return BadInputError(f"{name} {_reason(kind, context)}", field=name, allowed=context.get("allowed"))


def _reason(kind: str, context: Mapping[str, Any]) -> str:
    reasons = {
        "refused": "{sentence}",
        "missing": "is required",
        "string_type": "must be a string",
        "string_unicode": "contains characters that are not valid Unicode",
        "string_pattern_mismatch": "must not be blank and must not contain characters that cannot be stored",
        "string_too_short": "must not be empty",
        "string_too_long": "must have at most {max_length} characters",
        "too_long": "must have at most {max_length} entries",
        "greater_than_equal": "must be at least {ge}",
        "less_than_equal": "must be at most {le}",
        "bool_type": "must be true or false",
        "list_type": "must be a list",
        "model_attributes_type": "must be a JSON object",
        "recursion_loop": "is nested too deeply",
    }
    return reasons.get(kind, "is not valid").format_map(context)
