"""What arrives that is no request: notifications and responses of clients, and messages of other instances."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

import anyio
import anyio.abc
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCResponse, RequestId

from shared.counting import Counter
from shared.json_body import is_id
from shared.telemetry import get_logger
from transport import jsonrpc
from transport.dispatch.client_requests import ClientRequests
from transport.dispatch.context import Caller
from transport.dispatch.sdk_kernel import SDKKernel, cancelled_request_id_from_params, coerce_request_id
from transport.dispatch.subscriptions import SharedBus
from transport.sessions.broker import BrokerUnavailableError, InstanceMessage, SessionBroker
from transport.sessions.session import SessionRecord

log = get_logger(__name__)


class CancellableCalls(Protocol):
    """The calls that run on this instance."""

    def cancel(self, session: str, token: str) -> bool:
        """Cancel an attempt at its client's wish, if it runs here; return whether it does."""
        ...

    def begin_epoch(self, session: str, epoch: int) -> None:
        """Cancel what runs of earlier epochs of a session."""
        ...

    def cancel_all_of(self, session: str) -> None:
        """Cancel what runs of a session that ended."""
        ...


class Inbox:
    """Receives messages that are no requests; it is what a broker reports to.

    Args:
        kernel: serves notifications.
        broker: knows what runs on other instances.
        back_channel: takes responses.
        calls: those that can be cancelled here.
        bus: carries events of the server to the subscribers of all instances.
        counter: counts what came too late or could not be told apart.
    """

    def __init__(
        self,
        kernel: SDKKernel,
        broker: SessionBroker,
        back_channel: ClientRequests,
        *,
        calls: CancellableCalls,
        bus: SharedBus | None,
        counter: Counter | None,
    ) -> None:
        self._kernel = kernel
        self._broker = broker
        self._back_channel = back_channel
        self._calls = calls
        self._bus = bus
        if bus is not None:
            bus.connect(self._publish_now)
        self._counter = counter

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Publish messages to other instances until left."""
        async with anyio.create_task_group() as self._tasks:
            yield
            self._tasks.cancel_scope.cancel()

    async def receive(self, session: SessionRecord, message: jsonrpc.ClientMessage, caller: Caller) -> None:
        """Receive one message. Raises: BrokerUnavailableError."""
        match message:
            case JSONRPCNotification():
                await self._notified(session, message, caller)
            case JSONRPCResponse():
                await self._answered(session, message.id, {"result": message.result})
            case JSONRPCError():
                error = message.error.model_dump(mode="json", exclude_none=True)
                await self._answered(session, message.id, {"error": error})

    async def _answered(self, session: SessionRecord, request: RequestId | None, body: dict[str, object]) -> None:
        await self._back_channel.forward(InstanceMessage("answered", session.id, session.owner, request, body))

    async def _notified(self, session: SessionRecord, notification: JSONRPCNotification, caller: Caller) -> None:
        params = notification.params or {}
        if notification.method == "notifications/cancelled":
            await self._cancel(session, cancelled_request_id_from_params(params))
        elif notification.method == "notifications/progress":
            token = params.get("progressToken")
            message = InstanceMessage("progressed", session.id, session.owner, token, dict(params))
            await self._back_channel.forward(message)
        before = session.initialized
        await self._kernel.on_notification(session, caller, notification)
        if session.initialized != before:
            await self._broker.save(session)

    async def _cancel(self, session: SessionRecord, request: RequestId | None) -> None:
        """Cancel the one call that runs with this id, on whatever instance.

        Clients exist that turn an id into a string, so the number that it spells counts where nothing runs with it.
        """
        if request is None or not is_id(request):
            return
        running = await self._broker.running(session.id, request)
        if not running and (number := coerce_request_id(request)) != request:
            running = await self._broker.running(session.id, number)
        if len(running) > 1:
            log.info("cancellation_ignored", session=session.id[:8], running=len(running))
            if self._counter is not None:
                self._counter.count("mcp_cancellations_ignored")
        for token in running if len(running) == 1 else ():
            if not self._calls.cancel(session.id, token):
                body = {"token": token}
                self.publish(InstanceMessage("cancelled", session.id, session.owner, request, body))

    # ---- other instances

    def publish(self, message: InstanceMessage) -> None:
        """Send a message to all other instances, in the background and as far as they can be reached."""
        if self._broker.is_shared:
            self._tasks.start_soon(self._publish_now, message)

    async def _publish_now(self, message: InstanceMessage) -> None:
        try:
            await self._broker.publish(message)
        except BrokerUnavailableError:  # it would have saved work and carried no promise
            log.warning("note_lost", note=message.kind)

    async def on_message(self, message: InstanceMessage) -> None:
        """Receive a message of another instance."""
        match message.kind:
            case "cancelled":
                self._calls.cancel(message.session, str(message.body["token"]))
            case "epoch":
                self._calls.begin_epoch(message.session, int(message.body["epoch"]))
            case "published" if self._bus is not None:
                await self._bus.on_message(message)
            case _:
                await self._back_channel.on_message(message)

    def on_session_ended(self, session: str) -> None:
        """Let go of a session that ended: its calls are cancelled, and so are requests to its client."""
        self._kernel.forget(session)
        self._back_channel.close(session)
        self._calls.cancel_all_of(session)

    def on_response_dropped(self) -> None:
        """Count a response that came too late."""
        if self._counter is not None:
            self._counter.count("mcp_answers_dropped")
