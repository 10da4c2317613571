"""Fills in a file of a layout and prints it: `python3 gcp-deploy/render.py gcp-deploy/production/ticket-api.yaml`.

The values come from the environment, under the names of `VARIABLES`. A value that is missing or has another form is
refused, so nothing half-filled is deployed. Needs only the standard library.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

VARIABLES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType({
    "PROJECT_ID": (r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "the id of the project"),
    "PROJECT_NUMBER": (r"[0-9]{1,20}", "the number of the project"),
    "REGION": (r"[a-z]+-[a-z]+[0-9]+", "a region, for example europe-west1"),
    "IMAGE": (r"[a-z0-9-]+-docker\.pkg\.dev/[a-z0-9-]+/[^\s/:@]+/[^\s/:@]+@sha256:[0-9a-f]{64}",
              "an image in Artifact Registry with its digest (@sha256:…), which always names the same build"),
    "DOMAIN": (r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", "the host that clients use, like tickets.example.com"),
    "API_URL": (r"https?://[A-Za-z0-9.:_/-]+", "the address of the existing ticket API"),
    "OAUTH_CLIENT_ID": (r"[0-9a-z-]+\.apps\.googleusercontent\.com", "the client id of the sign-in with Google"),
})  # fmt: skip
"""Each placeholder: its form, and what it is."""
REVISION: Final = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
TRAFFIC: Final = """\
  traffic:
    - latestRevision: true
      percent: 100
"""
"""The end of each service file: all requests go to the newest revision."""


class RenderError(Exception):
    """A file cannot be filled in; the text says why."""


def render(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with each placeholder replaced. Raises: RenderError: a value is missing or has another form."""
    for name, (form, meaning) in VARIABLES.items():
        placeholder = re.compile(rf"(?<![A-Z_]){name}(?![A-Z_])")
        if placeholder.search(text):
            if not re.fullmatch(form, values.get(name, "")):
                raise RenderError(f"{name} must be {meaning}")
            text = placeholder.sub(values[name], text)
    return text


def beside(text: str, serving: str, tag: str) -> str:
    """Return the service `text` so that all requests stay at revision `serving`, and the new one has an address `tag`.

    Raises:
        RenderError: the file is not that of a service, or a name is not valid.
    """
    if not re.fullmatch(REVISION, serving) or not re.fullmatch(REVISION, tag):
        raise RenderError("a revision and a tag have lower-case letters, digits and hyphens, at most 63")
    if not text.endswith(TRAFFIC):
        raise RenderError("only a service has traffic that could stay at a revision")
    stays = f"    - revisionName: {serving}\n      percent: 100\n"
    new = f"    - latestRevision: true\n      percent: 0\n      tag: {tag}\n"
    return f"{text.removesuffix(TRAFFIC)}  traffic:\n{stays}{new}"


def main(arguments: list[str]) -> int:
    """Print the file; return the exit code."""
    parser = argparse.ArgumentParser(description="Fill in a file of a layout with values of the environment.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--serving", metavar="REVISION", help="keep all requests at this revision; needs --tag")
    parser.add_argument("--tag", help="give the new revision an address of its own; needs --serving")
    options = parser.parse_args(arguments)
    if (options.serving is None) != (options.tag is None):
        parser.error("--serving and --tag belong together")
    try:
        text = options.file.read_text("utf-8")
        if options.serving is not None:
            text = beside(text, options.serving, options.tag)
        sys.stdout.write(render(text, os.environ))
    except (OSError, RenderError) as error:
        sys.stderr.write(f"{options.file}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
