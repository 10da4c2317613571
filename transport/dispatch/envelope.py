"""Whether a POST of 2026-07-28 may be served: its headers have to say what the envelope and the body say.

Proxies route by the headers and servers act by the body, so a request in which the two differ is refused.
Source: modelcontextprotocol.io/specification/2026-07-28/basic/transports; SEP-2243 for the headers.
"""

from collections.abc import Mapping
from typing import Final

from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_PARAM_HEADER_PREFIX,
    InboundLadderRejection,
    classify_inbound_request,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
    validate_mcp_param_headers,
)
from mcp_types import HEADER_MISMATCH, UNSUPPORTED_PROTOCOL_VERSION, ErrorData, JSONRPCRequest
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.datastructures import Headers

from transport.dispatch.context import Caller
from transport.dispatch.sdk_kernel import SDKKernel

__all__ = ("ERROR_CODE_HTTP_STATUS", "EnvelopeChecks", "unserved_version")

_MIRRORED: Final = MCP_PARAM_HEADER_PREFIX.lower()


class EnvelopeChecks:
    """Checks requests of 2026-07-28 before they run.

    Args:
        kernel: knows the tools, whose schemas may ask for further headers.
    """

    def __init__(self, kernel: SDKKernel) -> None:
        self._kernel = kernel

    async def rejection(
        self, request: JSONRPCRequest, headers: Headers, caller: Caller, *, wire: str
    ) -> ErrorData | None:
        """Return why a request may not be served; None when it may be.

        Args:
            request: it.
            headers: of the HTTP request, without white space around their values.
            caller: who sent it.
            wire: name of the wire.
        """
        duplicated = find_duplicated_routing_header(headers.items())
        if duplicated is not None:
            return ErrorData(code=HEADER_MISMATCH, message=f"The header {duplicated} was sent more than once.")
        body = {"method": request.method, "params": request.params}
        route = classify_inbound_request(body, headers=dict(headers))
        if isinstance(route, InboundLadderRejection):
            return _problem(route)
        params = request.params or {}
        arguments = params.get("arguments") or {}
        if request.method != "tools/call" or not isinstance(arguments, Mapping):
            return None
        if not arguments and not any(name.startswith(_MIRRORED) for name in headers):
            return None
        schema = await self._kernel.input_schema(str(params.get("name")), request, caller, wire=wire)
        return None if schema is None else _problem(validate_mcp_param_headers(schema, arguments, headers))


def unserved_version(version: str) -> ErrorData | None:
    """Return why messages of revision `version` are not served, which has no handshake; None when they are."""
    return _problem(unsupported_protocol_version_rejection(version))


def _problem(rejection: InboundLadderRejection | None) -> ErrorData | None:
    if rejection is None:
        return None
    message = rejection.message
    if rejection.code == UNSUPPORTED_PROTOCOL_VERSION:
        message = f"{message}. Served with this envelope: {', '.join(MODERN_PROTOCOL_VERSIONS)}."
    return ErrorData(code=rejection.code, message=message, data=rejection.data)
