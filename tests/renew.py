"""Rewrites the files that repeat tables of the code, as that of the tools: `python3 run.py renew`.

Then read the diff.

`tests/shared/snapshots/tools.json` is the list of tools as clients receive it. The tables of tools in `README.md` and
`README.ja.md` keep the words of their rows. A new tool joins the row of the tools with the same purpose, or gets a row
that says its purpose: reword it, and translate it in `README.ja.md`.

The table of client habits in `docs/interop.md` is `shared.client_habits.HABITS` as it is, and the table of metrics in
`docs/metrics.md` is `shared.metrics.table.METRICS`.

The rules of the service level objectives, the alerting policies and the dashboards in `gcp-deploy/monitoring` are
written from `tests/deploy/slo.py`, the rule files and `panels.yaml`.

`bootstrap/opening.json` is what the server answers at the beginning of a conversation, for clients that come while it
is still being set up.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mcp import Client
from mcp_types import Tool

from bootstrap.waiting_room import OPENING
from shared.api_client import APIClient
from shared.client_habits import HABITS, Habit
from shared.mcp_tools.catalog import TOOLS, ToolSpec
from shared.mcp_tools.tenant_tools import SingleToolsProvider
from shared.metrics.table import METRICS, Metric
from shared.server import build_server
from shared.tools import TicketTools
from tests.deploy.alert_rules import SLO_RULES, policy_files
from tests.deploy.dashboards import dashboard_files
from tests.deploy.slo import slo_rules
from tests.opening import opening

ROOT: Final = Path(__file__).resolve().parent.parent
SNAPSHOT: Final = ROOT / "tests" / "shared" / "snapshots" / "tools.json"
SEPARATORS: Final = {ROOT / "README.md": ", ", ROOT / "README.ja.md": "、"}
"""The READMEs, and what stands between two names in a cell of each."""
INTEROP: Final = ROOT / "docs" / "interop.md"
METRICS_PAGE: Final = ROOT / "docs" / "metrics.md"
HINT: Final = "it does not fit the code that it repeats: run `python3 run.py renew`, then read the diff"
_TABLE: Final = re.compile(r"(?<=<!-- tools: python3 run.py renew -->\n).*?(?=<!-- /tools -->)", re.DOTALL)
_HABITS: Final = re.compile(r"(?<=<!-- habits: python3 run.py renew -->\n).*?(?=<!-- /habits -->)", re.DOTALL)
_METRICS: Final = re.compile(r"(?<=<!-- metrics: python3 run.py renew -->\n).*?(?=<!-- /metrics -->)", re.DOTALL)


def wire_form(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Return `tools` as they are sent to clients."""
    return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]


def tool_table(table: str, separator: str, tools: Sequence[ToolSpec]) -> str:
    """Return the Markdown table `table` with exactly `tools`, in their order."""
    order = {spec.name: place for place, spec in enumerate(tools)}
    purposes = {spec.name: spec.purpose for spec in tools}
    head, rule, *lines = table.splitlines()
    rows: list[tuple[list[str], str]] = []
    for line in lines:
        _, cell, words, _ = line.split("|")
        if names := [name for name in re.findall(r"`(\w+)`", cell) if name in order]:
            rows.append((names, words.strip()))
    named = {name for names, _ in rows for name in names}
    for spec in tools:
        if spec.name not in named:
            of_purpose = [names for names, _ in rows if {purposes[name] for name in names} == {spec.purpose}]
            if of_purpose:
                of_purpose[0].append(spec.name)
            else:
                rows.append(([spec.name], spec.purpose))
    rows = [(sorted(names, key=order.__getitem__), words) for names, words in rows]
    rows.sort(key=lambda row: order[row[0][0]])
    said = [f"| {separator.join(f'`{name}`' for name in names)} | {words} |" for names, words in rows]
    return "\n".join([head, rule, *said, ""])


def habit_table(habits: Sequence[Habit]) -> str:
    """Return the Markdown table of `habits`."""
    head = "| name | reported of | a client sends | the server | switched off |\n|---|---|---|---|---|\n"
    rows = (f"| `{one.name}` | {one.clients} | {one.shape} | {one.done} | {one.off} |\n" for one in habits)
    return head + "".join(rows)


def metric_table(metrics: Sequence[Metric]) -> str:
    """Return the Markdown table of `metrics`."""
    head = "| metric | kind | labels | means | in OpenTelemetry | series at most |\n|---|---|---|---|---|---|\n"
    rows = [
        f"| `{one.prometheus}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels) or '–'} | {one.help} "
        f"| `{one.otlp}`{f', `{one.unit}`' if one.unit else ''} | {one.series:,} |\n"
        for one in metrics
    ]
    return head + "".join(rows)


async def renewed() -> dict[Path, str]:
    """Return what the files should contain."""
    server = build_server(SingleToolsProvider(TicketTools(APIClient("http://unused", api_key="unused"))))
    async with Client(server) as client:
        listed = wire_form((await client.list_tools()).tools)
    texts = {SNAPSHOT: json.dumps(listed, indent=1, ensure_ascii=False) + "\n"}
    for readme, separator in SEPARATORS.items():
        text = readme.read_text("utf-8")
        (table,) = _TABLE.findall(text)
        texts[readme] = text.replace(table, tool_table(table, separator, TOOLS))
    texts[OPENING] = json.dumps(await opening(), indent=1, ensure_ascii=False) + "\n"
    texts[INTEROP] = _HABITS.sub(lambda _: habit_table(HABITS), INTEROP.read_text("utf-8"))
    texts |= {SLO_RULES: slo_rules()} | policy_files() | dashboard_files()
    table = metric_table([*METRICS.values()])
    texts[METRICS_PAGE] = _METRICS.sub(lambda _: table, METRICS_PAGE.read_text("utf-8"))
    return texts


if __name__ == "__main__":
    SLO_RULES.write_text(slo_rules(), "utf-8")  # first, since the policies are made from it
    for path, text in asyncio.run(renewed()).items():
        path.write_text(text, "utf-8")
