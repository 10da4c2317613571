"""Instructions of a unit of work, by callgrind: a figure that other work on the machine does not disturb."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvloop

from bench.figures import INSTRUCTIONS, Figure
from bench.lab import Lab
from bench.parties import Party, programs, running
from bench.programs import Program
from bench.rows import Contender, Row

CALLS: Final = 10
WARM_UP: Final = 6
"""Units of work of each session that are not counted."""
STEADY: Final = {"PYTHONHASHSEED": "0", "UV_USE_IO_URING": "0"}
"""The same order of sets in every run; valgrind does not know io_uring."""


def is_possible() -> bool:
    """Return whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def measure(key: str, row: Row, lab: Lab) -> list[Figure]:
    """Return the instructions of every Python server of the row."""
    counted = [(contender, program) for contender, program in programs(row, lab) if program.is_python]
    return [
        Figure(key, contender.name, INSTRUCTIONS, _count(contender, program, lab, row.counted_sessions) / 1e3)
        for contender, program in counted
    ]


def _count(contender: Contender, program: Program, lab: Lab, sessions: int) -> float:
    out = lab.new_path("callgrind")
    valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", "--quiet"]
    steady = replace(program, variables={**program.variables, **STEADY})
    with running(contender, steady, lab, valgrind) as party:
        uvloop.run(_work(party, sessions))
        return _total(out) / sessions / CALLS


async def _work(party: Party, sessions: int) -> None:
    for _ in range(sessions):  # one after the other: slowed down like this, a server would meet its own time limits
        await party.open(1)
    await party.renew()
    await party.turn(WARM_UP)
    await party.renew()
    _control("--instr=on", party)
    await party.turn(CALLS)
    _control("--dump", party)
    party.close()


def _control(command: str, party: Party) -> None:
    subprocess.run(["callgrind_control", command, str(party.server.pid)], check=True, capture_output=True)


def _total(out: Path) -> int:
    (dump,) = out.parent.glob(f"{out.name}.*")
    (total,) = re.findall(r"^totals: (\d+)", dump.read_text("utf-8", errors="replace"), re.MULTILINE)
    return int(total)
