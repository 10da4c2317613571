"""A Google Cloud project for the scripts: `gcloud_standin.py` on the PATH, with its state in a folder."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.deploy.test_cloud_run import FOLDER, LAYOUTS, VALUES

GITHUB: Final = {"GITHUB_REPOSITORY_ID": "1234", "GITHUB_OWNER_ID": "99"}
RUN_S: Final = 120


class Project:
    """An empty project. `state` is what the stand-in for gcloud has of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        standin = Path(__file__).with_name("gcloud_standin.py")
        (folder / "gcloud").write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{standin}" "$@"\n')
        (folder / "gcloud").chmod(0o755)

    def bootstrap(
        self, layout: str, *options: str, script: Path = FOLDER / "bootstrap.sh", said: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run bootstrap.sh, with `said` as what a person types."""
        return self.run([str(script), layout, *options], said, {**GITHUB, **variables})

    def deploy(self, layout: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run deploy.sh."""
        return self.run([str(FOLDER / "deploy.sh"), layout], "", variables)

    def run(self, command: list[str], said: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a script; an empty variable is not set."""
        given = {**VALUES, "STANDIN": str(self._folder), "PATH": f"{self._folder}:{os.environ['PATH']}", **variables}
        environment = {name: value for name, value in given.items() if value and name != "PROJECT_NUMBER"}
        return subprocess.run(
            ["bash", *command],
            env=environment,
            input=said,
            capture_output=True,
            encoding="utf-8",
            timeout=RUN_S,
            check=False,
        )

    @property
    def state(self) -> dict[str, Any]:
        """What is in the project: `apis`, `there` (resources and their flags), `secrets`, `roles`."""
        file = self._folder / "state.json"
        return dict(json.loads(file.read_text())) if file.exists() else {}

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call of gcloud."""
        return [json.loads(line) for line in (self._folder / "calls").read_text().splitlines()]

    @property
    def changes(self) -> int:
        """How many calls changed something, or tried to."""
        file = self._folder / "changes"
        return int(file.read_text()) if file.exists() else 0


Projects = Mapping[str, tuple[Project, subprocess.CompletedProcess[str]]]
"""For each layout a project for which bootstrap.sh ran once, and that run."""


def prepared(folder: Path) -> Projects:
    """Run bootstrap.sh for each layout, answering its question."""
    made = {}
    for layout in LAYOUTS:
        (folder / layout).mkdir()
        project = Project(folder / layout)
        made[layout] = (project, project.bootstrap(layout, said="y\n"))
    return made
