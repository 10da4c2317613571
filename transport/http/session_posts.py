"""One POST of a session, on any wire: what it carries is read, refused where it must be, and handed to the engine."""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request

from shared.identity import Principal
from transport import jsonrpc
from transport.dispatch.context import Caller
from transport.dispatch.dispatcher import Dispatcher, RequestRefusedError
from transport.http import errors
from transport.http.request_checks import HTTPRefusalError, RequestChecks
from transport.jsonrpc import Inbound
from transport.sessions.broker import BrokerUnavailableError, ClaimResult, SessionBroker, SessionGoneError
from transport.sessions.session import SessionRecord

_BATCHING_REVISION: Final = "2025-03-26"


async def read(checks: RequestChecks, request: Request) -> tuple[list[Inbound], bool]:
    """Return the messages of a POST, and whether they came as a batch.

    Raises:
        HTTPRefusalError: by the guard, or because they are none (400).
    """
    body = await checks.body(request)
    try:
        return jsonrpc.parse(body)
    except jsonrpc.MalformedMessageError as error:
        raise HTTPRefusalError(400, "malformed", str(error), code=error.code) from None


class SessionPosts:
    """Takes the messages of sessions of one wire.

    Args:
        dispatcher: runs them.
        broker: keeps the sessions.
        wire: name of the wire.
        how_to_open: what a client does that has no session, as a sentence.
    """

    def __init__(self, dispatcher: Dispatcher, broker: SessionBroker, *, wire: str, how_to_open: str) -> None:
        self._dispatcher = dispatcher
        self._broker = broker
        self._wire = wire
        self._how_to_open = how_to_open

    def unknown(self) -> HTTPRefusalError:
        """Return the one answer to whoever names a session that is not theirs."""
        return errors.unknown_session(self._how_to_open)

    async def session(self, session: str, principal: Principal) -> SessionRecord:
        """Return a session of `principal`, and count this as a sign of life.

        Raises:
            SessionGoneError, BrokerUnavailableError.
        """
        return (await self._broker.claim(session, principal.key, self._wire, ())).record

    async def submit(
        self, session: str, inbound: Sequence[Inbound], caller: Caller, *, batch: bool, stream: str = ""
    ) -> ClaimResult:
        """Record and run messages; see `Dispatcher.submit`.

        Raises:
            HTTPRefusalError: the caller has no such session (404), a request id was used before or this is no session
                for batches (400), the broker cannot be reached (503). Nothing was done.
        """
        try:
            if batch:
                await self._refuse_batch_elsewhere(session, caller.principal)
            return await self._dispatcher.submit(session, inbound, caller, kind=self._wire, stream=stream)
        except RequestRefusedError as error:
            raise HTTPRefusalError(400, "request_id_reused", str(error), request_id=error.request) from None
        except SessionGoneError:
            raise self.unknown() from None
        except BrokerUnavailableError as error:
            raise errors.unavailable(error) from None

    async def _refuse_batch_elsewhere(self, session: str, principal: Principal) -> None:
        """Refuse a batch unless the session's revision has batches. Raises: SessionGoneError."""
        if (await self.session(session, principal)).version != _BATCHING_REVISION:
            text = f"Only revision {_BATCHING_REVISION} has batches; send one message at a time."
            raise HTTPRefusalError(400, "batch", text)
