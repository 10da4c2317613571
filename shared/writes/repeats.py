"""Sends each write that adds something only once; an equal later call gets the result of the first.

Models repeat calls: after a lost response, in another turn, three at a time. A repeat waits while the first call runs,
is sent if the first changed nothing, and reads the tickets before sending if the outcome of the first is unknown.
Two calls are equal if their idempotency keys are, for a day; or, unless both have keys, if their contents are.
"""

import hashlib
import json
import secrets
import time
import unicodedata
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import anyio

from shared.combining_marks import with_few_marks
from shared.errors import (
    ConflictError,
    Effect,
    OutcomeUnknownError,
    StillRunningError,
    TicketServerError,
    UpstreamError,
    UpstreamUnavailableError,
)
from shared.identity import DEFAULT_TENANT, PrincipalKey
from shared.localization import localized
from shared.tickets.acting_user import ToolCall
from shared.tickets.results import Result
from shared.writes.outcome import LOOK_S
from shared.writes.recent_writes import LEASE_S, Earlier, RecentWrites, State, Write

ResultT = TypeVar("ResultT", bound=Result)
ShownT_co = TypeVar("ShownT_co", bound=Result, covariant=True)

WAIT_S: Final = LEASE_S + 1
"""Seconds a repeat waits for the first call; after that the first is no longer running, whatever its outcome."""
QUIET_S: Final = 5.0
"""Seconds after which the ticket API is assumed to have finished a write that it did not respond to."""
SETTLE_S: Final = 1.0
_POLL_S: Final = (0.05, 0.5)
_LOOK_AGAIN_S: Final = 1.0
_LOCAL: Final = (DEFAULT_TENANT.id, "")
"""The only principal over STDIO; it differs from every principal over HTTP."""


@dataclass(slots=True)
class WriteAttempt:
    """One attempt to send: the idempotency key for the ticket API, and the id of what it created, once known."""

    upstream: str
    subject: str = ""


class Trace(Protocol[ShownT_co]):
    """What a write leaves in the ticket system, by which an earlier write is found and shown."""

    @property
    def another(self) -> str:
        """What allowing a duplicate does, for example `makes another`."""
        ...

    def already(self, ago: str, subject: str) -> str:
        """Return the beginning of a sentence that says what the earlier call did."""
        ...

    async def find(self, earlier: Earlier) -> str:
        """Return the id of what a doubtful earlier call left, empty if nothing is found. Raises: UpstreamError.

        The caller cancels it after `LOOK_S`.
        """
        ...

    async def show(self, subject: str, said: str) -> ShownT_co:
        """Return the result of a repeat, beginning with `said`. Raises: TicketServerError."""
        ...


def write_of(
    call: ToolCall,
    words: Mapping[str, Any],
    *,
    key: str | None,
    window_s: float,
    seen: int = 0,
    duplicate: bool = False,
) -> Write:
    """Return the `Write` of `call`; see there for its fields.

    Idempotency keys belong to the caller: the ticket API gets a digest, so two principals may use the same key.
    """
    owner = _LOCAL if call.principal is None else call.principal.key
    return Write(
        owner=owner,
        words=digest(meaning(words)),
        window_s=window_s,
        upstream=secrets.token_hex(16) if key is None else upstream_key(owner, key),
        key="" if key is None else digest(key),
        seen=seen,
        allows_duplicate=duplicate,
    )


def upstream_key(owner: PrincipalKey, key: str) -> str:
    """Return the key that the ticket API gets for the idempotency key of `owner`."""
    return digest([*owner, key])


def digest(value: Any) -> str:
    """Return a digest of a JSON value; the order of object members makes no difference."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def meaning(value: Any) -> Any:
    """Return `value` normalised, without differences that do not matter once it is stored.

    Those are the Unicode form, line endings, blanks at the ends of lines and around the text, the order of lists, and
    whether an empty value or `False` is given or omitted.
    """
    match value:
        case str():
            form = unicodedata.normalize("NFC", with_few_marks(value))
            lines = form.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            return "\n".join(line.rstrip() for line in lines).strip()
        case Mapping():
            plain = {name: meaning(one) for name, one in value.items()}
            return {name: one for name, one in plain.items() if one is not None and one not in ("", [])}
        case list() | tuple():
            return sorted(map(meaning, value), key=lambda one: json.dumps(one, sort_keys=True))
        case bool() | None:
            return value or None
        case int() | float():
            return float(value)
        case _:
            return value


class Repeats:
    """Sends each write once.

    Args:
        writes: recognises equal writes.
        quiet_s: see `QUIET_S`.
        wait_s: see `WAIT_S`.
    """

    def __init__(self, writes: RecentWrites, *, quiet_s: float = QUIET_S, wait_s: float = WAIT_S) -> None:
        self._writes = writes
        self._quiet_s = quiet_s
        self._wait_s = wait_s

    async def once(
        self, write: Write, trace: Trace[ResultT], send: Callable[[WriteAttempt], Awaitable[ResultT]]
    ) -> ResultT:
        """Return the result of `send`, or the result of an equal earlier call.

        Raises:
            ConflictError: the idempotency key was used with other content.
            StillRunningError: the earlier call is still running.
            UpstreamUnavailableError: the outcome of the earlier call cannot be read now.
            TicketServerError: any error of `send` and `trace`.
        """
        token = secrets.token_hex(8)
        earlier = await self._first(write, token)
        if earlier is None:
            return await self._send(write, token, WriteAttempt(write.upstream), send)
        if earlier.state is State.CONFLICT:
            raise ConflictError(
                localized(
                    "This idempotencyKey was already used with other arguments. Nothing was changed; use a new key."
                )
            )
        if earlier.state is State.DONE:
            said = _said(trace, earlier, earlier.subject, earlier.age_s)
            return await trace.show(earlier.subject, said)
        return await self._after_doubt(write, token, trace, send, earlier)

    @asynccontextmanager
    async def alone(self, write: Write) -> AsyncGenerator[Callable[[], Awaitable[object]]]:
        """Let equal writes wait while this block runs; nothing is remembered of it afterwards.

        Yields:
            what the block calls at least every `LEASE_S`: the claim of an instance that is gone ends after that.

        Raises:
            StillRunningError: an equal one did not end in time.
        """
        token = secrets.token_hex(8)
        await self._first(write, token)
        try:
            yield partial(self._writes.claim, write, token)
        finally:
            await self._settle(write, token, None)

    async def _first(self, write: Write, token: str) -> Earlier | None:
        """Claim the write, waiting while an equal one runs."""
        give_up_at, pause = time.monotonic() + self._wait_s, _POLL_S[0]
        try:
            while (earlier := await self._writes.claim(write, token)) and earlier.state is State.RUNNING:
                if time.monotonic() > give_up_at:
                    raise StillRunningError(
                        localized(
                            "An equal call has been running for {time}. Nothing was changed by this one; repeat it in "
                            "a moment to see what the first did.",
                            time=_time(earlier.age_s),
                        )
                    )
                await anyio.sleep(pause)
                pause = min(1.5 * pause, _POLL_S[1])
        except anyio.get_cancelled_exc_class():
            await self._settle(write, token, None)
            raise
        return earlier

    async def _send(
        self,
        write: Write,
        token: str,
        attempt: WriteAttempt,
        send: Callable[[WriteAttempt], Awaitable[ResultT]],
        *,
        unchanged: State | None = None,
    ) -> ResultT:
        """Send a claimed write and settle it; `unchanged` is its state if nothing was changed."""
        state: State | None = State.UNANSWERED  # remains if this is cancelled or fails by a fault of this server
        try:
            result = await send(attempt)
        except TicketServerError as error:
            state = unchanged if error.effect is Effect.NOTHING_CHANGED else _state_after(error)
            raise
        else:
            state = State.DONE
            return result
        finally:
            await self._settle(write, token, state, attempt.subject)

    async def _settle(
        self, write: Write, token: str, state: State | None, subject: str = "", *, age_s: float = 0
    ) -> None:
        with anyio.move_on_after(SETTLE_S, shield=True):
            await self._writes.settle(write, token, state, subject=subject, age_s=age_s)

    async def _after_doubt(
        self,
        write: Write,
        token: str,
        trace: Trace[ResultT],
        send: Callable[[WriteAttempt], Awaitable[ResultT]],
        earlier: Earlier,
    ) -> ResultT:
        """Find what the earlier call left; only if nothing is found, send the write, with the earlier call's key."""
        started = time.monotonic()

        def age_s() -> float:
            return earlier.age_s + time.monotonic() - started

        try:
            found = await self._find(trace, earlier, age_s)
        except BaseException:
            await self._settle(write, token, earlier.state, earlier.subject, age_s=age_s())
            raise
        if found:
            await self._settle(write, token, State.DONE, found, age_s=age_s())
            return await trace.show(found, _said(trace, earlier, found, age_s()))
        await self._writes.claim(write, token)  # renews it: searching took time
        attempt = WriteAttempt(earlier.upstream)
        result = await self._send(write, token, attempt, send, unchanged=earlier.state)
        if earlier.state is State.UNPROVED:
            return result
        note = localized(
            "An equal call {time} ago ended without a response. Nothing of it was there before this one was sent; if "
            "the ticket API still executes it, there are two.",
            time=_time(age_s()),
        )
        return result.model_copy(update={"notes": (*result.notes, note)})

    async def _find(self, trace: Trace[ResultT], earlier: Earlier, age_s: Callable[[], float]) -> str:
        """Return the id of what the earlier call left, empty once it is safe to assume that it left nothing."""
        while True:
            is_last = earlier.state is State.UNPROVED or age_s() >= self._quiet_s
            try:
                with anyio.fail_after(LOOK_S):
                    found = await trace.find(earlier)
            except (UpstreamError, TimeoutError):
                raise UpstreamUnavailableError(
                    localized(
                        "An equal call {time} ago ended without a response, and its outcome cannot be read now. "
                        "Nothing was changed by this one; repeat it in a moment.",
                        time=_time(age_s()),
                    )
                ) from None
            if found or is_last:
                return found
            await anyio.sleep(max(0.0, min(_LOOK_AGAIN_S, self._quiet_s - age_s())))


def _state_after(error: TicketServerError) -> State:
    """Return the state of a write that failed after it may have changed something."""
    if error.effect is Effect.CHANGED:
        return State.DONE
    return State.UNPROVED if isinstance(error, OutcomeUnknownError) and error.settled else State.UNANSWERED


def _said(trace: Trace[Any], earlier: Earlier, subject: str, age_s: float) -> str:
    """Return the sentence that the result of a repeat begins with."""
    said = trace.already(localized("{time} ago", time=_time(age_s)), subject)
    if earlier.is_doubt:
        said += localized(
            ", as far as can be seen: that call ended without a response, and this is what was found of it"
        )
    if earlier.by_key:
        return localized(
            "{said}, with this idempotencyKey; another key and allowDuplicate: true {another}.",
            said=said,
            another=trace.another,
        )
    return localized("{said}; allowDuplicate: true {another}.", said=said, another=trace.another)


def _time(seconds: float) -> str:
    if seconds < 120:
        return localized("{n:.0f} s", n=seconds)
    return localized("{n:.0f} min", n=seconds / 60) if seconds < 7200 else localized("{n:.0f} h", n=seconds / 3600)
