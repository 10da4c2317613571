"""What developers run: the checks and the tools of the tests, in an environment outside the checkout."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Final, NoReturn

from bootstrap.environments import cached_environment, node_modules
from bootstrap.machine import ROOT, cache_folder, inherited_environment, say, stop

LONG_PARTS: Final[Mapping[str, Sequence[str]]] = MappingProxyType({
    "attacks": ["tests/attacks"],
    "chaos": ["tests/chaos"],
    "clients": [
        *("tests/interop", "tests/peers", "tests/sse_conformance", "tests/test_clients.py", "tests/test_same_id.py"),
    ],
    "cloud": ["tests/cloud"],
    "coverage": ["tests/test_covered.py"],
    "data": ["tests/ticket_api"],
    "fuzz": ["tests/fuzz", "tests/ticket_api/http/test_openapi_fuzz.py"],
    "image": ["tests/image"],
    "scale": ["tests/scale"],
    "set-up": ["tests/bootstrap", "tests/test_walk.py"],
    "speed": ["tests/bench"],
    "tasks": ["tests/tasks"],
})  # fmt: skip
"""The parts that `test --long` can run alone."""
QUIET: Final = ("attacks", "cloud", "scale")
"""The parts that measure time, or wait for alerts: nothing else runs meanwhile."""


def test(arguments: Sequence[str]) -> NoReturn:
    """Run all checks and exit with 1 if one failed; with `arguments`, run only pytest with them.

    Long tests are a run of their own, selected by their marker.
    """
    is_long, part = list(arguments[:1]) == ["--long"], " ".join(arguments[1:])
    if is_long and part not in {"", *LONG_PARTS}:
        stop(f"`test --long` takes one part or none, not `{part}`. The parts are: {', '.join(LONG_PARTS)}.")
    python, env = test_environment()
    beside: dict[str, Sequence[str]] = {}
    pytest = [python, "-m", "pytest", "-o", f"cache_dir={cache_folder() / 'pytest'}"]
    at_once = [*pytest, "--dist=loadgroup", "-n"]
    if is_long:
        quiet = [path for name in QUIET for path in LONG_PARTS[name]]
        paths = LONG_PARTS.get(part, [f"--ignore={path}" for path in quiet])
        checks = {
            "set-up of the clients": [python, "-m", "tests.interop", "set-up"],
            "pytest": [*at_once, "2", "-m", "long", *paths],
            "alone": [*pytest, "-m", "long", "-rPfE", *(paths if part else quiet)],
            "coverage": [python, "-m", "tests.covered"],
        }
        needed = {
            "": checks.keys(),
            **{name: {"alone"} for name in QUIET},
            "clients": {"set-up of the clients", "pytest"},
            "coverage": {"pytest", "coverage"},
        }
        checks = {name: check for name, check in checks.items() if name in needed.get(part, {"pytest"})}
    elif arguments:
        sys.exit(subprocess.run([*pytest, *arguments], cwd=ROOT, env=env, check=False).returncode)
    else:
        checks = {
            "ruff check": [python, "-m", "ruff", "check", "."],
            "ruff format": [python, "-m", "ruff", "format", "--check", "."],
            # These tests wait for a third of their time. Long tests get the two processors to themselves.
            "pytest": [*at_once, "4", "-m", "not long"],
        }
        beside = {"mypy": [python, "-m", "mypy", "."]}  # it uses one processor only
    with ThreadPoolExecutor() as threads:
        started = {name: threads.submit(run_quietly, command, env) for name, command in beside.items()}
        failed = [name for name, command in checks.items() if not passes(name, command, env)]
        failed += [name for name, run in started.items() if not says_it_passed(name, run.result())]
    if failed:
        stop(f"failed: {', '.join(failed)}")
    sys.exit(0)


def passes(name: str, command: Sequence[str], env: Mapping[str, str]) -> bool:
    """Run one check in the checkout, and report its result and duration."""
    started = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    say(f"{name} {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - started:.1f} s")
    return code == 0


def run_quietly(command: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a check in the checkout while another one runs, and keep its output."""
    return subprocess.run(command, cwd=ROOT, env=env, check=False, stdout=subprocess.PIPE, text=True, encoding="utf-8")


def says_it_passed(name: str, done: subprocess.CompletedProcess[str]) -> bool:
    """Print the output of a check that ran beside the others, and report its result."""
    print(done.stdout, end="", flush=True)
    say(f"{name} {'passed' if done.returncode == 0 else 'FAILED'} beside the others")
    return done.returncode == 0


def run_tool(tool: Sequence[str], arguments: Sequence[str]) -> NoReturn:
    """Run a program of the tests and exit with its code."""
    python, env = test_environment()
    sys.exit(subprocess.run([python, *tool, *arguments], cwd=ROOT, env=env, check=False).returncode)


def demo_outage(arguments: Sequence[str]) -> NoReturn:
    """Run the demonstration, after saying how long that takes."""
    say("this takes half a minute, and three minutes more when the environment of the tests is not there yet")
    run_tool(["-m", "tests.chaos.demo"], arguments)


def test_environment() -> tuple[str, dict[str, str]]:
    """Return the Python with requirements-dev.txt, and an environment that keeps caches out of the checkout."""
    cache = cache_folder()
    python = cached_environment(ROOT / "requirements-dev.txt", name="python")
    env = dict(
        inherited_environment(),
        RUFF_CACHE_DIR=str(cache / "ruff"),
        MYPY_CACHE_DIR=str(cache / "mypy"),
        HYPOTHESIS_STORAGE_DIRECTORY=str(cache / "hypothesis"),
    )
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # each worker would compile every file again, pytest's assertions with it
    clients = ROOT / "tests" / "clients"
    if (clients / "package-lock.json").exists():
        env["MCP_TEST_NODE_MODULES"] = str(node_modules(python, clients, name="node"))
    return python, env
