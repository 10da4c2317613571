"""The Lua scripts of the Valkey broker, and what is common to their arguments. What they keep: lua/common.lua.

Each is one atomic step, where two instances may race. Each may be sent again.
"""

from pathlib import Path
from typing import Final

from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.session import Limits
from transport.sessions.valkey.client import Script

LAYOUT: Final = 3
"""Number of what is kept of sessions and how: instances of two layouts have sessions, leases and channels of their own.

Recent writes and rates have forms with numbers of their own, in their Lua: instances of all layouts share them.
"""
_LUA: Final = Path(__file__).with_name("lua")
_COMMON: Final = (_LUA / "common.lua").read_text(encoding="utf-8")


class ScriptFailedError(BrokerUnavailableError):
    """The server runs and refused this very call: it would refuse it again. The link has logged why."""


def _script(*names: str) -> Script:
    return Script(_COMMON + "".join((_LUA / f"{name}.lua").read_text(encoding="utf-8") for name in names))


APPEND: Final = _script("append")
ATTACH: Final = _script("attach")
CLAIM: Final = _script("rates", "claim")
CLAIM_WRITE: Final = _script("recent_writes", "claim_write")
CONSUME: Final = _script("rates", "consume")
END: Final = _script("end")
FIND: Final = _script("find")
FINISH: Final = _script("finish")
LEASE: Final = _script("lease")
LEAVE: Final = _script("leave")
OPEN: Final = _script("open")
ORPHANS: Final = _script("orphans")
PENDING: Final = _script("pending")
PUBLISH: Final = _script("publish")
READ: Final = _script("read")
RESTORE: Final = _script("restore")
RUNNING: Final = _script("running")
SAVE: Final = _script("save")
SAVE_OFFSETS: Final = _script("save_offsets")
SETTLE_WRITE: Final = _script("recent_writes", "settle_write")
VIEW: Final = _script("view")
WITHDRAW: Final = _script("withdraw")


def of_layout(prefix: str) -> str:
    """Return what is in front of the keys and channels that instances of another layout must not meet."""
    return f"{prefix}{LAYOUT}:"


def common_arguments(prefix: str, instance: str, limits: Limits, lease_s: float) -> tuple[str | int, ...]:
    """Return the arguments that every script begins with."""
    return (
        of_layout(prefix),
        instance,
        round(limits.idle_s * 1000),
        round(limits.response_kept_s * 1000),
        limits.max_events,
        limits.max_log_bytes,
        limits.max_request_ids,
        round(lease_s * 1000),
        prefix,
    )
