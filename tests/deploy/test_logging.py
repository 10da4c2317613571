"""The saved queries ask for what the program writes; buckets, sinks and queries fit Google's description of them."""

import ast
import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from shared.audit import AuditEvent
from shared.request_log import REQUEST_LINES
from tests.deploy.google_api import misfits

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "gcp-deploy" / "logging"
QUERIES: Final = {file.stem: file for file in sorted((FOLDER / "queries").glob("*.txt"))}
PROGRAM: Final = (
    "shared",
    "transport",
    "auth",
    "ticket_api",
    "operations.py",
    "ticket_service.py",
    "cloud_mcp_server.py",
)
OF_CONTEXT: Final = {"logger", "message", "tenant", "principal", "session", "request_id", "wire", "method", "exception"}
"""Fields that any line may have."""
OF_REQUESTS: Final = {"revision", "client", "tool", "name", "action", "outcome", "duration_ms", "bytes", "key"}
LOGGING: Final = {"debug", "info", "warning", "error", "exception", "run"}
"""Methods that are given a message; the last is of a context."""
OF_ENTRIES: Final = {"severity", "trace", "spanId", "timestamp", "logName", "httpRequest"}
"""Fields of every entry of Cloud Logging that queries may name."""


@cache
def written() -> dict[str, set[str]]:
    """Return the messages that the program logs, each with its own fields."""
    found: dict[str, set[str]] = defaultdict(set)
    for part in PROGRAM:
        path = ROOT / part
        for file in path.rglob("*.py") if path.is_dir() else [path]:
            for call in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in LOGGING:
                    for one in call.args:
                        if isinstance(one, ast.Constant) and isinstance(one.value, str):
                            found[one.value] |= {keyword.arg for keyword in call.keywords if keyword.arg}
    for message in REQUEST_LINES:
        found[message] |= OF_REQUESTS
    found["audit"] |= set(AuditEvent.__dataclass_fields__)
    return found


@cache
def words() -> set[str]:
    """Return the words that say how a request ended."""
    source = "\n".join(file.read_text("utf-8") for part in PROGRAM[:4] for file in (ROOT / part).rglob("*.py"))
    return {"ok", "cancelled", *re.findall(r'\bkind(?:: str)? = "([a-z_]+)"', source)}


def complaints(query: str) -> list[str]:
    """Return what in a query names nothing that is written."""
    code = "\n".join(line for line in query.splitlines() if not line.startswith("--"))
    said = []
    messages = [one for group in re.findall(r'jsonPayload\.message=(\([^)]*\)|"[^"]*")', code) for one in quoted(group)]
    said += [f"no line has the message {one}" for one in messages if one not in written()]
    is_narrow = messages and " OR jsonPayload." not in code
    fields = set().union(*(written()[one] for one in (messages if is_narrow else [*written()])))
    said += [
        f"no such line has the field {one}"
        for one in re.findall(r"jsonPayload\.(\w+)", code)
        if one not in fields | OF_CONTEXT
    ]
    for group in re.findall(r'jsonPayload\.(?:outcome|kind)=(\([^)]*\)|"[^"]*")', code):
        said += [f"no request ends with {one}" for one in quoted(group) if one not in words()]
    said += [
        f"no entry has the label {one}"
        for one in re.findall(r"(?<!\.)labels\.(\w+)", code)
        if one not in {"tenant", "audit"}
    ]
    named = re.findall(r"(?<![\w.\"/])([a-zA-Z]+)(?:\.\w+)*\s*(?:=~|>=|<=|=|:|<|>)", code)
    said += [f"an entry has no {one}" for one in named if one not in OF_ENTRIES | {"jsonPayload", "labels", "resource"}]
    return said


def quoted(group: str) -> list[str]:
    return re.findall(r'"([^"]*)"', group)


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_asks_for_what_is_written(name: str) -> None:
    query = QUERIES[name].read_text("utf-8")
    title, purpose, first, *_ = query.splitlines()
    assert title.startswith("-- ")
    assert purpose.startswith("-- ")
    assert first == 'resource.type="cloud_run_revision"'
    assert complaints(query) == []


@pytest.mark.parametrize(("query", "said"), [
    ('jsonPayload.message="tool_call_ended"', ["no line has the message tool_call_ended"]),
    ('jsonPayload.message="drain_started"\njsonPayload.duration>1', ["no such line has the field duration"]),
    ('jsonPayload.outcome="rate_limit"', ["no request ends with rate_limit"]),
    ('labels.organisation="acme"', ["no entry has the label organisation"]),
    ("sevrity>=ERROR", ["an entry has no sevrity"]),
])  # fmt: skip
def test_a_planted_mistake_in_a_query_is_found(query: str, said: list[str]) -> None:
    assert complaints(query) == said


def routing() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((FOLDER / "routing.json").read_text("utf-8"))
    return found


def test_buckets_and_sinks_are_what_google_describes() -> None:
    kinds = {"buckets": "LogBucket", "sinks": "LogSink", "exclusions": "LogExclusion"}
    said = [
        one
        for kind, schema in kinds.items()
        for name, value in routing()[kind].items()
        for one in misfits("logging.v2", schema, value, f"{kind}.{name}")
    ]
    assert said == []
    assert routing()["sinks"].keys() == routing()["buckets"].keys(), "each sink fills the bucket of its name"
    filters = [one["filter"] for kind in ("sinks", "exclusions") for one in routing()[kind].values()]
    excluded = [one for sink in routing()["sinks"].values() for one in sink.get("exclusions", [])]
    assert [one for query in filters for one in complaints(query)] == []
    for one in [*excluded, *routing()["exclusions"].values()]:
        assert "," not in one["description"] + one["filter"], "gcloud takes the parts of an exclusion apart at commas"
    assert misfits("logging.v2", "LogBucket", {"retentionDay": 1}) == ["LogBucket.retentionDay is unknown"]


GCLOUD: Final = """#!/bin/sh
echo "gcloud $*" >> "$STATE/calls"
case "$*" in
  *" describe _Default "*) [ ! -f "$STATE/made" ] || echo tickets ;;
  *" describe "*) [ -f "$STATE/made" ] ;;
  *print-access-token*) echo token-of-the-tests ;;
esac
"""
CURL: Final = """#!/bin/sh
echo "curl $*" >> "$STATE/calls"
case "$*" in
  *"--request GET"*) [ -f "$STATE/made" ] ;;
  *) cat >> "$STATE/queries" ;;
esac
"""


@pytest.fixture
def setup(tmp_path: Path) -> Any:
    """Run setup.sh with programs in place of gcloud and curl."""
    for name, text in (("gcloud", GCLOUD), ("curl", CURL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "calls").touch()
    bash = shutil.which("bash")
    assert bash is not None

    def run(*options: str, answer: str = "") -> tuple[str, list[str]]:
        (tmp_path / "calls").write_text("")
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        given = {"PATH": path, "STATE": str(tmp_path), "PROJECT_ID": "p", "REGION": "asia-northeast1"}
        done = subprocess.run(
            [bash, FOLDER / "setup.sh", *options], env=given, input=answer, capture_output=True, text=True, check=False
        )
        assert not done.stderr, done.stderr
        calls = (tmp_path / "calls").read_text().splitlines()
        return done.stdout, [one for one in calls if " describe " not in one and "--request GET" not in one]

    return run


def test_setting_up_asks_first_and_does_nothing_twice(setup: Any, tmp_path: Path) -> None:
    said, changed = setup(answer="n\n")
    assert "log bucket tickets-audit: 400 days" in said
    assert [one for one in changed if "print-access-token" not in one] == []

    _, changed = setup("--yes")
    text = "\n".join(changed)
    assert "gcloud logging buckets create tickets-audit --location=asia-northeast1 --retention-days=400" in text
    assert (
        "gcloud logging sinks create tickets logging.googleapis.com/projects/p/locations/asia-northeast1/buckets/"
        in text
    )
    assert "--exclusion=name=probes," in text
    assert "sinks update _Default --add-exclusion=name=tickets," in text
    assert text.count("--request POST") == len(QUERIES)
    assert "token-of-the-tests" not in text
    sent = [json.loads(one) for one in (tmp_path / "queries").read_text().splitlines()]
    assert [one for query in sent for one in misfits("logging.v2", "SavedQuery", query)] == []
    assert len(sent) == len(QUERIES)

    (tmp_path / "made").touch()
    said, changed = setup()
    assert "Nothing is missing" in said
    assert not [one for one in changed if " create " in one or "--add-exclusion" in one or "--request POST" in one]
