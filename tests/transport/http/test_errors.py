"""The one table from error to HTTP response: status, headers, kind and body of each."""

import json
from typing import Any

import pytest

from shared.errors import TicketServerError
from shared.identity import AuthenticationError, InsufficientScopeError, Scope
from shared.json_body import MalformedMessageError
from shared.rate import Rate
from transport.dispatch.stateless import TooBusyError
from transport.http.errors import DrainingError, HTTPRefusalError, http_error
from transport.http.event_stream import TooManyStreamsError
from transport.rate_limit import RateLimitedError, Rates, Wait
from transport.sessions.broker import BrokerUnavailableError, CapReachedError, SessionGoneError
from transport.sessions.claims import RequestIdReusedError
from transport.sessions.valkey.scripts import ScriptFailedError

RATES = Rates(*[Rate(60, 1)] * 4)
SOON = RateLimitedError(Wait(RATES.costs(("default", "me"), writes=False)[0], 6.5))
LACKS = {"kind": "insufficient_scope", "scope": "tickets:write"}


@pytest.mark.parametrize(
    ("error", "status", "headers", "code", "data"),
    [
        (HTTPRefusalError(418, "tea", "No.", headers={"x": "y"}), 418, {"x": "y"}, -32600, {"kind": "tea"}),
        (AuthenticationError("No."), 401, {}, -32600, {"kind": "unauthenticated"}),
        (
            AuthenticationError("No.", status=429, retry_after_s=17),
            *(429, {"retry-after": "17"}, -32600, {"kind": "unauthenticated"}),
        ),
        (InsufficientScopeError("x", Scope.TICKETS_WRITE), 403, {}, -32600, LACKS),
        (SOON, 429, {"retry-after": "7"}, -32600, {"kind": "rate_limited", "retryAfter": 7}),
        (TooManyStreamsError(2), 429, {"retry-after": "5"}, -32600, {"kind": "too_many_streams"}),
        (CapReachedError(whole_instance=True), 503, {"retry-after": "30"}, -32600, {"kind": "too_many_sessions"}),
        (CapReachedError(whole_instance=False), 429, {"retry-after": "30"}, -32600, {"kind": "too_many_sessions"}),
        (DrainingError(), 503, {"retry-after": "1"}, -32600, {"kind": "draining"}),
        (BrokerUnavailableError(), 503, {"retry-after": "1"}, -32600, {"kind": "broker_unavailable"}),
        (ScriptFailedError(), 503, {"retry-after": "1"}, -32600, {"kind": "broker_unavailable"}),
        (TooBusyError(), 503, {"retry-after": "1"}, -32600, {"kind": "busy"}),
        (SessionGoneError(), 404, {}, -32600, {"kind": "unknown_session"}),
        (RequestIdReusedError(7), 400, {}, -32600, {"kind": "request_id_reused"}),
        (MalformedMessageError("No.", code=-32700), 400, {}, -32700, {"kind": "malformed"}),
        (TicketServerError("Unforeseen."), 500, {}, -32600, {"kind": "internal"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, TicketServerError) else "",
)
def test_each_error_has_its_response(
    error: TicketServerError, status: int, headers: dict[str, str], code: int, data: dict[str, Any]
) -> None:
    response = http_error(error)

    said = json.loads(response.body)
    assert (response.status, response.headers) == (status, headers)
    assert (said["error"]["code"], said["error"]["data"]) == (code, data)
    assert said["id"] == error.request_id


def test_an_unknown_session_is_answered_with_how_to_open_one() -> None:
    said = json.loads(http_error(SessionGoneError(), how_to_open="Knock.").body)

    assert said["error"]["message"] == "There is no such session. Knock."
