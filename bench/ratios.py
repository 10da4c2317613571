"""The guard of `test --long speed`: how many instructions a call may take beside the MCP SDK's, in the same run."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench import instructions
from bench.figures import INSTRUCTIONS, Run
from bench.lab import Lab
from bench.report import ratio_of
from bench.rows import HIGH, OURS, SDK, SDK_JSON, WORK

RATIOS: Final = Path(__file__).with_name("ratios.toml")
GUARDED: Final = MappingProxyType({
    "sse": (SDK, OURS, HIGH),
    "session": (SDK_JSON, OURS),
    "modern": (SDK_JSON, OURS),
})  # fmt: skip
"""The servers of each row that are counted, the one beside which the others stand first."""
WORSE: Final = 1.2
"""A ratio that grows beyond this is a fault."""


def kept() -> dict[str, dict[str, float]]:
    """Return the ratios that were measured when they were last written, by row and server."""
    return tomllib.loads(RATIOS.read_text("utf-8"))


def counted(key: str, lab: Lab) -> dict[str, float]:
    """Return the ratios of one row now, by server. Takes half a minute."""
    beside, *others = GUARDED[key]
    figures = instructions.measure(key, WORK[key].only(beside, *others), lab)
    return {name: ratio for name in others if (ratio := ratio_of(figures, name, beside)) is not None}


def grown(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Return a sentence for each server whose ratio has become worse by more than a fifth."""
    return [
        f"{name} takes {now[name]:.2f} times the instructions of the server beside it, {ratio:.2f} before"
        for name, ratio in before.items()
        if now[name] > ratio * WORSE
    ]


def rewrite_ratios(run: Run) -> None:
    """Write the ratios of a run, if it counted instructions."""
    lines = [
        "# Instructions of a call beside the MCP SDK's: `python3 run.py bench --write` writes this file.",
        "# `python3 run.py test --long speed` fails when one of them has grown by a fifth.",
    ]
    for key, (beside, *others) in GUARDED.items():
        figures = [one for one in run.figures if (one.row, one.measure) == (key, INSTRUCTIONS)]
        lines += ["", f"[{key}]"]
        for name in others:
            ratio = ratio_of(figures, name, beside)
            if ratio is None:
                return
            lines.append(f'"{name}" = {ratio:.3f}')
    RATIOS.write_text("\n".join(lines) + "\n", "utf-8")
