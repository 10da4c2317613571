"""A stand-in for Google's side of a canary: a `gcloud` that keeps the traffic in a file, and metrics of two revisions.

The metrics are scraped by a real Prometheus, so that the queries are those of a deployment.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from tests.debian import program
from tests.processes import free_port

SERVICE: Final = "mcp-ticket-server"
DURATION: Final = "mcp_server_operation_duration_seconds"
GCLOUD: Final = r"""#!{python} -IS
import json, pathlib, re, sys
file = pathlib.Path({state!r})
state = json.loads(file.read_text())
arguments = sys.argv[1:]
state["calls"].append(" ".join(arguments))
def save():
    new = file.with_suffix(".new")
    new.write_text(json.dumps(state))
    new.replace(file)
save()
if [one for one in state["refused"] if one in " ".join(arguments)]:
    sys.exit("ERROR: (gcloud) refused by the test")
what = arguments[:3]
if what == ["auth", "print-access-token"]:
    print("token-of-gcloud")
elif what == ["secrets", "versions", "access"]:
    print(state["key"], end="")
elif what == ["run", "services", "describe"]:
    service = state["services"][arguments[3]]
    shares = [dict(revisionName=name, percent=share) for name, share in service["shares"].items()]
    tags = [dict(revisionName=name, tag=tag) for tag, name in service["tags"].items()]
    print(json.dumps(dict(status=dict(traffic=shares + tags))))
elif what == ["run", "services", "replace"]:
    text = pathlib.Path(arguments[3]).read_text()
    name, serving = (re.search(form, text, re.M)[1] for form in ("^  name: (.+)$", "revisionName: (.+)$"))
    state["services"][name] = dict(
        shares={{serving: 100}}, tags=dict(canary="new"), has_collector="- name: collector\n" in text
    )
elif what == ["run", "services", "update-traffic"]:
    service = state["services"][arguments[3]]
    for one in arguments:
        name, _, values = one.partition("=")
        pairs = dict(pair.split("=") for pair in values.split(",")) if name.startswith("--to") else {{}}
        if pairs:
            service["shares"] = {{revision: int(share) for revision, share in pairs.items()}}
        if name == "--update-tags":
            service["tags"] |= dict([values.split("=")])
save()
"""


class Platform:
    """Two services, each with the revisions `old`, which serves, and `new`, which has the tag `canary`."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "state.json"
        self.folder = folder
        services = {name: {"shares": {"old": 100}, "tags": {"canary": "new"}} for name in (SERVICE, "ticket-api")}
        self._write({"calls": [], "refused": [], "key": "", "services": services})
        self.install("gcloud", GCLOUD.format(python=sys.executable, state=str(self._state)))

    def install(self, name: str, text: str) -> None:
        """Put a program on its search path."""
        (self.folder / name).write_text(text, "utf-8")
        (self.folder / name).chmod(0o755)

    def path(self) -> str:
        """Return a search path on which its programs come first."""
        return os.pathsep.join((str(self.folder), os.environ["PATH"]))

    def read(self) -> Any:
        """Return its state."""
        return json.loads(self._state.read_text("utf-8"))

    def _write(self, state: Any) -> None:
        new = self._state.with_suffix(".new")
        new.write_text(json.dumps(state), "utf-8")
        new.replace(self._state)

    def change(self, **changes: Any) -> None:
        """Change what it refuses (parts of command lines) or the key that it keeps."""
        self._write(self.read() | changes)

    def set_service(self, name: str = SERVICE, **changes: Any) -> None:
        """Change the `shares` or `tags` of a service."""
        state = self.read()
        state["services"][name] |= changes
        self._write(state)

    def shares(self, service: str = SERVICE) -> dict[str, int]:
        """Return the percentage of each revision."""
        return dict(self.read()["services"][service]["shares"])

    def tags(self, service: str = SERVICE) -> dict[str, str]:
        """Return the revision of each tag."""
        return dict(self.read()["services"][service]["tags"])

    def divisions(self, service: str = SERVICE) -> list[str]:
        """Return how the traffic of a service was divided, one `--to-revisions` after the other."""
        calls = [call.split() for call in self.read()["calls"]]
        given = [one.partition("=") for call in calls if call[2:4] == ["update-traffic", service] for one in call]
        return [values for name, _, values in given if name == "--to-revisions"]


class Revision:
    """The metrics of one revision. Every scrape adds to them, `errors` alone happen once.

    Args:
        name: of the revision; its instance has the same, with `-1`.
        requests: that succeed.
        slow: how many of these take 2 s.
        refused: that the caller got wrong.
        errors: that are our fault, as soon as it has traffic.
    """

    def __init__(self, name: str, *, requests: int = 20, slow: int = 0, refused: int = 0, errors: int = 0) -> None:
        self.name = name
        self.requests, self.slow, self.refused, self.errors = requests, slow, refused, errors
        self._scrapes = 0

    def text(self, platform: Platform) -> str:
        """Return what it exposes now."""
        self._scrapes += 1
        instance = f'instance="{self.name}-1"'
        lines = [f'ticket_server_build_info{{{instance},revision="{self.name}",version="1"}} 1']
        for error, total, slow in (
            ("", self.requests * self._scrapes, self.slow * self._scrapes),
            ("invalid_input", self.refused * self._scrapes, 0),
            ("internal", self.errors if self.name in platform.shares() else 0, 0),
        ):
            labels = f'{instance},mcp_method_name="tools/call",error_type="{error}"'
            if total:
                lines.append(f"{DURATION}_count{{{labels}}} {total}")
                for bound, count in (("0.1", total - slow), ("2.5", total), ("+Inf", total)):
                    lines.append(f'{DURATION}_bucket{{{labels},le="{bound}"}} {count}')
        return "\n".join((*lines, ""))


class _Metrics(ThreadingHTTPServer):
    platform: Platform
    revisions: tuple[Revision, ...]


class _Handler(BaseHTTPRequestHandler):
    server: _Metrics

    def do_GET(self) -> None:
        body = "".join(revision.text(self.server.platform) for revision in self.server.revisions).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def exposed(platform: Platform, *revisions: Revision) -> Iterator[str]:
    """Expose the metrics of revisions, and yield the host and port to scrape."""
    server = _Metrics(("127.0.0.1", 0), _Handler)
    server.platform, server.revisions = platform, revisions
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


PROMETHEUS: Final = """\
global: {{scrape_interval: 200ms}}
scrape_configs: [{{job_name: tickets, honor_labels: true, static_configs: [{{targets: ["{target}"]}}]}}]
"""


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """Start a Prometheus that scrapes `target`, and yield its address; it may not answer yet."""
    (folder / "prometheus.yml").write_text(PROMETHEUS.format(target=target), "utf-8")
    listen = f"127.0.0.1:{free_port()}"
    files = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/prometheus")
    with (folder / "prometheus.log").open("wb") as log:
        command = [program("prometheus"), *files, f"--web.listen-address={listen}", "--log.level=error"]
        running = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield f"http://{listen}"
        finally:
            running.kill()
            running.wait()
