"""Errors of requests that call no tool: their results cannot say that they failed, so JSON-RPC errors do. Pure."""

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from shared.errors import InvalidInputError, NotFoundError, TicketServerError
from shared.markdown import clean


def protocol_error(error: TicketServerError, **data: str) -> MCPError:
    """Return `error` as a JSON-RPC error with its sentence, its kind and more `data`."""
    is_of_caller = isinstance(error, NotFoundError | InvalidInputError)
    code = INVALID_PARAMS if is_of_caller else INTERNAL_ERROR
    return MCPError(code, clean(str(error)).strip(), {**data, "kind": error.kind})
