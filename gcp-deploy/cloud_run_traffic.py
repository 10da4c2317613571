"""The traffic of a Cloud Run service, read and moved with gcloud: all that canary.py does to the platform."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

NOT_PUT_BACK: Final = 3
CANARY: Final = "canary"
PREVIOUS: Final = "previous"
GCLOUD_S: Final = 300
PUT_BACK_ATTEMPTS: Final = 3


class CannotError(Exception):
    """What stopped a command, as a sentence for the person who reads the output of the workflow."""


def say(sentence: str) -> None:
    """Print a sentence at once; a reader who has gone must not stop what puts traffic back."""
    with contextlib.suppress(OSError):
        print(sentence, flush=True)


def gcloud(*arguments: str) -> str:
    """Run gcloud and return its output; a Ctrl-C at this program does not reach it. Raises: CannotError."""
    command = ("gcloud", *arguments)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GCLOUD_S, check=False, start_new_session=True
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotError(f"`{' '.join(command)}` failed: {error}") from error
    if done.returncode != 0:
        raise CannotError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-1000:]}")
    return done.stdout


class Service:
    """The traffic of one Cloud Run service."""

    def __init__(self, name: str, region: str) -> None:
        self.name = name
        self._region = region

    def traffic(self) -> list[dict[str, Any]]:
        """Return Cloud Run's entries: `revisionName`, and `percent` or `tag` or both. Raises: CannotError."""
        described = gcloud("run", "services", "describe", self.name, f"--region={self._region}", "--format=json")
        return list(json.loads(described)["status"].get("traffic", []))

    def shares(self) -> dict[str, int]:
        """Return the percentage of each revision that has traffic, the largest first. Raises: CannotError."""
        shares: dict[str, int] = {}
        for entry in self.traffic():
            shares[entry["revisionName"]] = shares.get(entry["revisionName"], 0) + entry.get("percent", 0)
        return {name: share for name, share in sorted(shares.items(), key=lambda one: -one[1]) if share}

    def serving(self) -> str:
        """Return the revision with the most traffic. Raises: CannotError."""
        if not (shares := self.shares()):
            raise CannotError(f"No revision of {self.name} has traffic.")
        return next(iter(shares))

    def tags(self) -> dict[str, str]:
        """Return the revision of each tag. Raises: CannotError."""
        return {entry["tag"]: entry["revisionName"] for entry in self.traffic() if entry.get("tag")}

    def tagged(self, tag: str) -> str:
        """Return the revision with this tag. Raises: CannotError."""
        if revision := self.tags().get(tag):
            return revision
        raise CannotError(f"No revision of {self.name} has the tag `{tag}`.")

    def replace(self, file: str) -> None:
        """Replace the service by a rendered file; the tag `previous`, which the file does not know, stays."""
        previous = self.tags().get(PREVIOUS)
        gcloud("run", "services", "replace", file, f"--region={self._region}", "--quiet")
        if previous:
            self._update(f"--update-tags={PREVIOUS}={previous}")

    def send(self, shares: Mapping[str, int], *, previous: str = "") -> None:
        """Divide the traffic, in percent; `previous` gets the tag of that name. Raises: CannotError."""
        self._update(_divided(shares), *([f"--update-tags={PREVIOUS}={previous}"] if previous else []))

    def _update(self, *changes: str) -> None:
        gcloud("run", "services", "update-traffic", self.name, f"--region={self._region}", *changes, "--quiet")

    def put_back(self, revision: str) -> None:
        """Send all traffic to `revision`, whatever signals arrive meanwhile. Exits with 3 if gcloud refuses."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for attempt in range(1, PUT_BACK_ATTEMPTS + 1):
            try:
                self.send({revision: 100})
            except CannotError as error:
                say(f"Attempt {attempt} to put the traffic back: {error}")
            else:
                say(f"{revision} has all traffic of {self.name} again.")
                return
        command = f"gcloud run services update-traffic {self.name} --region={self._region} {_divided({revision: 100})}"
        say(f"THE TRAFFIC WAS NOT PUT BACK. Run: {command}")
        sys.exit(NOT_PUT_BACK)


def _divided(shares: Mapping[str, int]) -> str:
    return "--to-revisions=" + ",".join(f"{revision}={share}" for revision, share in shares.items() if share)
