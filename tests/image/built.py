"""The image, built from the real Dockerfile without a container engine, and its programs run as Cloud Run runs them.

Debian's buildah runs the Dockerfile's steps in a chroot. Its base image cannot be downloaded here, so a stand-in takes
its name: Debian's release of that name by debootstrap, with Python and pip and without bytecode, as the real one (see
docker-library/python). It proves the steps of the Dockerfile, not the base. The stand-in is kept in the cache folder.

pip's settings of this machine are mounted during the build and are no part of the image.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bootstrap.machine import cache_folder
from bootstrap.pip_settings import kept
from tests.debian import program
from tests.processes import ROOT

BASE: Final = re.compile(
    r"^FROM (?P<name>python:[\d.]+-slim-(?P<release>[a-z]+)@sha256:[0-9a-f]{64}) AS base$", re.MULTILINE
)
_STAND_IN: Final = "localhost/stand-in:latest"
_IMAGE: Final = "localhost/mcp-ticket-server:test"
_LIKE_THE_REAL_ONE: Final = """
rm -f /usr/lib/python3*/EXTERNALLY-MANAGED
wheel=$(echo /usr/share/python-wheels/pip-*.whl)
python3 -B $wheel/pip install --quiet --root-user-action ignore --no-index $wheel
ln -s /usr/bin/python3 /usr/local/bin/python
find /usr/lib/python3 /usr/lib/python3.* /usr/local -name __pycache__ -prune -exec rm -r {} +
rm -rf /var/cache/apt/archives /var/lib/apt/lists/* /var/log/*
"""
_IN_THE_IMAGE: Final = """
set -e
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
mount --rbind /dev "$0/dev"
mount -t proc proc "$0/proc"
exec chroot --userspec="$1" --groups= "$0" env --ignore-environment "${@:2}"
"""
"""In a mount namespace of its own; the processes that follow each other here are one, which gets the signals."""


class NoStandIn(Exception):  # noqa: N818 - not an error of the image
    """Debian's archive could not be reached, and the cache has no stand-in."""


class Image:
    """The built image, unpacked at `root`."""

    def __init__(self, root: Path, config: dict[str, Any]) -> None:
        self.root = root
        self.config = config
        """`User`, `Env`, `Cmd` and the rest, as the image specification of the OCI names them."""

    def command(self, *arguments: str, **settings: str) -> list[str]:
        """Return the command line that runs a program, by default the image's own, on a read-only root file system.

        The program has the image's user, working directory and environment, and `settings`; nothing of this machine.
        """
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in settings.items())]
        inside = ["--chdir", self.config["WorkingDir"], *variables, *(arguments or self.config["Cmd"])]
        script = ["bash", "-c", _IN_THE_IMAGE, str(self.root), self.config["User"]]
        return ["unshare", "--mount", "--propagation", "private", *script, *inside]

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program in the image to its end."""
        command = self.command(*arguments)
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)

    def files(self) -> Iterator[Path]:
        """Yield every file and folder of the image."""
        for folder, folders, names in os.walk(self.root):
            yield from (Path(folder, name) for name in (*folders, *names))


@contextmanager
def built(folder: Path, context: Path = ROOT) -> Iterator[Image]:
    """Build the image from the checkout in `context`, and yield it. Whatever that takes is in `folder`.

    Raises:
        NoStandIn: there is no base to build on.
    """
    text = (context / "Dockerfile").read_text("utf-8")
    base = BASE.search(text)
    assert base is not None, "the Dockerfile names no base"
    buildah = _Buildah(folder)
    try:
        container = buildah("from", "scratch")
        buildah("add", "--quiet", container, str(_stand_in(base["release"], folder)), "/")
        buildah("config", "--env", "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", container)
        buildah("commit", "--quiet", *buildah.policy, container, _STAND_IN)
        mounted = [f"--volume={inside}:{inside}:ro" for inside in _certificates()]
        mounted.append(f"--volume={_pip_settings(folder)}:/etc/pip.conf:ro")
        named = f"--build-context={base['name']}=docker-image://{_STAND_IN}"
        buildah("bud", "--quiet", "--pull-never", *buildah.policy, named, *mounted, f"--tag={_IMAGE}", str(context))
        config = json.loads(buildah("inspect", "--type=image", _IMAGE))["OCIv1"]["config"]
        container = buildah("from", "--pull-never", *buildah.policy, _IMAGE)
        yield Image(Path(buildah("mount", container)), config)
    finally:
        buildah("umount", "--all")
        buildah("rm", "--all")


class _Buildah:
    """Debian's buildah, with all of its storage and settings in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        policy = folder / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}', "utf-8")  # only what is built here
        self.policy = ("--signature-policy", str(policy))
        (folder / "registries.conf").write_text("unqualified-search-registries = []\n", "utf-8")

    def __call__(self, *arguments: str) -> str:
        storage = (f"--root={self._folder / 'root'}", f"--runroot={self._folder / 'run'}")
        ran = subprocess.run(
            [program("buildah"), *storage, *arguments],
            env=os.environ
            | {"BUILDAH_ISOLATION": "chroot", "CONTAINERS_REGISTRIES_CONF": str(self._folder / "registries.conf")},
            capture_output=True, text=True, timeout=170, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"buildah {shlex.join(arguments)}:\n{ran.stderr[-4000:]}"
        return ran.stdout.strip()


def _stand_in(release: str, folder: Path) -> Path:
    """Return the stand-in of the base as a tar file, made if the cache has none."""
    recipe = hashlib.sha256(f"{release}{_LIKE_THE_REAL_ONE}".encode()).hexdigest()[:16]
    kept_at = cache_folder() / f"image-base-{recipe}.tar"
    if kept_at.exists():
        return kept_at
    root, packed = folder / "base", folder / "base.tar"
    include = "--include=python3,python3-venv,ca-certificates"
    made = subprocess.run(
        [program("debootstrap"), "--variant=minbase", include, release, str(root)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        raise NoStandIn(f"debootstrap could not make the base: {made.stdout[-300:]}")
    subprocess.run(["chroot", str(root), "sh", "-ec", _LIKE_THE_REAL_ONE], check=True, timeout=60)
    subprocess.run(["tar", "-C", str(root), "-cf", str(packed), "."], check=True, timeout=60)
    kept_at.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(packed, kept_at)
    shutil.rmtree(root)
    return kept_at


def _pip_settings(folder: Path) -> Path:
    """Write those pip settings of this machine that say how to reach an index, for the build."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    lines = [f"{name} = {value}" for name, value in kept(listed).items() if not _is_a_folder_here(value)]
    file = folder / "pip.conf"
    file.write_text("\n".join(["[global]", *lines, ""]), "utf-8")
    return file


def _is_a_folder_here(value: str) -> bool:
    return any(Path(part.removeprefix("file://")).is_dir() for part in value.split())


def _certificates() -> Sequence[str]:
    """Return the file of certificates of this machine, which its way to an index may need."""
    file = "/etc/ssl/certs/ca-certificates.crt"
    return [file] if Path(file).is_file() else []
