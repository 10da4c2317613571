"""A flood of similar events becomes one entry a minute, with its number, and the memory for them is bounded."""

from shared.audit import AuditEvent
from shared.throttled_audit import ThrottledAuditTrail
from tests.kills import kills


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Trail:
    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    async def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    @property
    def details(self) -> list[str]:
        return [event.detail for event in self.events]


def refused(detail: str = "", credential: str = "") -> AuditEvent:
    return AuditEvent(action="request", outcome="refused", detail=detail, credential=credential)


@kills("shared/throttled_audit.py", "if counted is None:", "if True:")
async def test_a_flood_is_one_entry_a_minute_with_its_number() -> None:
    trail, clock = Trail(), Clock()
    throttled = ThrottledAuditTrail(trail, max_kinds=9, clock=clock)
    for second in range(125):
        await throttled.record("kind", refused("read", f"{second}"))
        clock.now += 1
        await throttled.sweep()

    assert trail.details == ["read", "read, 59 times", "read, 60 times"]
    await throttled.sweep(older_than_s=0)
    assert trail.details[3:] == ["read, 5 times"]
    assert trail.events[3].credential == "124"


async def test_after_a_quiet_minute_the_next_one_is_recorded_at_once() -> None:
    trail, clock = Trail(), Clock()
    throttled = ThrottledAuditTrail(trail, max_kinds=9, clock=clock)
    await throttled.record("kind", refused("first"))
    clock.now = 60
    await throttled.sweep()
    await throttled.record("kind", refused("later"))

    assert trail.details == ["first", "later"]


async def test_kinds_beyond_the_most_are_counted_as_one_and_who_is_quiet_is_forgotten() -> None:
    trail, clock = Trail(), Clock()
    throttled = ThrottledAuditTrail(trail, max_kinds=3, clock=clock)
    for number in range(53):
        await throttled.record(number, refused(f"from {number}"))
    await throttled.sweep(older_than_s=0)

    assert trail.details == ["from 0", "from 1", "from 2", "elsewhere", "elsewhere, 49 times"]
    for _ in range(2):
        clock.now += 60
        await throttled.sweep()
    assert throttled._kinds == {}


async def test_what_was_counted_is_recorded_at_the_end() -> None:
    trail = Trail()
    throttled = ThrottledAuditTrail(trail, max_kinds=9, clock=Clock())
    async with throttled.run():
        for _ in range(3):
            await throttled.record("kind", refused())

    assert trail.details == ["", "2 times"]
