"""An nginx in the place of Cloud Run's front end: it sends each request to a revision by share, or to that of a tag.

Its state is a file, so that the stand-in of `gcloud` (gcloud.py) can change the traffic from a process of its own.
Like Cloud Run it keeps open streams when the traffic moves, and sends nothing new to what is no longer listed.
"""

import fcntl
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Self

from tests.debian import program
from tests.processes import START_S

HOST: Final = "tickets.example.com"
"""The name that clients use; `TAG---` before it reaches the revision of a tag."""
_NOBODY: Final = 1
"""The port of a revision without instances; nothing listens there."""
_TOP: Final = """\
{user}daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  {bodies}
  server_names_hash_bucket_size 128;
"""
_SERVER: Final = """\
  server {{
    listen 127.0.0.1:{port};
    location = /generation {{ return 200 "{generation}"; }}
    location / {{
      proxy_pass http://$revision;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 1h;
      proxy_connect_timeout 2s;
    }}
  }}
}}
"""


@dataclass
class Traffic:
    """Where requests go."""

    port: int
    generation: int = 0
    ports: dict[str, list[int]] = field(default_factory=dict)
    """The instances of each revision."""
    shares: dict[str, int] = field(default_factory=dict)
    """Percent of the requests by revision; together 100."""
    tags: dict[str, str] = field(default_factory=dict)
    """The revision of each tag."""


class Balancer:
    """The state in `folder` and the nginx that follows it; several processes may use it, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state = folder / "traffic.json"

    @classmethod
    def create(cls, folder: Path, port: int, ports: dict[str, list[int]], serving: str) -> Self:
        """Make a state in which `serving` gets all requests."""
        made = cls(folder)
        made._write(Traffic(port=port, ports=ports, shares={serving: 100}))
        return made

    @property
    def traffic(self) -> Traffic:
        """The present state."""
        return Traffic(**json.loads(self._state.read_text("utf-8")))

    @property
    def address(self) -> str:
        """Of the public service, on loopback."""
        return f"http://127.0.0.1:{self.traffic.port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run nginx."""
        command = [program("nginx"), "-p", str(self.folder), "-e", f"{self.folder}/log"]
        with (
            (self.folder / "said").open("wb") as said,
            subprocess.Popen([*command, "-c", str(self.folder / "nginx.conf")], stdout=said, stderr=said) as process,
        ):
            try:
                self._until_followed(0)
                yield
            finally:
                process.terminate()  # streams that are still open end here
                process.wait(START_S)

    def change(
        self,
        *,
        ports: dict[str, list[int]] | None = None,
        shares: dict[str, int] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Replace parts of the state, one process or thread after the other; returns when nginx follows it."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
            generation = self._change(ports, shares, tags)
        self._until_followed(generation)

    def _change(
        self, ports: dict[str, list[int]] | None, shares: dict[str, int] | None, tags: dict[str, str] | None
    ) -> int:
        traffic = self.traffic
        traffic.ports = traffic.ports if ports is None else ports
        traffic.shares = traffic.shares if shares is None else shares
        wanted = traffic.tags if tags is None else tags
        traffic.tags = {tag: name for tag, name in wanted.items() if name in traffic.ports}
        traffic.generation += 1
        unknown = traffic.shares.keys() - traffic.ports.keys()
        assert not unknown, f"no revision {unknown}"
        assert sum(traffic.shares.values()) == 100
        self._write(traffic)
        os.kill(int((self.folder / "pid").read_text("ascii")), signal.SIGHUP)
        return traffic.generation

    def _write(self, traffic: Traffic) -> None:
        files = {self.folder / "nginx.conf": _configuration(self.folder, traffic)}
        files[self._state] = json.dumps(asdict(traffic))
        for file, text in files.items():  # whoever reads one meanwhile gets the old or the new one
            fresh = file.with_suffix(".new")
            fresh.write_text(text, "utf-8")
            fresh.replace(file)

    def _until_followed(self, generation: int) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.address}/generation", timeout=2) as response:  # noqa: S310 - ours
                    if int(response.read()) >= generation:
                        return
            except OSError:
                pass  # not listening yet
            time.sleep(0.01)
        raise AssertionError(f"nginx did not follow: {(self.folder / 'log').read_text('utf-8')}")


def _configuration(folder: Path, traffic: Traffic) -> str:
    bodies = " ".join(
        f"{what}_temp_path {folder}/{what};" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # otherwise its workers cannot write to the folder of the test
    *some, last = (revision for revision, share in traffic.shares.items() if share)
    shares = "".join(f"    {traffic.shares[one]}% {one};\n" for one in some)
    tags = "".join(f"    ~^{tag}--- {revision};\n" for tag, revision in traffic.tags.items())
    return (
        _TOP.format(user=user, folder=folder, bodies=bodies)
        + f"  split_clients $request_id $share {{\n{shares}    * {last};\n  }}\n"
        + f"  map $http_host $revision {{\n{tags}    default $share;\n  }}\n"
        + "".join(_upstream(revision, ports) for revision, ports in traffic.ports.items())
        + _SERVER.format(port=traffic.port, generation=traffic.generation)
    )


def _upstream(revision: str, ports: list[int]) -> str:
    servers = "".join(f" server 127.0.0.1:{port} max_fails=0;" for port in ports or [_NOBODY])
    return f"  upstream {revision} {{{servers} keepalive 32; }}\n"
