"""The image that the Dockerfile makes starts both services as Cloud Run would, and has nothing inside that it need not.

Here it is really built (tests/image/built.py); tests/deploy/test_dockerfile.py reads the Dockerfile alone.
"""

import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.debian import not_run
from tests.hidden import secrets_in
from tests.image.built import Image, NoStandIn, built
from tests.image.licences import ELSEWHERE, SBOM, pinned
from tests.image.measured import MIB, SERVER, first_start, running, sizes
from tests.processes import API_KEY, ROOT

pytestmark = [
    pytest.mark.long,
    pytest.mark.debian("buildah", "debootstrap"),
    pytest.mark.xdist_group("image"),
    pytest.mark.timeout(300),
]
USER: Final = 65532
PLANTED: Final = "a-secret-that-was-left-in-the-checkout"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image of this checkout, in which a secret was left that must stay out."""
    if os.geteuid() != 0:
        not_run("it needs root")
    folder = tmp_path_factory.mktemp("image")
    checkout = folder / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    for name in filter(None, listed.stdout.split("\0")):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    for name in (".env", "shared/.env", ".git/config", "data/tickets.sqlite3"):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_text(PLANTED, "utf-8")
    try:
        with built(folder, checkout) as image:
            yield image
    except NoStandIn as missing:
        not_run(str(missing))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_server_starts_on_a_read_only_root_and_ends_with_0(image: Image) -> None:
    with running(image, **SERVER) as (process, address, _):
        refused = httpx2.post(f"{address}/mcp", json={}, headers={"Host": "tickets.example"})
        status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
        code = process.end()

    assert (refused.status_code, code) == (401, 0)
    for ids in re.findall(r"^[UG]id:\t(.*)$", status, re.MULTILINE):
        assert set(ids.split()) == {str(USER)}
    assert re.search(r"^Groups:\s*$", status, re.MULTILINE)


def test_the_ticket_api_starts_on_a_read_only_root_and_ends_with_0(image: Image) -> None:
    database = "sqlite:////dev/shm/image-test.sqlite3"  # the only place that is writable for it
    program = ("python", "-m", "ticket_api")
    try:
        with running(image, *program, MCP_API_KEY=API_KEY, MCP_DATABASE_URL=database) as (process, address, _):
            tickets = httpx2.get(f"{address}/tickets", headers={"x-api-key": API_KEY})
            code = process.end()
    finally:
        for left in Path("/dev/shm").glob("image-test.sqlite3*"):  # noqa: S108 - in memory
            left.unlink()

    assert (tickets.status_code, code) == (200, 0)


def test_a_service_that_writes_to_the_image_would_be_noticed(image: Image) -> None:
    writing = image.run("python", "-c", "open('/tmp/planted', 'w')")

    assert "Read-only file system" in writing.stderr


def test_its_user_can_change_nothing_in_it(image: Image) -> None:
    writable = [
        str(path.relative_to(image.root))
        for path in image.files()
        if not path.is_symlink()
        and (path.stat().st_uid == USER or path.stat().st_mode & stat.S_IWOTH)
        and not path.stat().st_mode & stat.S_ISVTX  # /tmp and its kind
        and path.relative_to(image.root).parts[0] not in {"dev", "proc", "sys"}
    ]

    assert writable == []


def test_it_has_neither_pip_nor_compilers_nor_tools_to_fetch_with(image: Image) -> None:
    found = image.run("sh", "-c", "command -v pip pip3 cc gcc g++ make ld git curl wget; true")
    imported = image.run("python", "-c", "import pip")

    assert found.stdout == ""
    assert "No module named 'pip'" in imported.stderr


def test_it_has_nothing_of_the_checkout_but_the_program(image: Image) -> None:
    ours = [path.relative_to(image.root / "app") for path in (image.root / "app").rglob("*")]
    hidden = [path for path in ours if any(part.startswith(".") for part in path.parts)]

    assert hidden == []
    assert not {"tests", "docs", "bench", "data", "gcp-deploy"} & {path.parts[0] for path in ours}
    assert [path for path in image.files() if path.name in {".git", ".env", "requirements-dev.txt"}] == []


def test_no_secret_and_no_setting_of_the_machine_that_built_it_is_inside(image: Image) -> None:
    found = []
    for path in image.files():
        if path.is_file() and not path.is_symlink() and path.suffix not in {".so", ".pyc"}:
            text = path.read_text("utf-8", errors="ignore")
            if PLANTED in text or (secrets_in(text) and path.is_relative_to(image.root / "app")):
                found.append(path)

    assert found == []
    assert (image.root / "etc" / "pip.conf").read_text("utf-8") == "", "only the place where the build had it mounted"
    assert {name.partition("=")[0] for name in image.config["Env"]} == {"PATH", "MCP_HOST"}


def test_bytecode_saves_much_of_a_cold_start(image: Image) -> None:
    with_it, without = first_start(image), first_start(image, PYTHONPYCACHEPREFIX="/none")

    assert with_it.cpu_s < 0.6 * without.cpu_s
    assert with_it.cpu_s < 4


def test_no_module_is_compiled_at_a_start(image: Image) -> None:
    script = "import cloud_mcp_server, ticket_api.__main__, sys; print([n for n, m in sys.modules.items()" + (
        " if (f := getattr(m, '__cached__', None)) and not __import__('os').path.exists(f)])"
    )

    assert image.run("python", "-c", script).stdout == "[]\n"


def test_it_is_no_larger_than_the_page_says(image: Image) -> None:
    assert sizes(image)["packages (/venv)"] < 150 * MIB
    assert sizes(image)["our code (/app)"] < 10 * MIB


def test_the_bill_of_materials_lists_what_is_installed_in_it(image: Image) -> None:
    printed = image.run("python", "-", stdin=SBOM.read_text("utf-8"))
    listed = {one["purl"] for one in json.loads(printed.stdout)["components"]}

    compiled = pinned((ROOT / "requirements-cloud.txt").read_text("utf-8"))
    here = {f"pkg:pypi/{name}@{str(one.specifier)[2:]}" for name, one in compiled.items() if name not in ELSEWHERE}
    assert {purl for purl in listed if purl.startswith("pkg:pypi/")} == here
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in listed)
    assert any(purl.startswith("pkg:generic/python@3.13.") for purl in listed)
