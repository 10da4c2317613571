"""What the drivers of command lines share: one process for each step, as in a shell.

They run in the tests' own environment.
"""

import asyncio
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """A process that ended."""

    code: int
    stdout: str
    stderr: str


async def execute(*command: str, **variables: str) -> Ended:
    """Run a command to its end."""
    program = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | variables,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await program.communicate()
    assert program.returncode is not None
    return Ended(program.returncode, stdout.decode(), stderr.decode())


def refusal(ended: Ended) -> RuntimeError:
    """Return what to raise for a process that failed."""
    return RuntimeError(f"exit code {ended.code}: {ended.stdout} {ended.stderr}")
