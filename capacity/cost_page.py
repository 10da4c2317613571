"""The tables of docs/cost.md and of its Japanese, as text."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from capacity.bill import MONTH_S, break_even, instance_based, request_based
from capacity.figures import Prices, figures, prices
from capacity.layouts import LAYOUTS, cost

PAGES: Final = tuple(Path(__file__).resolve().parent.parent / "docs" / name for name in ("cost.md", "cost.ja.md"))
USERS: Final = (10, 100, 1_000, 100_000)
_DAYS: Final = 365 / 12
_TABLES: Final = re.compile(r"(<!-- (design|layouts|parts): python -m capacity -->\n).*?(?=<!-- /\2 -->)", re.DOTALL)
HEADS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "cost.md": {
        "design": ("MCP server: 1 vCPU, 512 MiB", "$ a month", "¥ a month"),
        "layouts": ("¥ a month for … users", *(f"{users:,}" for users in USERS)),
        "parts": ("¥ a month, 100 users", "MCP server", "ticket API", "Cloud SQL", "Valkey", "sum"),
    },
    "cost.ja.md": {
        "design": ("MCPサーバー：1 vCPU、512 MiB", "月額（ドル）", "月額（円）"),
        "layouts": ("月額（円）、利用者数", *(f"{users:,}人" for users in USERS)),
        "parts": ("月額（円）、100人", "MCPサーバー", "チケットAPI", "Cloud SQL", "Valkey", "合計"),
    },
}
_DESIGN: Final = {
    "cost.md": (
        "the design: instance-based, `minScale: 1`",
        "the same, with the free tier",
        "request-based, `minScale: 1`, always idle",
        "request-based, `minScale: 1`, active {hours} h a day",
        "request-based, one stream always open",
        "request-based, `minScale: 0`, active {hours} h a day, with the free tier",
    ),
    "cost.ja.md": (
        "設計書の構成：インスタンスベースの課金、`minScale: 1`",
        "同上、無料枠あり",
        "リクエストベースの課金、`minScale: 1`、常にアイドル",
        "リクエストベースの課金、`minScale: 1`、1日{hours}時間アクティブ",
        "リクエストベースの課金、ストリームが1本つねに開いている",
        "リクエストベースの課金、`minScale: 0`、1日{hours}時間アクティブ、無料枠あり",
    ),
}
TOO_SMALL: Final = "—"


def page(name: str, text: str) -> str:
    """Return the text of the page called `name` with its tables as they are computed now."""
    tables: dict[str, Sequence[Sequence[str]]] = {
        "design": _design(name),
        "layouts": _layouts(USERS),
        "parts": _parts(100),
    }
    return _TABLES.sub(lambda found: found[1] + table(HEADS[name][found[2]], tables[found[2]]), text)


def calculated(users: int) -> str:
    """Return the table of what each layout costs for `users`."""
    head = (f"¥ a month, {users:,} users", *HEADS["cost.md"]["parts"][1:])
    return table(head, _parts(users))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *rows))


def design(costs: Prices) -> list[tuple[int, int, float]]:
    """Return, for each row of the first table, the text it has, its hours a day, and its dollars a month."""
    gib = figures().limits["instance_mib"] / 1024

    def kept(hours: int) -> float:
        active = hours * 3600 * _DAYS
        return request_based(active, gib, costs, idle_seconds=MONTH_S - active)

    def started(hours: int) -> float:
        return request_based(hours * 3600 * _DAYS, gib, costs, free=True)

    return [
        (0, 0, instance_based(MONTH_S, gib, costs)),
        (1, 0, instance_based(MONTH_S, gib, costs, free=True)),
        (2, 0, kept(0)),
        *((3, hours, kept(hours)) for hours in (4, 8)),
        (4, 0, kept(24)),
        *((5, hours, started(hours)) for hours in (2, 4, 8)),
    ]


def _design(name: str) -> list[tuple[str, str, str]]:
    costs = prices()
    return [
        (_DESIGN[name][text].format(hours=hours), f"{dollars:.2f}", f"{_yen(dollars, 10)}")
        for text, hours, dollars in design(costs)
    ]


def _layouts(counts: Sequence[int]) -> list[list[str]]:
    known, costs = figures(), prices()
    return [
        [
            layout.name,
            *(_yen(one.total) if (one := cost(layout, users, known, costs)) else TOO_SMALL for users in counts),
        ]
        for layout in LAYOUTS
    ]


def _parts(users: int) -> list[list[str]]:
    rows = []
    for layout in LAYOUTS:
        one = cost(layout, users, figures(), prices())
        parts = (one.server, one.ticket_api, one.sql, one.valkey, one.total) if one else ()
        rows.append([layout.name, *(map(_yen, parts) if parts else [TOO_SMALL] * 5)])
    return rows


def _yen(dollars: float, step: int = 100) -> str:
    return f"{step * round(dollars * prices().yen / step):,}"


def break_even_percent() -> int:
    """Return the break-even of the two kinds of billing, in percent of the month."""
    return round(100 * break_even(figures().limits["instance_mib"] / 1024, prices()))
