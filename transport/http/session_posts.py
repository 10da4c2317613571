"""One POST of a session, on any wire: what it carries is read, refused where it must be, and handed to the engine."""

from collections.abc import Sequence
from typing import Final

from shared.identity import Principal
from transport import jsonrpc
from transport.dispatch.context import Caller
from transport.dispatch.dispatcher import Engine
from transport.http.errors import HTTPRefusal
from transport.http.request_checks import RequestChecks
from transport.http.request_head import HTTPRequest
from transport.jsonrpc import Inbound
from transport.sessions.broker import Admitted, SessionBroker
from transport.sessions.session import SessionRecord

_BATCHING_REVISION: Final = "2025-03-26"


async def read(checks: RequestChecks, request: HTTPRequest) -> tuple[list[Inbound], bool]:
    """Return the messages of a POST, and whether they came as a batch.

    Raises:
        HTTPRefusal: by the checks.
        MalformedMessageError: they are none.
    """
    return jsonrpc.parse(await checks.read_json_body(request))


class Intake:
    """Takes the messages of sessions of one wire.

    Args:
        engine: runs them.
        broker: keeps the sessions.
        wire: name of the wire.
    """

    def __init__(self, engine: Engine, broker: SessionBroker, *, wire: str) -> None:
        self._engine = engine
        self._broker = broker
        self._wire = wire

    async def session(self, session: str, principal: Principal) -> SessionRecord:
        """Return a session of `principal`, and count this as a sign of life.

        Raises:
            SessionGoneError, BrokerUnavailableError.
        """
        return (await self._broker.admit(session, principal.key, self._wire, ())).record

    async def take(
        self, session: str, inbound: Sequence[Inbound], caller: Caller, *, batch: bool, stream: str = ""
    ) -> Admitted:
        """Record and run messages; see `Engine.receive`.

        Raises:
            HTTPRefusal: this is no session for batches; nothing was done.
        """
        if batch and (await self.session(session, caller.principal)).version != _BATCHING_REVISION:
            raise HTTPRefusal(
                400, "batch", f"Only revision {_BATCHING_REVISION} has batches; send one message at a time."
            )
        return await self._engine.receive(session, inbound, caller, kind=self._wire, stream=stream)
