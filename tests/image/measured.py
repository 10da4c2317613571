"""How large the image is and how long it takes to start, for docs/image.md."""

import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.image.built import Image
from tests.processes import API_KEY, KEY, START_S, steady_port

MIB: Final = 1024**2
_TICKS_A_SECOND: Final = 100  # USER_HZ of Linux on every architecture that Cloud Run has


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the HTTP server."""

    first_answer_s: float
    """From the start of the process to the response of /health."""
    cpu_s: float
    """CPU time of the process until then, which other load of the machine changes less."""


def first_start(image: Image, **settings: str) -> Start:
    """Start the HTTP server as Cloud Run does, and end it after its first answer.

    Raises:
        AssertionError: it ended, or did not answer in time.
    """
    port = steady_port()
    keys = {"MCP_MCP_API_KEY": KEY, "MCP_API_KEY": API_KEY}
    command = image.command(PORT=str(port), MCP_API_BASE_URL="http://127.0.0.1:9", **keys, **settings)
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not _answers(port):
                assert process.poll() is None, "the server ended before its first answer"
                assert time.monotonic() - began < START_S, "the server did not answer in time"
                time.sleep(0.005)
            took = time.monotonic() - began
            fields = Path(f"/proc/{process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
            return Start(took, (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND)  # utime, stime: proc(5)
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as response:
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
