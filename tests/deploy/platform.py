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

DURATION: Final = "mcp_server_operation_duration_seconds"
GCLOUD: Final = r"""#!{python}
import json, pathlib, sys
file = pathlib.Path({state!r})
state = json.loads(file.read_text())
arguments = sys.argv[1:]
state["calls"].append(arguments)
def save():
    new = file.with_suffix(".new")
    new.write_text(json.dumps(state))
    new.replace(file)
save()
if [one for one in state["refused"] if one in " ".join(arguments)]:
    sys.exit("ERROR: (gcloud) refused by the test")
if arguments[:2] == ["auth", "print-access-token"]:
    print("token-of-gcloud")
elif arguments[2] == "describe":
    shares = [dict(revisionName=name, percent=share) for name, share in state["shares"].items()]
    tags = [dict(revisionName=name, tag=tag) for tag, name in state["tags"].items()]
    print(json.dumps(dict(status=dict(traffic=shares + tags))))
elif arguments[2] == "replace":
    state["tags"] = dict(canary=state["next"])
else:
    for one in arguments:
        name, _, values = one.partition("=")
        pairs = dict(pair.split("=") for pair in values.split(",")) if name.startswith("--to") else {{}}
        if pairs:
            state["shares"] = {{revision: int(share) for revision, share in pairs.items()}}
        if name == "--update-tags":
            state["tags"] |= dict([values.split("=")])
save()
"""


class Platform:
    """One service with the revisions `old`, which serves, and `new`, which has the tag `canary`."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "state.json"
        self.folder = folder
        self.write(calls=[], shares={"old": 100}, tags={"canary": "new"}, refused=[], next="new")
        program = folder / "gcloud"
        program.write_text(GCLOUD.format(python=sys.executable, state=str(self._state)), "utf-8")
        program.chmod(0o755)

    def path(self) -> str:
        """Return a search path on which its gcloud comes first."""
        return os.pathsep.join((str(self.folder), os.environ["PATH"]))

    def write(self, **changes: Any) -> None:
        """Change its state."""
        state = json.loads(self._state.read_text("utf-8")) if self._state.exists() else {}
        new = self._state.with_suffix(".new")
        new.write_text(json.dumps({**state, **changes}), "utf-8")
        new.replace(self._state)

    def __getitem__(self, name: str) -> Any:
        return json.loads(self._state.read_text("utf-8"))[name]

    def divisions(self) -> list[str]:
        """Return how the traffic was divided, one `--to-revisions` after the other."""
        given = [one.partition("=") for call in self["calls"] for one in call]
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
            ("internal", self.errors if self.name in platform["shares"] else 0, 0),
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
