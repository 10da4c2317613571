"""`python -m tests.image`, on a quiet machine: build the image, measure it, and write the figures of docs/image.md."""

import os
import platform
import re
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.image.built import Image, built
from tests.image.measured import MIB, first_start, sizes
from tests.processes import ROOT

PAGE: Final = ROOT / "docs" / "image.md"
ROUNDS: Final = 5
_FIGURES: Final = re.compile(r"(?<=<!-- figures: python -m tests.image -->\n).*?(?=<!-- /figures -->)", re.DOTALL)


def figures(image: Image) -> str:
    """Return the sizes and times as tables, with the machine and the day."""
    size = "".join(f"| {part} | {count / MIB:.0f} MiB |\n" for part, count in sizes(image).items())
    ways = {"as it is": {}, "without any bytecode": {"PYTHONPYCACHEPREFIX": "/none"}}
    starts = {way: [first_start(image, **settings) for _ in range(ROUNDS)] for way, settings in ways.items()}
    rows = "".join(
        f"| {way} | {min(one.first_answer_s for one in found):.2f} s | {min(one.cpu_s for one in found):.2f} s |\n"
        for way, found in starts.items()
    )
    python = image.run("python", "-c", "import platform; print(platform.python_version())").stdout.strip()
    where = f"{os.cpu_count()} CPUs ({_processor()}), Linux {platform.release().partition('-')[0]}, Python {python}"
    return (
        f"| part, unpacked | size |\n|---|---|\n{size}\n"
        f"| cold start of the HTTP server | until the first response | CPU time |\n|---|---|---|\n{rows}\n"
        f"Least of {ROUNDS} starts, {datetime.now(UTC):%Y-%m-%d}, {where}.\n"
    )


def _processor() -> str:
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="image-") as folder, built(Path(folder)) as image:
        text = figures(image)
    PAGE.write_text(_FIGURES.sub(lambda _: text, PAGE.read_text("utf-8")), "utf-8")
    sys.stdout.write(text)
