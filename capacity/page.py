"""The tables of docs/capacity.md, as text."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from capacity.figures import Figures, figures, prices
from capacity.sizing import Size, bottleneck, size
from capacity.storm import Storm, storm
from transport.sessions.session import Limits

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "capacity.md"
USERS: Final = (10, 1_000, 100_000)
_TABLES: Final = re.compile(r"(<!-- (sizes|storms): python -m capacity -->\n).*?(?=<!-- /\2 -->)", re.DOTALL)


def sizes() -> list[Size]:
    """Return what each number of users needs, over HTTP+SSE and over Streamable HTTP."""
    return [size(users, figures(), prices(), is_sse=is_sse) for users in USERS for is_sse in (True, False)]


def storms(one: Size, known: Figures) -> tuple[Storm, Storm]:
    """Return what happens at this size over HTTP+SSE when one instance stops, and when all stop at once."""
    low_ms, high_ms = Limits().retry_ms

    def of(clients: int, instances: int) -> Storm:
        return storm(
            clients,
            instances,
            connect_s=known.server["connect"] / 1e3,
            busy=known.limits["busy"],
            retry_s=(low_ms / 1e3, high_ms / 1e3),
        )

    return of(-(-one.sessions // one.instances), max(1, one.instances - 1)), of(one.sessions, one.instances)


def page(text: str) -> str:
    """Return the text of the page with its tables as they are computed now."""
    tables = {"sizes": _size_table(), "storms": _storm_table()}
    return _TABLES.sub(lambda found: found[1] + tables[found[2]], text)


def _size_table() -> str:
    head = (
        *("users", "wire", "calls/s", "sessions", "MCP server", "ticket API", "PostgreSQL", "Valkey"),
        *("¥ a month", "too small first, beyond this many users"),
    )
    rows = [
        (
            f"{one.users:,}",
            "HTTP+SSE" if one.is_sse else "Streamable HTTP",
            f"{one.calls_a_second:,.2f}",
            f"{one.sessions:,}",
            f"{one.instances:,} × {one.instance_mib} MiB",
            f"{one.api_instances:,}",
            f"{one.sql.name}; {one.connections:,} connections{' by a pooler' if one.pools else ''}",
            one.valkey.name
            if not one.valkey.gb
            else f"{one.valkey.name}; {one.scripts_a_second:,.0f} scripts/s, {one.valkey_gb:.2g} GB",
            f"{one.yen:,}",
            "{}, {:,}".format(*bottleneck(one, figures(), prices())),
        )
        for one in sizes()
    ]
    return _table(head, rows)


def _storm_table() -> str:
    head = ("users", "lost", "clients", "all back after", "longest wait for a response", "refused")
    rows = [
        (
            f"{one.users:,}",
            what,
            f"{came.clients:,}",
            f"{came.back_s:.1f} s",
            f"{came.longest_wait_s:.2f} s",
            f"{came.refused:,}",
        )
        for one in sizes()
        if one.is_sse
        for what, came in zip(("one instance", "all instances"), storms(one, figures()), strict=True)
    ]
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
