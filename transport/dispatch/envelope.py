"""Whether a POST of 2026-07-28 may be served: its headers have to say what the envelope and the body say.

Proxies route by the headers and servers act by the body, so a request in which the two differ is refused.
Source: modelcontextprotocol.io/specification/2026-07-28/basic/transports; SEP-2243 for the headers.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PARAM_HEADER_PREFIX,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    InboundLadderRejection,
    classify_inbound_request,
    find_duplicated_routing_header,
    find_invalid_x_mcp_header,
    unsupported_protocol_version_rejection,
    validate_mcp_param_headers,
    x_mcp_header_map,
)
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    HEADER_MISMATCH,
    PROTOCOL_VERSION_META_KEY,
    UNSUPPORTED_PROTOCOL_VERSION,
    ErrorData,
)
from mcp_types.methods import SPEC_CLIENT_METHODS
from mcp_types.version import LATEST_MODERN_VERSION, MODERN_PROTOCOL_VERSIONS
from starlette.datastructures import Headers

from shared.json_rpc import JSONRPCRequest
from shared.lru import LRUCache
from transport.dispatch.context import Caller
from transport.dispatch.sdk_kernel import KEPT_TOOLS, SDKKernel

__all__ = ("ERROR_CODE_HTTP_STATUS", "EnvelopeChecks", "RawHeaders", "agrees", "routing_problem", "unserved_version")

_MIRRORED: Final = MCP_PARAM_HEADER_PREFIX.lower().encode()
_METHOD: Final = MCP_METHOD_HEADER.encode()
_NAME: Final = MCP_NAME_HEADER.encode()
_VERSION: Final = MCP_PROTOCOL_VERSION_HEADER.encode()
_LATEST: Final = LATEST_MODERN_VERSION.encode()
_METHODS: Final = MappingProxyType({method: method.encode() for method in SPEC_CLIENT_METHODS})
_LITERAL: Final = re.compile(r"(?!=\?)[!-~]+( [!-~]+)*")
"""A value that a header can have as it is: nothing to encode, and nothing that reads as encoded."""


RawHeaders = Sequence[tuple[bytes, bytes]]
"""The headers of an HTTP request, names in lower case."""


class EnvelopeChecks:
    """Checks requests of 2026-07-28 before they run.

    Args:
        kernel: knows the tools, whose schemas may ask for further headers.
    """

    def __init__(self, kernel: SDKKernel) -> None:
        self._kernel = kernel
        self._unmirrored: LRUCache[str, Mapping[str, Any]] = LRUCache(KEPT_TOOLS)
        """By the name of a tool: its schema, if it asks for no header."""

    async def rejection(
        self, request: JSONRPCRequest, headers: RawHeaders, caller: Caller, *, wire: str
    ) -> ErrorData | None:
        """Return why a request may not be served; None when it may be.

        Args:
            request: it.
            headers: of the HTTP request.
            caller: who sent it.
            wire: name of the wire.
        """
        is_literal = agrees(request, headers)
        if not is_literal and (problem := routing_problem(request, stripped(headers))) is not None:
            return problem
        params = request.params or {}
        arguments = params.get("arguments") or {}
        if request.method != "tools/call" or not isinstance(arguments, Mapping):
            return None
        if not arguments and (is_literal or not any(name.startswith(_MIRRORED) for name, _ in headers)):
            return None
        name = str(params.get("name"))
        schema = await self._kernel.input_schema(name, request, caller, wire=wire)
        if schema is None or self._is_unmirrored(name, schema):
            return None
        return _problem(validate_mcp_param_headers(schema, arguments, stripped(headers)))

    def _is_unmirrored(self, tool: str, schema: Mapping[str, Any]) -> bool:
        """Whether a schema asks for no header; the walk through it is done once for each."""
        if self._unmirrored.get(tool) is schema:
            return True
        # One with a broken annotation asks for none either: clients drop the tool.
        is_unmirrored = find_invalid_x_mcp_header(schema) is not None or not x_mcp_header_map(schema)
        if is_unmirrored:
            self._unmirrored.put(tool, schema)
        return is_unmirrored


def agrees(request: JSONRPCRequest, headers: RawHeaders) -> bool:
    """Whether the headers repeat the envelope and the body letter by letter, each once, and no argument.

    So nearly every request comes, and `routing_problem` would find nothing.
    """
    params = request.params or {}
    meta = params.get("_meta")
    if not isinstance(meta, dict) or meta.get(PROTOCOL_VERSION_META_KEY) != LATEST_MODERN_VERSION:
        return False
    if CLIENT_CAPABILITIES_META_KEY not in meta:
        return False
    method = request.method
    expected = {_VERSION: _LATEST, _METHOD: _METHODS.get(method)}
    if (name := NAME_BEARING_METHODS.get(method)) is not None:
        expected[_NAME] = _literal(params.get(name))
    said = dict(headers)
    if len(said) < len(headers) or b" ".join(said).count(b"mcp-") != len(expected):
        return False
    return expected.items() <= said.items()


def _literal(value: object) -> bytes | None:
    """Return `value` as a header has it that repeats it letter by letter; None if none can."""
    return value.encode() if isinstance(value, str) and _LITERAL.fullmatch(value) else None


def routing_problem(request: JSONRPCRequest, headers: Headers) -> ErrorData | None:
    """Return in what the headers that proxies route by differ from a request; None when they agree."""
    duplicated = find_duplicated_routing_header(headers.items())
    if duplicated is not None:
        return ErrorData(code=HEADER_MISMATCH, message=f"The header {duplicated} was sent more than once.")
    route = classify_inbound_request({"method": request.method, "params": request.params}, headers=dict(headers))
    return _problem(route) if isinstance(route, InboundLadderRejection) else None


def stripped(headers: RawHeaders) -> Headers:
    """Return headers without white space around their values, which not every HTTP parser takes off."""
    return Headers(raw=[(name, value.strip()) for name, value in headers])


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
