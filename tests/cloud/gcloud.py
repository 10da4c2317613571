"""The stand-in of `gcloud`: the few commands that gcp-deploy/canary.py gives, carried out on the balancer.

`python -m tests.cloud.gcloud FOLDER run services …`. What it does not know it refuses, as the real one does.
"""

import json
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.cloud.balancer import Balancer
from tests.processes import ROOT

_DESCRIBE: Final = ("run", "services", "describe")
_UPDATE: Final = ("run", "services", "update-traffic")


def install(folder: Path, balancer: Balancer) -> None:
    """Put a program `gcloud` for this balancer into a folder, which then belongs on PATH."""
    script = folder / "gcloud"
    script.write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.cloud.gcloud {balancer.folder} "$@"\n', "utf-8"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


def main(arguments: Sequence[str]) -> int:
    """Carry out one command; return the exit code."""
    folder, *words = arguments
    balancer = Balancer(Path(folder))
    flags = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--") and "=" in word)
    match tuple(words[:3]):
        case command if command == _DESCRIBE and flags.get("format") == "json":
            traffic = balancer.traffic
            rows = [{"revisionName": name, "percent": share} for name, share in traffic.shares.items()]
            rows += [{"revisionName": name, "tag": tag} for tag, name in traffic.tags.items()]
            print(json.dumps({"status": {"traffic": rows}}))
        case command if command == _UPDATE and "to-revisions" in flags:
            shares = {name: int(share) for name, share in _pairs(flags["to-revisions"])}
            tags = balancer.traffic.tags | dict(_pairs(flags.get("update-tags", "")))
            balancer.change(shares=shares, tags=tags)
        case _:
            print(f"ERROR: (gcloud) Invalid choice: {' '.join(words)}", file=sys.stderr)
            return 2
    return 0


def _pairs(text: str) -> list[tuple[str, str]]:
    """Return the pairs of `a=1,b=2`."""
    found = (pair.partition("=") for pair in text.split(",") if pair)
    return [(name, value) for name, _, value in found]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
