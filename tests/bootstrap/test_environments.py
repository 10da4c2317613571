"""What is kept, replaced and trusted when an environment is made: the parts, without making one."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pip
import pytest

from bootstrap import pip_settings
from bootstrap.environments import CHECK, VirtualEnvironment, python_of, site_packages, version_of
from bootstrap.made_once import move_scripts
from tests.checkout import NO_SET_UP, Checkout, lines_until


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


# --------------------------------------------------------------------- pip's settings


def test_settings_of_pip_count_if_they_say_where_packages_come_from() -> None:
    listed = (
        ":env:.cert='/etc/ssl/ours.pem'\n"
        ":env:.target='/elsewhere'\n"
        "global.index-url='https://packages.example.com/simple'\n"
        "global.extra-index-url='\\nhttps://one.example.com\\nhttps://two.example.com'\n"
        "global.user='true'\n"
        "install.target='/elsewhere'\n"
        "install.prefix='/elsewhere'\n"
        "install.root='/elsewhere'\n"
        "install.constraint='/old.txt'\n"
        "install.no-binary=':all:'\n"
        "global.dry-run='yes'\n"
        "global.require-virtualenv='1'\n"
        "global.no-deps='no'\n"
        "download.cert='/for/another/command'\n"
        "some text that is no setting\n"
    )

    assert pip_settings.kept(listed) == {
        "cert": "/etc/ssl/ours.pem",
        "index-url": "https://packages.example.com/simple",
        "extra-index-url": "https://one.example.com https://two.example.com",
    }


def test_what_is_set_for_install_wins_over_what_is_for_all_and_a_variable_over_both() -> None:
    said = (
        ":env:.retries='9'",
        "install.timeout='5'",
        "install.retries='7'",
        "global.timeout='1'",
        "global.retries='2'",
    )

    assert pip_settings.kept("\n".join(said)) == {"timeout": "5", "retries": "9"}


def test_pip_itself_sees_no_other_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "pip_root", "PIP_CONFIG_FILE", "PYTHONPATH"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com")

    made = pip_settings.pip_environment("global.proxy='http://other.example.com'\n")

    assert made["PIP_CONFIG_FILE"] == os.devnull
    assert made["PIP_PROXY"] == "http://other.example.com"
    assert made["HTTPS_PROXY"] == "http://proxy.example.com"
    assert {"PIP_TARGET", "PIP_PREFIX", "PIP_USER", "pip_root", "PYTHONPATH"}.isdisjoint(made)


# --------------------------------------------------------------------- what is there already


def test_scripts_follow_the_folder_that_is_renamed(tmp_path: Path) -> None:
    before, after = tmp_path / ".ven~", tmp_path / ".venv"
    (before / "bin").mkdir(parents=True)
    (before / "bin" / "tool").write_bytes(b"#!%b/bin/python\n\0\xff" % bytes(before))
    (before / "bin" / "other").write_bytes(b"#!/bin/sh\n")
    (before / "bin" / "python").symlink_to(sys.executable)

    move_scripts(before, after)

    assert (before / "bin" / "tool").read_bytes() == b"#!%b/bin/python\n\0\xff" % bytes(after)
    assert (before / "bin" / "other").read_bytes() == b"#!/bin/sh\n"


@pytest.mark.parametrize(
    ("written", "version"),
    [
        ("home = /usr/bin\nversion = 3.12.1\n", "3.12"),
        ("home = /usr\nimplementation = CPython\nuv = 0.13.9\nversion_info = 3.13.0\n", "3.13"),
        ("home = /usr/bin\n", "{}.{}".format(*sys.version_info[:2])),
    ],
)
def test_an_environment_has_the_version_that_made_it(tmp_path: Path, written: str, version: str) -> None:
    (tmp_path / "pyvenv.cfg").write_text(written, "utf-8")

    assert version_of(tmp_path) == version


def test_a_ready_environment_is_used_by_a_python_of_another_version(checkout: Checkout) -> None:
    checkout.make_ready()

    newer = "sys.version_info = (3, 14, 0)"
    result = checkout.run("stdio", prelude=f"{newer}; {NO_SET_UP}")

    assert (result.returncode, result.stderr) == (0, "")


def test_an_environment_with_a_package_missing_is_not_ready(checkout: Checkout) -> None:
    checkout.make_ready()
    environment = VirtualEnvironment(checkout.root / ".venv", checkout.root / "requirements-cloud.txt")
    assert environment.is_ready()

    (environment.folder / "set-up.packages").write_text("tiny-1.0.dist-info\n", "utf-8")
    assert not environment.is_ready()
    assert checkout.run("setup", prelude=NO_SET_UP).returncode == 1, "it would be made again"


def test_a_folder_that_is_no_environment_is_left_alone(checkout: Checkout) -> None:
    checkout.write(".venv/precious", "mine")

    result = checkout.run("setup", prelude=NO_SET_UP)

    assert result.returncode == 1
    assert "was not made by run.py" in result.stderr
    assert (checkout.root / ".venv" / "precious").read_text() == "mine"


def test_a_file_in_its_place_is_left_alone(checkout: Checkout) -> None:
    checkout.write(".venv", "a file where the folder belongs")

    result = checkout.run("setup", prelude=NO_SET_UP)

    assert result.returncode == 1
    assert f"{checkout.root / '.venv'} was not made by run.py" in result.stderr


def test_a_folder_that_cannot_be_written_is_named(checkout: Checkout) -> None:
    (checkout.root / ".venv.lock").mkdir()

    result = checkout.run("setup")

    assert result.returncode == 1
    assert f"Cannot set up {checkout.root / '.venv'}" in result.stderr


# --------------------------------------------------------------------- one at a time


def test_a_start_that_waited_uses_what_the_other_made(checkout: Checkout) -> None:
    with checkout.set_up_by_another():
        process = checkout.start("setup", prelude=NO_SET_UP)
        said = lines_until(process.stderr, "waiting")
    with process:
        _, rest = process.communicate(timeout=60)

    assert said == f"run.py: waiting for process {os.getpid()} to set up {checkout.root / '.venv'}\n"
    assert process.returncode == 0, rest


def test_a_lock_of_a_process_that_is_gone_holds_nothing_up(checkout: Checkout) -> None:
    checkout.make_ready()
    (checkout.root / ".venv" / "set-up.stamp").unlink()
    checkout.write(".venv.lock", "process 1")

    result = checkout.run("setup", prelude=NO_SET_UP)
    assert "waiting" not in result.stderr
    assert result.returncode == 1


# --------------------------------------------------------------------- the check


def check(environment: Path, requirements: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python_of(environment), "-I", CHECK, requirements],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_the_check_names_what_is_missing_changed_and_broken(tmp_path: Path) -> None:
    """In an environment of its own that borrows the pip of the tests."""
    venv.create(tmp_path / "env", symlinks=os.name == "posix")
    environment = tmp_path / "env"
    site = site_packages(environment)
    (site / "pip").symlink_to(Path(pip.__file__).parent)
    for name, code in (("whole", "x = 1\n"), ("broken", "import missing_module\n"), ("cut", "x = 1\n"), ("old", "")):
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
        (site / f"{name}.py").write_text(code, "utf-8")
        (info / "RECORD").write_text(f"{name}.py,,{len(code)}\n{name}-1.0.dist-info/METADATA,,\n", "utf-8")
    (site / "cut.py").write_text("x", "utf-8")
    pins = tmp_path / "pins.txt"

    pins.write_text("whole==1.0 \\\n    --hash=sha256:0\nelsewhere==1 ; sys_platform == 'none' \\\n", "utf-8")
    right = check(environment, pins)
    pins.write_text("whole==1.0\nbroken==1.0\ncut==1.0\nold[extra]==2.0\nmissing==1.0\n", "utf-8")
    wrong = check(environment, pins)

    assert (right.returncode, right.stdout) == (0, "whole-1.0.dist-info\n"), right.stderr
    assert wrong.returncode == 1
    assert wrong.stdout.splitlines() == [
        "broken cannot be imported: ModuleNotFoundError(\"No module named 'missing_module'\")",
        "cut lacks cut.py, or a part of it",
        "old is 1.0, not 2.0",
        "missing is not installed",
    ]
