"""What clients are told when a transport refuses them, in the same words on every wire. Pure."""

from transport.broker import BrokerUnavailableError, CapReachedError
from transport.guard import RefusedError


def unknown_session(how_to_open: str) -> RefusedError:
    """Return the one answer for sessions that ended, expired, never were, or are another principal's."""
    return RefusedError(404, "unknown_session", f"There is no such session. {how_to_open}")


def draining() -> RefusedError:
    """Return the answer to whoever would have to be served for longer than this instance lives."""
    text = "This instance is stopping. Nothing was done; try again in a moment."
    return RefusedError(503, "draining", text, headers={"retry-after": "1"})


def unavailable(error: BrokerUnavailableError) -> RefusedError:
    """Return the answer while sessions cannot be reached."""
    return RefusedError(503, error.kind, str(error), headers={"retry-after": "1"})


def cap_reached(error: CapReachedError) -> RefusedError:
    """Return the answer to whoever would open one session too many."""
    status = 503 if error.whole_instance else 429
    return RefusedError(status, error.kind, str(error), headers={"retry-after": "30"})
