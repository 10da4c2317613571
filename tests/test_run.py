"""run.py as users run it: real processes in a private checkout with an empty home and no network."""

import ast
import json
import os
import re
from pathlib import Path

import pytest

import run
from tests.checkout import NO_SET_UP, RUN_PY, TIMEOUT_S, Checkout, a_port, lines_until, received
from tests.kills import kills

pytestmark = pytest.mark.xdist_group("run")  # one worker, so that each environment is made once


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose environments were made by a first start; tests must leave it unchanged."""
    made = Checkout(tmp_path_factory.mktemp("ready"))
    first = made.run("stdio", stdin="hello")
    assert received(first)["input"] == "hello", "the set-up reads nothing from stdin and writes nothing to stdout"
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


def test_auth_is_handed_its_arguments_from_any_folder(ready: Checkout) -> None:
    report = received(ready.run("auth", "key", "list", "--json", prelude=NO_SET_UP))

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


@kills("run.py", "if not is_loopback(options.host):", "if False:")
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
    result = checkout.run("stdio", prelude=NO_SET_UP)

    assert result.returncode == 1
    assert f"sudo apt install python{run.VERSION}-venv" in result.stderr
    assert result.stdout == ""


@pytest.mark.long  # makes two environments
def test_without_a_network_pip_is_quoted_and_the_next_start_repairs(checkout: Checkout) -> None:
    digest = checkout.add_wheel()
    checkout.write("requirements-cloud.txt", f"tiny==1.0 --hash=sha256:{digest}\n")

    failed = checkout.run("stdio")
    repaired = checkout.run("stdio", PIP_FIND_LINKS=str(checkout.home))

    assert failed.returncode == 1
    assert "No matching distribution found for tiny==1.0" in failed.stderr
    assert "Is there a network?" in failed.stderr
    assert failed.stdout == ""
    assert received(repaired)["prefix"] == str(checkout.root / ".venv")
    assert len(list((checkout.root / ".venv").rglob("tiny-1.0.dist-info"))) == 1


def test_a_pin_without_a_hash_is_refused(checkout: Checkout) -> None:
    checkout.add_wheel()
    checkout.write("requirements-cloud.txt", "tiny==1.0\n")

    result = checkout.run("stdio", PIP_FIND_LINKS=str(checkout.home))

    assert result.returncode == 1
    assert "Hashes are required" in result.stderr


@pytest.mark.long  # makes an environment, which takes seconds
def test_nothing_is_looked_for_beyond_the_pins(checkout: Checkout) -> None:
    """Seen with pip 23.2: a new release of a package that another one requires with an extra broke every set-up."""
    digest = checkout.add_wheel(requires="coverage[toml]")
    checkout.write("requirements-cloud.txt", f"tiny==1.0 --hash=sha256:{digest}\n")

    assert received(checkout.run("stdio", PIP_FIND_LINKS=str(checkout.home)))["prefix"] == str(checkout.root / ".venv")


@pytest.mark.long  # makes an environment, which takes seconds
def test_an_interrupted_set_up_is_done_again_from_an_empty_folder(checkout: Checkout) -> None:
    with checkout.start("stdio") as interrupted:
        lines_until(interrupted.stderr, "setting up")
        interrupted.terminate()
    half_done = checkout.root / ".venv" / "half-done"
    half_done.mkdir()

    assert received(checkout.run("stdio"))["prefix"] == str(checkout.root / ".venv")
    assert not half_done.exists()
    assert interrupted.returncode != 0


@pytest.mark.long  # makes an environment, which takes seconds
def test_two_starts_at_once_set_up_once(checkout: Checkout) -> None:
    with checkout.start("stdio") as one, checkout.start("stdio") as two:
        outputs = [process.communicate(timeout=TIMEOUT_S) for process in (one, two)]

    assert [json.loads(stdout)["prefix"] for stdout, _ in outputs] == [str(checkout.root / ".venv")] * 2
    assert "".join(stderr for _, stderr in outputs).count("run.py: setting up") == 1


def test_a_start_that_waited_uses_what_the_other_made(ready: Checkout) -> None:
    venv = ready.root / ".venv"
    stamp = venv / run.STAMP_NAME
    complete = stamp.read_text()
    with (venv / run.LOCK_NAME).open("a") as lock:
        assert run.try_to_lock(lock)
        stamp.unlink()
        process = ready.start("stdio", prelude=NO_SET_UP)
        said = lines_until(process.stderr, "waiting")
        stamp.write_text(complete)
    with process:
        stdout, _ = process.communicate("hello", timeout=TIMEOUT_S)

    assert str(venv) in said
    assert json.loads(stdout)["input"] == "hello"


def test_an_environment_that_run_py_did_not_make_is_left_alone(checkout: Checkout) -> None:
    checkout.write(".venv/precious", "mine")

    result = checkout.run("stdio", prelude=NO_SET_UP)

    assert result.returncode == 1
    assert "was not made by run.py" in result.stderr
    assert (checkout.root / ".venv" / "precious").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_named(checkout: Checkout) -> None:
    checkout.write(".venv", "a file where the folder belongs")

    result = checkout.run("stdio")

    assert result.returncode == 1
    assert f"Cannot set up {checkout.root / '.venv'}" in result.stderr


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
    assert lines[:3] == ["ruff check .", "ruff format --check .", "mypy ."]
    assert lines[3].startswith("pytest -o cache_dir=")
    assert lines[3].endswith("--dist=loadgroup -n 3 -m not long --cov --cov-report=term")
    assert result.returncode == 1
    assert re.search(r"ruff check FAILED in \d+\.\d s", result.stderr)
    assert re.search(r"pytest passed in \d+\.\d s", result.stderr)
    assert result.stderr.endswith("failed: ruff check, ruff format, mypy\n")


def test_a_failing_pytest_fails_the_run_and_a_passing_one_ends_it(developed: Checkout) -> None:
    failing = developed.run("test", prelude=NO_SET_UP, FAILING="pytest")
    passing = developed.run("test", prelude=NO_SET_UP)

    assert (failing.returncode, passing.returncode) == (1, 0)
    assert failing.stderr.endswith("failed: pytest\n")
    assert "pytest passed in" in passing.stderr.splitlines()[-1]


def test_what_takes_long_runs_alone_after_its_set_up(developed: Checkout) -> None:
    result = developed.run("test", "--long", prelude=NO_SET_UP)

    lines = [line for line in result.stdout.splitlines() if not line.startswith(("caches", "clients"))]
    assert lines[0] == "interop set-up"
    assert lines[1].startswith("pytest -o cache_dir=")
    assert lines[1].endswith("--dist=loadgroup -n 2 -m long --ignore=tests/attacks"), (
        "only the other run measures coverage"
    )
    assert lines[2].startswith("pytest -o cache_dir=")
    assert lines[2].endswith(" -m long -rPfE tests/attacks")
    assert " -n " not in lines[2], "attacks measure latency, so nothing may run meanwhile"
    assert lines[3:] == []
    assert result.returncode == 0


@pytest.mark.parametrize("part", run.LONG_PARTS)
def test_a_part_of_what_takes_long_runs_alone(developed: Checkout, part: str) -> None:
    result = developed.run("test", "--long", part, prelude=NO_SET_UP)

    *set_up, pytest_line = [line for line in result.stdout.splitlines() if not line.startswith(("caches", "clients"))]
    assert set_up == (["interop set-up"] if part == "clients" else [])
    assert pytest_line.endswith(" ".join(run.LONG_PARTS[part]))
    assert " -m long " in pytest_line
    assert result.returncode == 0


def test_every_part_of_the_long_tests_is_there() -> None:
    assert [path for paths in run.LONG_PARTS.values() for path in paths if not (run.ROOT / path).exists()] == []


@pytest.mark.parametrize("parts", [["atacks"], ["attacks", "fuzz"], ["--lf"]])
def test_an_unknown_part_of_the_long_tests_is_refused_with_the_list_of_parts(
    developed: Checkout, parts: list[str]
) -> None:
    result = developed.run("test", "--long", *parts, prelude=NO_SET_UP)

    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.endswith("The parts are: attacks, chaos, clients, data, fuzz.\n")


@pytest.mark.parametrize(("failing", "named"), [("interop", "set-up of the clients"), ("pytest", "pytest, attacks")])
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

    (environment,) = developed.home.rglob("mcp-ticket-server/python-*")
    caches = {cache for line in result.stdout.splitlines() if line.startswith("caches") for cache in line.split()[1:3]}
    assert caches == {str(environment.parent / "ruff"), str(environment.parent / "mypy")}
    assert not (developed.root / ".venv").exists()


def test_coverage_data_goes_to_a_folder_that_is_gone_afterwards(developed: Checkout) -> None:
    result = developed.run("test", prelude=NO_SET_UP)

    data = Path(result.stdout.splitlines()[-2].split()[-1])
    assert data.name == "coverage"
    assert not data.parent.exists()


def test_the_javascript_clients_are_installed_and_passed_on(developed: Checkout) -> None:
    developed.write("tests/clients/package.json", "{}")
    developed.write("tests/clients/package-lock.json", "{}")

    result = developed.run("test", "-x")

    (installed,) = developed.home.rglob("mcp-ticket-server/node-*/node_modules")
    assert result.stdout.splitlines()[-1] == f"clients {installed}"
