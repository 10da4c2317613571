"""What a full log gives up, compared with a model that looks at every event each time."""

from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from transport.sessions.event_log import Event, EventLog, Kind

MAX_EVENTS, MAX_BYTES, MAX_LOST = 4, 400, 3

Step = tuple[str, Any]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.tuples(st.sampled_from(Kind), st.integers(0, 150), st.sampled_from(["", "a"]))),
        st.tuples(st.just("delivered"), st.integers(1, 12)),
        st.tuples(st.just("rewind"), st.integers(0, 12)),
        st.tuples(st.just("remove"), st.integers(1, 12)),
        st.tuples(st.just("expire"), st.integers(0, 12)),
    ),
    max_size=40,
)


class Model:
    """A list of what is kept: events, each with the moment in which it came to be as little needed as it is."""

    def __init__(self) -> None:
        self.kept: list[Event] = []
        self.moments: dict[int, int] = {}
        self.clock = count()

    def add(self, event: Event) -> None:
        self.kept.append(event)
        self.moved(event)
        self.shrink()

    def moved(self, event: Event) -> None:
        self.moments[event.number] = next(self.clock)

    def rank(self, event: Event) -> int:
        return 0 if event.written_at is not None else event.kind if event.message is not None else 4

    def evict(self, event: Event) -> None:
        if event.kind is Kind.RESPONSE and event.written_at is None and event.message is not None:
            event.message = None
            self.moved(event)
        elif self.rank(event) != 4:
            self.kept.remove(event)

    def shrink(self) -> None:
        while True:
            whole = [event for event in self.kept if self.rank(event) != 4]
            is_over = len(whole) > MAX_EVENTS or sum(event.cost for event in self.kept) > MAX_BYTES
            if not whole or not is_over:
                break
            self.evict(min(whole, key=lambda event: (self.rank(event), self.moments[event.number])))
        lost = sorted((one for one in self.kept if self.rank(one) == 4), key=lambda one: self.moments[one.number])
        for event in lost[: max(0, len(lost) - MAX_LOST)]:
            self.kept.remove(event)

    def delivered(self, number: int, now: int) -> None:
        for event in self.kept:
            if event.number == number:
                event.written_at = now
                self.moved(event)

    def rewind(self, number: int, now: int) -> None:
        for event in self.kept:
            if event.stream == "":
                event.written_at = None if event.number > number else event.written_at or now
            self.moved(event)

    def remove(self, number: int) -> None:
        self.kept = [event for event in self.kept if event.number != number]

    def expire(self, before: int) -> None:
        for event in list(self.kept):
            if event.stored_at >= before:
                break
            self.evict(event)


def apply(step: Step, now: int, log: EventLog, model: Model) -> None:
    what, about = step
    if what == "append":
        kind, size, stream = about
        event = log.append(kind, b"x" * size, now, request=now, stream=stream)
        model.add(Event(event.number, kind, now, b"x" * size, now, stream=stream))
    elif what == "delivered":
        log.delivered([one for one in seen(log) if one.number == about], now)
        model.delivered(about, now)
    elif what == "rewind":
        log.rewind(about, [], now)
        model.rewind(about, now)
    elif what == "remove":
        log.remove({about})
        model.remove(about)
    else:
        log.expire(now - about)
        model.expire(now - about)


@settings(max_examples=300)
@given(STEPS)
def test_any_history_leaves_what_the_order_of_eviction_says(steps: list[Step]) -> None:
    log, model = EventLog(max_events=MAX_EVENTS, max_bytes=MAX_BYTES, max_lost=MAX_LOST), Model()
    for now, step in enumerate(steps):
        apply(step, now, log, model)
        assert [(one.number, one.text()) for one in seen(log)] == [(one.number, one.text()) for one in model.kept]
        assert log.bytes == sum(one.cost for one in model.kept)


def seen(log: EventLog) -> list[Event]:
    return sorted([*log.newer_than(0, ""), *log.newer_than(0, "a")], key=lambda one: one.number)
