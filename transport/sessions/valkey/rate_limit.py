"""The buckets of many instances: in Valkey, by its clock. A call that is recorded is paid for in the same script."""

from collections.abc import Sequence
from typing import Final

from transport.rate_limit import Cost, Wait
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.valkey import codec, scripts
from transport.sessions.valkey.instance import ValkeyInstance

CONSUME_S: Final = 1.0
"""How long a request may wait to be paid for; then the buckets of this instance count."""


class SharedBuckets:
    """Buckets of all instances; while Valkey is away, those of this one."""

    def __init__(self, instance: ValkeyInstance) -> None:
        self._instance = instance

    async def consume(self, costs: Sequence[Cost]) -> Wait | None:
        """Pay all of `costs` together, or nothing."""
        if costs and self._instance.client.is_up:
            try:
                reply = await self._instance.call(scripts.CONSUME, *codec.cost_arguments(costs), wait_s=CONSUME_S)
                return codec.decode_wait(costs, reply)
            except BrokerUnavailableError:
                pass
        return self._instance.buckets.try_consume(costs)
