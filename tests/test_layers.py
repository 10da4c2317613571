"""Imports only point down: the layers drawn in CONTRIBUTING.md, checked on the import statements.

Imports inside functions and under TYPE_CHECKING count as well; names resolved at run time do not. Inside a layer there
may be no cycle.
"""

import ast
import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
LONGEST_FILE: Final = 400
LONGEST_TEST_FILE: Final = 500
LARGEST_FOLDER: Final = 16

EDGES: Final = ("auth", "ticket_api", "transport")
LAYER_4: Final = (
    *("cloud_mcp_server", "mcp_server", "ticket_service", "operations", "ticket_server", "auth.__main__"),
    *("ticket_api.__main__", "recovery.__main__"),
)
LAYER_1: Final = (
    *("shared.audit", "shared.blind_cache", "shared.bounds", "shared.client_habits", "shared.command_lines"),
    *("shared.concurrency", "shared.counting", "shared.direct_calls"),
    *("shared.errors", "shared.failed_attempts", "shared.http.address", "shared.http.hosts", "shared.identity"),
    "shared.json_body",
    *(
        "shared.json_lines",
        "shared.json_rpc",
        "shared.localization",
        "shared.log_lines",
        "shared.lru",
        "shared.params_problem",
        "shared.periodic",
        "shared.plain_calls",
    ),
    *("shared.private_files", "shared.prompts", "shared.rate", "shared.request_log", "shared.telemetry"),
    *("shared.spans", "shared.stack_traces", "shared.throttled_audit", "shared.time_zones", "shared.trace_context"),
    *("shared.tracing", "shared.visible_text", "shared.wire_json"),
    "shared.writes.recent_writes",  # the tools claim them, and transport shares them between instances
)
STORAGE: Final = (
    "shared.storage.export_file",  # both edges write an organisation's rows in one form
    *("shared.storage.connections", "shared.storage.database", "shared.storage.fit_programs"),
    "shared.storage.migrations",
    *("shared.storage.transactions", "shared.storage.write_check"),
)
HTTP: Final = (
    "shared.http.cycle",
    "shared.http.protocol",
    "shared.http.server",
)  # both programs that listen use one server
BEFORE_SET_UP: Final = ("shared.dotenv", "shared.json_lines", "shared.json_rpc", "shared.json_body")
NEEDS_NO_PACKAGES: Final = (
    *("run", "bootstrap", "shared.dotenv", "shared.json_lines", "shared.json_rpc", "shared.bounds", "shared.errors"),
    "shared.localization",
)
MAY_NEED_PACKAGES: Final = (
    "bootstrap.services",  # runs in the environment that the rest makes
    "bootstrap.check",  # likewise, with the pip that is there
)
SESSIONS: Final = ("transport.jsonrpc", "transport.last_words", "transport.rate_limit", "transport.sessions")

# Which of our modules a module may import; the longest matching name decides. A module without a line may import none
# of ours: where it belongs is a decision to be recorded here.
MAY_IMPORT: Final = MappingProxyType({
    # layer 4
    "cloud_mcp_server": ("ticket_service", "operations", "web", "shared", *EDGES),
    "ticket_server": (
        *("cloud_mcp_server", "mcp_server", "auth.__main__", "ticket_api.__main__", "recovery.__main__", "shared"),
    ),
    "operations": (
        *("auth.throttle", "auth.presented", "auth.providers", "shared.audit", "shared.client_habits", "shared.errors"),
        *("shared.counting", "shared.metrics", "shared.telemetry", "transport.dispatch.usage"),
        "transport.sessions.session",
    ),
    "mcp_server": ("ticket_service", "shared", "ticket_api", "run", "bootstrap.first_start"),
    "ticket_service": ("shared", "ticket_api"),  # opened by both entry points, so it knows no more than the smaller one
    "auth.__main__": ("auth", "shared.config", "shared.environment", *STORAGE, *LAYER_1),
    "ticket_api.__main__": (
        *("ticket_api", "shared.command_lines", "shared.config", "shared.dotenv", "shared.environment"),
        *("shared.exporting", "shared.http.server", "shared.telemetry", "shared.time_zones", *STORAGE),
    ),
    "recovery": (  # knows the stores of two edges, to back them up together
        *("recovery", "auth.store", "ticket_api.migrate", "ticket_api.store", *STORAGE, *LAYER_1),
    ),
    "recovery.__main__": (
        *("recovery", "auth.store", "ticket_api.migrate", "shared.config", "shared.environment", *STORAGE, *LAYER_1),
    ),
    "capacity": ("capacity", "transport.sessions.session"),  # computes docs/capacity.md; no program imports it
    # layer 3, the edges: they do not know each other
    "auth": ("auth", *STORAGE, *LAYER_1),
    "auth.authorization_server": ("auth", "web.language", "web.sign_in", *STORAGE, *LAYER_1),  # has pages for people
    "ticket_api": (
        *("ticket_api", *STORAGE, "shared.audit", "shared.combining_marks", "shared.command_lines"),
        *("shared.failed_attempts", "shared.http.address", "shared.lru", "shared.periodic", "shared.telemetry"),
        *("shared.spans", "shared.time_zones", "shared.trace_context"),
        "shared.tickets.dates.written_days",  # days in a file are read as those in a call
    ),
    # inside transport: transports and http → dispatch → sessions → jsonrpc, rate_limit
    "transport": ("transport", *LAYER_1),
    "transport.http": ("transport.http", "transport.dispatch", "shared.http.cycle", *SESSIONS, *LAYER_1),
    "transport.base": ("transport.http.request_head", *LAYER_1),
    "transport.http.endpoint": (
        *("transport.base", "transport.http", "transport.dispatch", "shared.http.cycle"),
        *(*SESSIONS, *LAYER_1),
    ),
    "transport.dispatch": ("transport.dispatch", *SESSIONS, *LAYER_1),
    "transport.sessions": (*SESSIONS, *LAYER_1),
    "transport.jsonrpc": LAYER_1,
    "transport.rate_limit": LAYER_1,
    "transport.last_words": (),
    "transport.server": ("transport.app", "shared.http.server"),
    # layer 2
    "shared": ("shared",),
    # layer 1
    **dict.fromkeys(LAYER_1, ("shared.errors", "shared.localization")),
    "shared.audit": ("shared.identity", "shared.telemetry"),
    "shared.telemetry": ("shared.log_lines", "shared.stack_traces", "shared.trace_context"),
    "shared.spans": ("shared.trace_context",),
    "shared.tracing": ("shared.spans",),
    "shared.request_log": (
        *("shared.counting", "shared.identity", "shared.json_rpc", "shared.spans", "shared.telemetry"),
        "shared.trace_context",
    ),
    "shared.blind_cache": ("shared.lru",),
    "shared.direct_calls": ("shared.json_rpc", "shared.lru", "shared.wire_json"),
    "shared.json_rpc": ("shared.bounds", "shared.json_body"),
    "shared.json_lines": ("shared.json_body", "shared.json_rpc"),
    "shared.failed_attempts": (
        *("shared.audit", "shared.blind_cache", "shared.concurrency", "shared.errors", "shared.http.address"),
        *("shared.lru", "shared.throttled_audit"),
    ),
    "shared.periodic": ("shared.concurrency", "shared.telemetry"),
    "shared.throttled_audit": ("shared.audit", "shared.periodic"),
    "shared.writes.recent_writes": ("shared.errors", "shared.identity", "shared.lru"),
    "shared.client_habits": ("shared.counting", "shared.errors"),
    # how a database is opened, for the two edges that have one each
    "shared.storage.database": ("shared.errors", "shared.storage.connections"),
    "shared.storage.fit_programs": (),
    "shared.storage.export_file": ("shared.errors", "shared.storage.database"),
    "shared.storage.write_check": ("shared.errors", "shared.storage.database"),
    "shared.storage.migrations": (
        *("shared.errors", "shared.private_files", "shared.storage.database", "shared.storage.fit_programs"),
        "shared.telemetry",
    ),
    "shared.storage.transactions": ("shared.storage.connections", "shared.storage.database"),
    "shared.http.protocol": ("shared.http.address", "shared.http.cycle"),
    "shared.http.server": ("shared.errors", "shared.http.protocol", "shared.telemetry"),
    "web": ("web", "shared.localization"),
    # outside the layers
    "run": ("bootstrap",),
    "bootstrap": ("bootstrap", *BEFORE_SET_UP),
    "bootstrap.services": (  # asks the identity provider as the server does
        *("bootstrap.doctor", "auth.authorization_server.identity_provider.provider", "auth.oauth", "shared"),
        "auth.authorization_server.clients.redirects",
    ),
    "bench": ("bench", "auth.providers", "bootstrap", "shared", "tests", "transport"),  # starts servers as tests do
    "bench.servers": ("bench.servers", "auth.providers", "shared", "transport"),
    "sse_conformance": ("sse_conformance",),  # a black-box test of any server, so it uses nothing of ours
    "tests": (
        *("tests", "run", "bench", "bootstrap", "ticket_service", "mcp_server", "cloud_mcp_server", "operations"),
        *("ticket_server", "shared", "sse_conformance", "recovery", "web", "capacity"),
        *EDGES,
    ),
})  # fmt: skip

# Modules, ours and third-party, that only some may import.
RESERVED: Final = MappingProxyType({
    "shared.config": ("shared.config", "bootstrap.services", *LAYER_4),  # all other code receives plain values
    "shared.server": LAYER_4,
    "shared.tools": (*LAYER_4, "shared.mcp_tools.tenant_tools", "shared.mcp_tools.tool"),
    "transport.sessions.valkey": ("transport.sessions.valkey", "transport.broker_valkey", "cloud_mcp_server"),
    # The SDK's kernel changes with its minor releases: only one file touches it, except for types and envelopes.
    "mcp.server.connection": ("transport.dispatch.sdk_kernel",),
    "mcp.server.runner": ("transport.dispatch.sdk_kernel",),
    "mcp.shared.inbound": ("transport.dispatch.sdk_kernel", "transport.dispatch.envelope"),
    "mcp.shared.jsonrpc_dispatcher": ("transport.dispatch.sdk_kernel",),
    "mcp.shared.dispatcher": (
        *("transport.dispatch.sdk_kernel", "transport.dispatch.context", "transport.dispatch.client_requests"),
        *("transport.http.exchange_response", "transport.http.single_response"),
    ),
    "mcp.server.context": (  # the types of a middleware
        *("transport.dispatch.sdk_kernel", "shared.server", "shared.announcements", "shared.cursors"),
        *("shared.completions", "shared.localized_lists", "shared.scopes"),
        *("shared.mcp_tools.read_only", "shared.mcp_tools.whose_tickets", "shared.plain_calls", "shared.tracing"),
        "shared.request_lines",
    ),
    "fastapi": ("ticket_api", "cloud_mcp_server", "ticket_service"),
    "starlette": (
        *("shared.http.address", "shared.identity", "cloud_mcp_server", "ticket_service", "operations", "web"),
        *(*HTTP, *EDGES),
    ),
})  # fmt: skip


def sources(root: Path) -> Iterator[Path]:
    """Yield every Python file of the checkout; skip environments and data."""
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith(".") and f not in {"data", "node_modules", "__pycache__"}]
        yield from (Path(folder, file) for file in files if file.endswith(".py"))


def module_name(root: Path, path: Path) -> str:
    """Return the dotted name of the module in `path`; a package has the name of its folder."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, importer: str) -> Iterator[str]:
    """Yield the dotted name of everything `path` imports; a name imported from a module includes the module's name."""
    anchors = importer.split(".") if path.name == "__init__.py" else importer.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = anchors[: len(anchors) + 1 - node.level] if node.level else []
            module = ".".join([*package, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def closest(name: str, parents: Iterable[str]) -> str | None:
    """Return the longest of `parents` that equals the dotted `name` or contains it, if any."""
    return max((p for p in parents if name == p or name.startswith(f"{p}.")), key=len, default=None)


def refusal(importer: str, imported: str, ours: Collection[str]) -> str | None:
    """Return why `importer` may not import `imported`, or None when it may."""
    reserved = closest(imported, RESERVED)
    if reserved and not closest(importer, [*RESERVED[reserved], "tests", "bench"]):
        return f"{reserved} is for {', '.join(RESERVED[reserved])}"
    if module := closest(imported, ours):
        allowed = MAY_IMPORT.get(closest(importer, MAY_IMPORT) or "", ())
        return None if closest(module, allowed) else f"it may import {', '.join(allowed) or 'none of our modules'}"
    has_no_packages = closest(importer, NEEDS_NO_PACKAGES) and not closest(importer, MAY_NEED_PACKAGES)
    if has_no_packages and imported.partition(".")[0] not in sys.stdlib_module_names:
        return "it runs before there are packages, so it uses only the standard library"
    return None


def violations(root: Path) -> list[str]:
    """Return one sentence for each import below `root` that the tables above forbid, and for a cycle."""
    modules = {module_name(root, path): path for path in sources(root)}
    imported_by = {importer: set(imports(path, importer)) for importer, path in modules.items()}
    found = [
        f"{importer} imports {imported}: {reason}"
        for importer in sorted(modules)
        for imported in sorted(imported_by[importer])
        if (reason := refusal(importer, imported, modules))
    ]
    ours = {importer: {closest(name, modules) for name in names} for importer, names in imported_by.items()}
    try:
        TopologicalSorter(ours).prepare()
    except CycleError as circle:
        found.append(f"{' imports '.join(reversed(circle.args[1]))}: a cycle")
    return found


SMALL_TREE: Final = (
    *("auth/providers.py", "ticket_api/__init__.py", "tests/conftest.py", "transport/__init__.py"),
    *(
        f"transport/{name}.py"
        for name in ("sessions/broker", "sessions/valkey/broker", "dispatch/policy", "http/errors")
    ),
    *(f"shared/{name}.py" for name in ("config", "errors", "identity", "server", "tools")),
    *("shared/mcp_tools/render/lists.py", "shared/tickets/models.py"),
)


@pytest.mark.parametrize(
    ("file", "statement"),
    [
        ("transport/sse.py", "from auth.providers import APIKeyAuthProvider"),
        ("transport/sse.py", "from shared.tickets import models"),
        ("transport/sessions/session.py", "from transport.dispatch import policy"),
        ("transport/sessions/session.py", "from transport.http import errors"),
        ("transport/jsonrpc.py", "from transport.sessions import broker"),
        ("transport/app.py", "from transport.sessions.valkey.broker import ValkeyBroker"),
        ("transport/sse.py", "def late():\n    import ticket_api"),
        ("transport/sse.py", "from mcp.server import runner"),
        ("transport/sse.py", "from mcp.server.runner import ServerRunner"),
        ("auth/providers.py", "import shared.config"),
        ("ticket_api/app.py", "from shared.errors import TicketServerError"),
        ("mcp_server.py", "from transport import asgi_app"),
        ("shared/tools.py", "from .server import build"),
        ("shared/mcp_tools/render/lists.py", "from shared.tools import TicketTools"),
        ("shared/mcp_tools/render/lists.py", "import shared.mcp_tools.render.lists"),
        ("shared/errors.py", "from . import identity"),
        ("shared/mcp_tools/render/lists.py", "from fastapi import FastAPI"),
        ("shared/mcp_tools/render/lists.py", "import starlette.requests"),
        ("shared/brand_new.py", "import shared.tools"),
        ("cloud_mcp_server.py", "from tests.conftest import key"),
        ("brand_new.py", "import shared.tools"),
        ("run.py", "import httpx2"),
        ("run.py", "import shared.config"),
        ("bootstrap/environments.py", "import httpx2"),
        ("bootstrap/first_start.py", "import shared.config"),
        ("shared/json_lines.py", "import pydantic"),
        ("shared/dotenv.py", "import httpx2"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, statement: str) -> None:
    for name in (*SMALL_TREE, file):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    planted = tmp_path / file
    planted.write_text(statement, "utf-8")

    found = violations(tmp_path)

    assert [sentence.partition(" imports ")[0] for sentence in found] == [module_name(tmp_path, planted)]


def test_no_import_points_up_or_around() -> None:
    assert violations(ROOT) == []


def test_no_file_is_too_long() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text("utf-8").splitlines()) for path in sources(ROOT)}
    limits = {path: LONGEST_TEST_FILE if path.parts[0] == "tests" else LONGEST_FILE for path in lengths}

    assert [(str(path), length) for path, length in lengths.items() if length > limits[path]] == []


def test_no_folder_of_the_product_has_too_many_files() -> None:
    product = [path for path in sources(ROOT) if path.relative_to(ROOT).parts[0] not in {"tests", "run.py"}]
    sizes = Counter(path.parent for path in product if path.name != "__init__.py")
    flat = [
        folder for folder in sizes if not any(path.is_dir() and path.name != "__pycache__" for path in folder.iterdir())
    ]

    assert [(str(folder.relative_to(ROOT)), sizes[folder]) for folder in flat if sizes[folder] > LARGEST_FOLDER] == []


def test_no_two_public_classes_of_the_product_have_one_name() -> None:
    """Both ends of the ticket API name its shapes alike, as a program of its own; `bench` is not shipped."""
    places = Counter(
        node.name
        for path in sources(ROOT)
        if path.relative_to(ROOT).parts[0] not in {"tests", "ticket_api", "bench"}
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )

    assert [name for name, count in places.items() if count > 1] == []


def test_the_drawing_in_contributing_has_every_place_of_the_tables() -> None:
    drawing = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("```\n4  ")[2].partition("```")[0]

    assert {*LAYER_4, *EDGES, *STORAGE, *HTTP, *LAYER_1} <= set(re.findall(r"[\w.]+", drawing.replace("/", ".")))


def test_the_walk_sees_the_code() -> None:
    seen = {module_name(ROOT, path) for path in sources(ROOT)}

    assert {"run", "shared.errors", "tests.test_layers"} <= seen
