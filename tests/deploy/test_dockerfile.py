"""The image is small, runs as an unprivileged user, and is complete: its files are copied and started here alone."""

import ast
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx2
import pytest
import yaml

from tests.kills import kills
from tests.processes import API_KEY, KEY, started

ROOT: Final = Path(__file__).resolve().parents[2]
TEXT: Final = (ROOT / "Dockerfile").read_text("utf-8")
ENTRY_POINTS: Final = ("cloud_mcp_server.py", "ticket_api/__main__.py", "recovery/__main__.py")


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, with continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", text))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word]


def last_stage() -> dict[str, str]:
    """Return the last instruction of each kind in the stage that becomes the image."""
    found = instructions(TEXT)
    start = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return dict(found[start:])


def copied() -> set[str]:
    """Return what the Dockerfile copies from the checkout."""
    sources = [rest.split()[:-1] for word, rest in instructions(TEXT) if word == "COPY" and "--from" not in rest]
    return {name for names in sources for name in names}


def imported(root: Path, entry_points: Sequence[str]) -> Iterator[Path]:
    """Yield every file of ours that the entry points import, directly or indirectly, relative to `root`."""
    waiting, seen = [root / name for name in entry_points], set[Path]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        yield path.relative_to(root)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                module = root.joinpath(*name.split("."))
                waiting += [file for file in (module.with_suffix(".py"), module / "__init__.py") if file.is_file()]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the image, and nothing else of the checkout."""
    folder = tmp_path_factory.mktemp("image")
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def test_hadolint_finds_nothing_and_no_rule_is_switched_off() -> None:
    hadolint = shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    assert hadolint is not None

    result = subprocess.run(
        [hadolint, "--disable-ignore-pragma", "--failure-threshold", "style", "-"],
        input=TEXT,
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )

    assert (result.stdout, result.returncode) == ("", 0)


def test_the_base_is_one_version_that_stays() -> None:
    bases = {rest.split()[0] for word, rest in instructions(TEXT) if word == "FROM"} - {"base"}

    (base,) = bases
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", base)


def test_it_installs_nothing_but_wheels_with_known_hashes() -> None:
    (install,) = [rest for word, rest in instructions(TEXT) if word == "RUN" and "pip --python" in rest]

    assert "venv --without-pip" in install
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert "requirements-cloud.txt" in install
    assert "apt" not in TEXT
    assert "curl" not in TEXT


@kills("Dockerfile", "USER 65532:65532", "")
def test_it_runs_as_no_one_and_gets_signals_itself() -> None:
    stage = last_stage()

    assert stage["USER"] == "65532:65532"
    assert stage["CMD"] == '["python", "cloud_mcp_server.py"]'
    assert not {"ENTRYPOINT", "HEALTHCHECK", "ADD"} & {word for word, _ in instructions(TEXT)}


def test_port_is_left_to_the_platform() -> None:
    assert not any("PORT" in rest for word, rest in instructions(TEXT) if word in {"ENV", "ARG", "CMD"})


def test_what_the_build_sees_is_what_it_copies() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]

    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied()
    assert lines[-2:] == ["**/.*", "**/__pycache__"]  # no `.env` that lies in a folder which is copied


def test_everything_that_is_imported_is_copied() -> None:
    needed = {path.parts[0] for path in imported(ROOT, ENTRY_POINTS)}

    assert {"ticket_service.py", "shared", "transport"} <= needed  # the walk finds something
    assert needed == copied() - {"requirements-cloud.txt"}


def test_the_copied_files_alone_serve_and_end_with_0(image: Path, tmp_path: Path) -> None:
    database = f"sqlite:///{(tmp_path / 'tickets.sqlite3').as_posix()}"
    program = str(image / "cloud_mcp_server.py")

    with started([program], PORT="0", MCP_MCP_API_KEY=KEY, MCP_DATABASE_URL=database) as (address, process):
        ready = httpx2.get(f"{address}/ready")
        code = process.end()

    assert (ready.status_code, code) == (200, 0)


def test_the_copied_files_alone_serve_the_ticket_api_as_its_service_file_says(image: Path, tmp_path: Path) -> None:
    service = yaml.safe_load((ROOT / "gcp-deploy" / "production" / "ticket-api.yaml").read_text("utf-8"))
    container = service["spec"]["template"]["spec"]["containers"][0]
    database = f"sqlite:///{(tmp_path / 'tickets.sqlite3').as_posix()}"
    program = ["-P", *container["args"]]  # -P and PYTHONPATH: do not import from the checkout, the working directory

    with started(program, PYTHONPATH=str(image), PORT="0", MCP_API_KEY=API_KEY, MCP_DATABASE_URL=database) as (
        address,
        process,
    ):
        tickets = httpx2.get(f"{address}/tickets", headers={"x-api-key": API_KEY})
        code = process.end()

    assert (tickets.status_code, code) == (200, 0)
