"""Environments that are really made, without a network: from a wheel in the home folder, in a private checkout."""

import os
import signal
import venv
from pathlib import Path

import pytest

from bootstrap.environments import python_of, site_packages
from tests.checkout import TIMEOUT_S, Checkout, lines_until, received

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("set-up")]  # each takes seconds


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout that needs one package."""
    made = Checkout(tmp_path)
    made.write("requirements-cloud.txt", f"tiny==1.0 --hash=sha256:{made.add_wheel()}\n")
    return made


def installed(checkout: Checkout) -> Path:
    """Return the folder of the package in the environment."""
    return site_packages(checkout.root / ".venv") / "tiny-1.0.dist-info"


def test_settings_that_install_elsewhere_do_not_count(checkout: Checkout) -> None:
    """Those of the user's file, and those of the environment; where packages come from does."""
    elsewhere = checkout.home / "elsewhere"
    for file in (".config/pip/pip.conf", "Library/Application Support/pip/pip.conf", "pip/pip.ini"):
        path = checkout.home / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[global]\nfind-links = {checkout.home}\n[install]\ntarget = {elsewhere}\n", "utf-8")
    env = {"PIP_PREFIX": str(elsewhere), "PIP_USER": "1", "PIP_NO_CACHE_DIR": "1", "PIP_CONSTRAINT": "/none"}

    result = checkout.run("setup", PIP_CONFIG_FILE="", PYTHONPATH=str(elsewhere), APPDATA=str(checkout.home), **env)

    assert result.returncode == 0, result.stderr
    assert installed(checkout).exists()
    assert not elsewhere.exists()


def test_without_a_network_pip_is_quoted_and_the_next_start_goes_on(checkout: Checkout) -> None:
    failed = checkout.run("setup")
    repaired = checkout.run("setup", PIP_FIND_LINKS=str(checkout.home))

    assert (failed.returncode, failed.stdout) == (1, "")
    assert "No matching distribution found for tiny==1.0" in failed.stderr
    assert "Is there a network?" in failed.stderr
    assert repaired.returncode == 0, repaired.stderr
    assert "going on with what an earlier start has made" in repaired.stderr
    assert installed(checkout).exists()


def test_what_became_broken_is_noticed_and_made_again(checkout: Checkout) -> None:
    where = {"PIP_FIND_LINKS": str(checkout.home)}
    assert checkout.run("setup", **where).returncode == 0
    again = checkout.run("setup", **where)
    (installed(checkout) / "METADATA").write_text("", "utf-8")
    cut = checkout.run("setup", **where)
    installed(checkout).rename(checkout.home / "moved")
    removed = received(checkout.run("stdio", prelude="sys.stdin.isatty = lambda: True", **where))

    assert "setting up" not in again.stderr
    assert "is broken" in cut.stderr
    assert "is complete and works" in cut.stderr
    assert removed["prefix"] == str(checkout.root / ".venv")
    assert installed(checkout).exists()


def test_what_does_not_work_is_not_trusted(checkout: Checkout) -> None:
    """The install ends well, but the package cannot be imported."""
    checkout.write("requirements-cloud.txt", f"tiny==1.0 --hash=sha256:{checkout.add_wheel(code='import missing')}\n")

    result = checkout.run("setup", PIP_FIND_LINKS=str(checkout.home))

    assert result.returncode == 1
    assert "tiny cannot be imported" in result.stderr
    assert not (checkout.root / ".venv").exists()
    assert not list(checkout.root.glob(".ven~/set-up.begun")), "the next start begins from nothing"


@pytest.mark.parametrize("made_by", ["uv", "venv"])
def test_an_environment_of_another_program_is_kept_aside(checkout: Checkout, made_by: str) -> None:
    """`uv run` leaves one without packages and without pip."""
    venv.create(checkout.root / ".venv", with_pip=False, symlinks=os.name == "posix")
    if made_by == "uv":
        (checkout.root / ".venv" / "pyvenv.cfg").write_text("uv = 0.13.9\nversion_info = 3.12.1\n", "utf-8")
    (checkout.root / ".venv" / "precious").write_text("mine", "utf-8")

    result = checkout.run("setup", PIP_FIND_LINKS=str(checkout.home))

    assert result.returncode == 0, result.stderr
    assert "made by another program" in result.stderr
    assert (checkout.root / ".venv.old1" / "precious").read_text("utf-8") == "mine"
    assert installed(checkout).exists()


def test_an_environment_that_has_everything_is_used_whoever_made_it(checkout: Checkout) -> None:
    where = {"PIP_FIND_LINKS": str(checkout.home)}
    assert checkout.run("setup", **where).returncode == 0
    for name in ("set-up.stamp", "set-up.packages"):
        (checkout.root / ".venv" / name).unlink()
    (checkout.root / ".venv" / "mine").touch()

    result = checkout.run("setup")

    assert result.returncode == 0, result.stderr
    assert "setting up" not in result.stderr
    assert (checkout.root / ".venv" / "mine").exists()


def test_a_pin_without_a_hash_is_refused(checkout: Checkout) -> None:
    checkout.write("requirements-cloud.txt", "tiny==1.0\n")

    result = checkout.run("setup", PIP_FIND_LINKS=str(checkout.home))

    assert result.returncode == 1
    assert "Hashes are required" in result.stderr


def test_nothing_is_looked_for_beyond_the_pins(checkout: Checkout) -> None:
    """Seen with pip 23.2: a new release of a package that another one requires with an extra broke every set-up."""
    digest = checkout.add_wheel(requires="coverage[toml]")
    checkout.write("requirements-cloud.txt", f"tiny==1.0 --hash=sha256:{digest}\n")

    assert checkout.run("setup", PIP_FIND_LINKS=str(checkout.home)).returncode == 0


def test_after_a_kill_nothing_goes_on_and_the_next_start_is_not_held_up(checkout: Checkout) -> None:
    with checkout.start("setup") as killed:
        lines_until(killed.stderr, "step 1 of 4")
        killed.send_signal(signal.SIGKILL)
    result = checkout.run("setup", PIP_FIND_LINKS=str(checkout.home))

    assert result.returncode == 0, result.stderr
    assert python_of(checkout.root / ".venv").exists()


def test_two_starts_at_once_set_up_once(checkout: Checkout) -> None:
    where = {"PIP_FIND_LINKS": str(checkout.home)}
    with checkout.start("setup", **where) as one, checkout.start("setup", **where) as two:
        outputs = [process.communicate(timeout=TIMEOUT_S)[1] for process in (one, two)]

    assert (one.returncode, two.returncode) == (0, 0), outputs
    assert "".join(outputs).count("run.py: setting up") == 1
    assert "".join(outputs).count("run.py: waiting for ") == 1
