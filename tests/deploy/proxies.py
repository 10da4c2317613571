"""The configurations of nginx and Caddy in `deploy/`, changed only as far as a test needs, and run."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.debian import program
from tests.processes import ROOT, START_S

FOLDER: Final = ROOT / "deploy"
NAME: Final = "tickets.example.com"


class Certificate(NamedTuple):
    """A certificate and its key, as files."""

    chain: Path
    key: Path


def text_of(file: str) -> str:
    """Return a file of the folder."""
    return (FOLDER / file).read_text("utf-8")


def nginx(folder: Path, port: int, door: str, *, text: str = "", tls: Certificate | None = None) -> list[str]:
    """Write the configuration of an nginx that listens on `port`, and return its command line.

    Args:
        folder: for its files.
        port: on loopback.
        door: host and port of the server.
        text: the configuration; by default that of the folder.
        tls: what it uses for TLS; by default it has none.
    """
    server = (text or text_of("nginx.conf")).replace("127.0.0.1:8080", door)
    if tls is None:
        server = re.sub(r"(?m)^\s*ssl_.*\n", "", server).replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    else:
        server = server.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
        server = server.replace("/etc/ssl/tickets/fullchain.pem", str(tls.chain))
        server = server.replace("/etc/ssl/tickets/privkey.pem", str(tls.key))
    bodies = "".join(
        f"{what}_temp_path {folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # otherwise its workers cannot write to the folder of the test
    top = f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/log;\nevents {{}}\n"
    (folder / "nginx.conf").write_text(f"{top}http {{\naccess_log off;\n{bodies}\n{server}\n}}\n", "utf-8")
    return [program("nginx"), "-p", str(folder), "-e", f"{folder}/log", "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, port: int, door: str, *, text: str = "", tls: Certificate | None = None) -> list[str]:
    """Write the configuration of a Caddy that listens on `port`, and return its command line; see `nginx`."""
    options = f"{{\nadmin off\nauto_https off\ngrace_period 1s\nstorage file_system {folder}\n}}\n"
    scheme, secured = ("http", "") if tls is None else ("https", f"tls {tls.chain} {tls.key}\n")
    site = text or text_of("Caddyfile")
    site = site.replace(f"{NAME} {{", f"{scheme}://{NAME}:{port} {{\nbind 127.0.0.1\n{secured}")
    (folder / "Caddyfile").write_text(options + site.replace("{$TICKETS:127.0.0.1:8080}", door), "utf-8")
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


PROXIES: Final = {"nginx": nginx, "caddy": caddy}


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[None]:
    """Run a proxy; its output goes to a file, which is shown if the test fails."""
    with (
        (folder / "said").open("wb") as said,
        subprocess.Popen(command, stdout=said, stderr=said, cwd=folder) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            process.wait(START_S)
            print((folder / "said").read_text("utf-8"))
