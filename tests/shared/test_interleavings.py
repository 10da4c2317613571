"""Two writers at once, in 200 generated interleavings over both ticket APIs: no sentence about a write is false."""

import random
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from shared.api_client import APIClient
from shared.counting import TallyCounter
from shared.embedded.in_process import InProcessTransport
from shared.tools import TicketTools
from tests.shared.gate import LIMIT_S, Gate, GateTransport, Json
from tests.shared.given import TICKET, World, text_of, world
from tests.shared.judge import Call, verdicts

SEEDS: Final = 200
QUICK: Final = 12
CHOICES: Final[dict[str, tuple[Any, ...]]] = {
    "remarks": ("a", "b"),
    "summary": ("S1", "S2"),
    "actualEffortHours": (1, 2.5),
    "personInChargeId": ("user3", "user4"),
    "statusId": ("stat2", "stat4"),
    "scheduledCompletionDate": ("2026-12-24", "2026-12-25", None),
    "hasDefect": (True, False),
}
Kind = Literal["existing", "reference"]


def arguments(rng: random.Random, tool: str, ticket_id: str, user: str) -> dict[str, Any]:
    """Return the arguments of one call, from few values, so that writers often choose the same."""
    if tool == "add_ticket_history":
        return {"ticketId": ticket_id, "userId": user, "comment": rng.choice("cd")}
    fields = rng.sample(sorted(CHOICES), rng.choice((1, 1, 1, 2, 3)))
    given = {name: rng.choice(CHOICES[name]) for name in fields}
    comment = {"comment": rng.choice("cd")} if rng.random() < 0.3 else {}
    return {"ticketId": ticket_id, "updatedById": user, **given, **comment}


def plain_html(text: str) -> str:
    """Undo the Markdown escapes that occur in the names and dates of these tests."""
    return text.replace("\\_", "_")


class Writer:
    """One writer: a tool server of its own over the shared ticket API."""

    def __init__(self, name: str, user: str, gate: Gate, inner: Any) -> None:
        self.name, self.user, self._gate = name, user, gate
        wire: Any = GateTransport(gate, name, inner)
        self.api = APIClient("http://api", api_key="standin-key", transport=wire, deadline_s=LIMIT_S)
        self._world = World(self.api, wire, TicketTools(self.api), TallyCounter())
        self.calls: list[Call] = []

    async def call(self, tool: str, given: dict[str, Any]) -> None:
        """Make one call and record its result."""
        known = frozenset(entry["id"] for entry in await self._gate.history())
        first = len(self._gate.writes)
        self._gate.first_read.pop(self.name, None)
        result = await self._world.call(tool, **given)
        last_known = max((entry["id"] for entry in await self._gate.history()), default=0)
        own = [write for write in self._gate.writes[first:] if write.writer == self.name]
        seen = own[0].state if own else self._gate.seen[self.name]
        self.calls.append(
            Call(tool, given, self.user, plain_html(text_of(result)), result.structured_content or {}, result.is_error,
                 own, known, seen, self._gate.first_read.get(self.name, 0), last_known)
        )  # fmt: skip


async def play(here: World, inner: Any, seed: int) -> list[str]:
    """Run one interleaving; return the false sentences, with the whole sequence of events."""
    rng = random.Random(seed)  # noqa: S311 - the same for the same seed, no secret
    start: Json = TICKET | rng.choice(({}, {"remarks": "a"}, {"remarks": "a", "actualEffortHours": 1}))
    ticket_id = (await here.api.post("/tickets", start))["id"]
    gate = Gate(here.api, ticket_id, rng)
    writers = [Writer("A", "user1", gate, inner), Writer("B", rng.choice(("user1", "user2", "user2")), gate, inner)]
    plans = {
        writer.name: [rng.choice(("update_ticket",) * 4 + ("add_ticket_history",)) for _ in range(rng.choice((1, 2)))]
        for writer in writers
    }

    def act(writer: Writer) -> Any:
        async def every_call() -> None:
            for tool in plans[writer.name]:
                await writer.call(tool, arguments(rng, tool, ticket_id, writer.user))

        return every_call

    await gate.run(**{writer.name: act(writer) for writer in writers})
    history, ticket = await gate.history(), await gate.ticket()
    false = [
        f"{writer.name} ({call.user}) {call.tool} {dict(call.arguments)}: {verdict}\n   said: {call.text}"
        for writer in writers
        for call in writer.calls
        for verdict in verdicts(call, history, ticket)
    ]
    story = [f"   {write.writer} {write.fault} {write.made}" for write in gate.writes]
    return [f"seed {seed}: {one}\n" + "\n".join(story) for one in false]


async def false_sentences(kind: Kind, folder: Path, seeds: range) -> list[str]:
    async with world(kind, folder) as here:
        inner = here.wire.inner
        assert isinstance(inner, InProcessTransport)
        return [one for seed in seeds for one in await play(here, inner, seed)]


@pytest.mark.parametrize("kind", ["existing", "reference"])
async def test_no_sentence_about_a_write_is_false(kind: Kind, tmp_path: Path) -> None:
    false = await false_sentences(kind, tmp_path, range(QUICK))

    assert not false, f"{len(false)} false:\n" + "\n".join(false[:5])


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["existing", "reference"])
async def test_no_sentence_about_a_write_is_false_in_200_interleavings(kind: Kind, tmp_path: Path) -> None:
    false = await false_sentences(kind, tmp_path, range(SEEDS))

    assert not false, f"{len(false)} false:\n" + "\n".join(false[:5])
