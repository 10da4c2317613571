"""Carries MCP over HTTP for any server of the MCP SDK. Knows nothing of tickets, or of how a principal was proved."""

from shared.rate import Rate
from transport.app import Transport, TransportOptions, asgi_app
from transport.base import TransportHandler
from transport.dispatch.context import Caller
from transport.dispatch.subscriptions import SharedBus
from transport.http.endpoint import HTTPResponse
from transport.http.errors import HTTPRefusalError
from transport.http.request_head import HTTPRequest
from transport.rate_limit import Rates
from transport.sessions.session import Limits

__all__ = (
    "Caller",
    "HTTPRefusalError",
    "HTTPRequest",
    "HTTPResponse",
    "Limits",
    "Rate",
    "Rates",
    "SharedBus",
    "Transport",
    "TransportHandler",
    "TransportOptions",
    "asgi_app",
)
