"""Events of a server for the clients that subscribed to them, on every instance.

A server publishes once, `await bus.publish(ToolsListChanged())` or by its context, and every instance sends them to its
own subscribers. Nothing is kept: a client that was away asks again when it is back, as 2026-07-28 has it.
"""

from collections.abc import Awaitable, Callable

from mcp.server.subscriptions import InMemorySubscriptionBus, ServerEvent
from mcp.shared.subscriptions import event_from_wire, event_to_notification

from transport.sessions.broker import InstanceMessage


class SharedBus:
    """A `SubscriptionBus` of the SDK: give it to `MCPServer(subscriptions=…)` and to `Transport(bus=…)`."""

    def __init__(self) -> None:
        self._here = InMemorySubscriptionBus()
        self._spread: Callable[[InstanceMessage], Awaitable[None]] | None = None

    def connect(self, spread: Callable[[InstanceMessage], Awaitable[None]]) -> None:
        """Have `spread` send events to all other instances; it must not raise."""
        self._spread = spread

    async def publish(self, event: ServerEvent) -> None:
        """Send an event to the subscribers of this instance, then to those of others as far as they can be reached."""
        await self._here.publish(event)
        if self._spread is not None:
            notification = event_to_notification(event, {})
            said = notification.model_dump(mode="json", by_alias=True, exclude_none=True)
            await self._spread(InstanceMessage("published", "", ("", ""), body=said))

    async def on_message(self, message: InstanceMessage) -> None:
        """Send the subscribers of this instance what another one published."""
        event = event_from_wire(str(message.body.get("method")), message.body.get("params"))
        if event is not None:
            await self._here.publish(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Register a listener and return what takes it off again."""
        return self._here.subscribe(listener)
