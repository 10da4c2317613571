"""How large the image is and how long it takes to start, for docs/image.md."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.image.built import Image
from tests.processes import API_KEY, KEY, START_S, Process, steady_port

MIB: Final = 1024**2
SERVER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "MCP_PUBLIC_URL": "https://tickets.example",
        "MCP_MCP_API_KEY": KEY,
        "MCP_API_KEY": API_KEY,
        "MCP_API_BASE_URL": "http://127.0.0.1:9",
    }
)
"""The settings of the HTTP server in these starts, over a ticket API that is not there."""
_TICKS_A_SECOND: Final = 100  # USER_HZ of Linux on every architecture that Cloud Run has


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the HTTP server."""

    first_answer_s: float
    """From the start of the process to the response of /health."""
    cpu_s: float
    """CPU time of the process until then, which other load of the machine changes less."""


@contextmanager
def running(image: Image, *arguments: str, **settings: str) -> Iterator[tuple[Process, str, Start]]:
    """Start one of the image's services on the port that PORT says, and yield its address once it answers there.

    Raises:
        AssertionError: it ended, or did not answer in time.
    """
    port = steady_port()
    executable, *rest = image.command(*arguments, PORT=str(port), **settings)
    began = time.monotonic()
    with Process(rest, executable=executable) as process:
        while not _answers(port):
            assert Path(f"/proc/{process.pid}/stat").read_text("utf-8").split()[2] != "Z", "it ended without an answer"
            assert time.monotonic() - began < START_S, "it did not answer in time"
            time.sleep(0.005)
        took = time.monotonic() - began
        fields = Path(f"/proc/{process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND  # utime and stime: proc(5)
        yield process, f"http://127.0.0.1:{port}", Start(took, cpu_s)


def first_start(image: Image, **settings: str) -> Start:
    """Start the HTTP server of the image once."""
    with running(image, **SERVER, **settings) as (_, _, start):
        return start


def _answers(port: int) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/health", headers={"Host": "tickets.example"})
    try:
        with urllib.request.urlopen(request, timeout=2) as response:  # noqa: S310 - the address of our own service
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def sizes(image: Image) -> dict[str, int]:
    """Return the bytes of the image's parts, unpacked."""
    parts = {"packages (/venv)": "venv", "our code (/app)": "app"}
    found = {name: _size(image.root / folder) for name, folder in parts.items()}
    return {"everything": _size(image.root), **found}


def _size(folder: Path) -> int:
    return sum(
        path.lstat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not {"proc", "dev", "sys"} & set(path.relative_to(folder).parts[:1])
    )
