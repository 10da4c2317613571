"""What operators and programs act on keeps its name: log events, metrics, `kind` words, settings, routes, tools.

The names are collected from the code and compared with tests/public_names.json. A name that is new on purpose is added
there, with a line in CHANGELOG.md: `python -m tests.test_public_names` writes the file anew.
"""

import ast
import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import httpx2
from fastapi import FastAPI
from pydantic import AnyHttpUrl, SecretStr
from starlette.routing import Route

import cloud_mcp_server
from shared.config import CloudSettings, StdioSettings, TicketApiSettings
from shared.environment import variables
from shared.mcp_tools.catalog import TOOLS
from shared.metrics.table import METRICS

ROOT: Final = Path(__file__).resolve().parent.parent
SNAPSHOT: Final = ROOT / "tests" / "public_names.json"
PRODUCT: Final = ("auth", "bootstrap", "shared", "ticket_api", "transport")
LEVELS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
KIND_ARGUMENT: Final = {"HTTPRefusalError": 1, "refusal": 0}
"""Which positional argument of a call is a `kind`."""


def product() -> Iterator[ast.AST]:
    """Yield every node of the product's code."""
    files = [*ROOT.glob("*.py"), *(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))]
    for path in files:
        if path.name != "run.py":
            yield from ast.walk(ast.parse(path.read_text("utf-8")))


def text_of(node: ast.AST | None) -> str | None:
    """Return the text that `node` is, or None for anything but a constant text."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def first_argument(call: ast.Call, place: int = 0) -> str | None:
    """Return the positional argument at `place` if it is a constant text."""
    return text_of(call.args[place]) if len(call.args) > place else None


def log_events() -> set[str]:
    """Return the first argument of every log call."""
    return {
        event
        for node in product()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LEVELS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
        and (event := first_argument(node))
    }


def metrics() -> set[str]:
    """Return every metric with its labels."""
    return {f"{metric.prometheus}({', '.join(sorted(metric.labels))})" for metric in METRICS.values()}


def kinds() -> set[str]:
    """Return every word that programs find in `data.kind`, in labels and in log fields."""
    found: set[str | None] = set()
    for node in product():
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.Assign | ast.AnnAssign):
                    targets = line.targets if isinstance(line, ast.Assign) else [line.target]
                    if any(isinstance(target, ast.Name) and target.id == "kind" for target in targets):
                        found.add(text_of(line.value))
        elif isinstance(node, ast.Dict):
            found |= {
                text_of(value) for key, value in zip(node.keys, node.values, strict=True) if text_of(key) == "kind"
            }
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in KIND_ARGUMENT:
                found.add(first_argument(node, KIND_ARGUMENT[name]))
    return {kind for kind in found if kind}


def settings() -> set[str]:
    """Return every environment variable that is read as a setting."""
    return {
        variable
        for model in (CloudSettings, StdioSettings, TicketApiSettings)
        for name in model.model_fields
        for variable in variables(model, name)
    }


def application() -> FastAPI:
    """Return the application that serves everything: every wire, sign-in here, and what an operator's key opens."""
    settings = CloudSettings(
        identity_keys=(SecretStr("i" * 32),),
        operator_key=SecretStr("o" * 32),
        public_url=AnyHttpUrl("https://tickets.example.com"),
        oauth_enabled=True,
        oauth_client_id="tickets.apps.googleusercontent.com",
        oauth_client_secret=SecretStr("c" * 32),
    )
    return cloud_mcp_server.create_app(settings)


async def routes(app: FastAPI) -> set[str]:
    """Return every path with the methods that it names when it is asked for another one."""
    found = set[str]()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client:
        for route in app.routes:
            refused = await client.request("PATCH", cast("Route", route).path)
            assert refused.status_code == 405
            found.add(f"{cast('Route', route).path} {', '.join(sorted(refused.headers['allow'].split(', ')))}")
    return found


def collected() -> dict[str, list[str]]:
    """Return every public name by its sort."""
    names = {
        "log events": log_events(),
        "metrics": metrics(),
        "kinds": kinds(),
        "settings": settings(),
        "routes": asyncio.run(routes(application())),
        "tools": {tool.name for tool in TOOLS},
    }
    return {sort: sorted(found) for sort, found in names.items()}


def test_public_names_are_those_of_the_snapshot() -> None:
    assert collected() == json.loads(SNAPSHOT.read_text("utf-8")), "see the first lines of tests/test_public_names.py"


if __name__ == "__main__":
    SNAPSHOT.write_text(f"{json.dumps(collected(), indent=1)}\n", "utf-8")
    sys.exit(0)
