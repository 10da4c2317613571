"""The environments of the clients, in the user's cache folder, made as run.py makes its own, when needed.

Each has exactly the pins of its file in `environments`. Clients of one family share an environment: those on the Python
SDK before 2.0, those on its newest version, those that cannot be installed with that, the converters of schemas, the
judges of sign-in, the bridges for Node, and the agents for Node. The TypeScript SDK and the Inspector are in the tests'
own folder. `python3 run.py test --long` makes the environments before the tests start; tests run by name make them when
they need them.
"""

import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Final

from bootstrap.environments import cached_environment
from bootstrap.environments import node_modules as made_node_modules
from tests.interop.rows import Home
from tests.javascript import installed
from tests.processes import ROOT

PINS: Final = ROOT / "tests" / "interop" / "environments"
CLIENTS: Final = ROOT / "tests" / "clients"


@cache
def python(home: Home) -> str:
    """Return the Python that has the clients of a family."""
    return cached_environment(PINS / f"{home}.txt", name=f"clients-{home}")


@cache
def node_modules(home: Home) -> Path:
    """Return the folder that has the clients for Node."""
    if home == "clients":
        return installed()
    return made_node_modules(sys.executable, PINS / home, name=f"clients-{home}")


def make() -> None:
    """Make every environment that does not exist yet."""
    python("python-v1")
    python("python-v2")
    python("python-v2.1")
    python("converters")
    python("judges")
    node_modules("node")
    node_modules("node-agents")
    node_modules("clients")


def version(package: str, home: Home) -> str:
    """Return the version of a client that is installed there, from its pins."""
    if home.startswith("python-") or home in {"converters", "judges"}:
        pins = (PINS / f"{home}.txt").read_text("utf-8")
        (pinned,) = re.findall(rf"^{re.escape(package)}==(\S+)", pins, re.MULTILINE)
        return str(pinned)
    folder = CLIENTS if home == "clients" else PINS / home
    lock = json.loads((folder / "package-lock.json").read_text("utf-8"))
    return str(lock["packages"][f"node_modules/{package}"]["version"])
