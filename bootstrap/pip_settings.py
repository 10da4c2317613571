"""Which of the user's pip settings count in a set-up: those that say where packages come from, and how to get there.

Everything else (`target`, `user`, `prefix`, `constraint`, …) could make pip install something else, or elsewhere.
Source: pip's documentation, "Configuration": sections `global` and `install`, then `PIP_…` variables; the last wins.
"""

import ast
import os
import re
from collections.abc import Mapping
from typing import Final

from bootstrap.machine import inherited_environment

KEPT: Final = frozenset({
    *("index-url", "extra-index-url", "no-index", "find-links", "trusted-host", "keyring-provider"),
    *("proxy", "cert", "client-cert", "use-feature"),
    *("timeout", "default-timeout", "retries", "resume-retries", "cache-dir", "disable-pip-version-check"),
})  # fmt: skip
_SECTIONS: Final = ("global", "install", ":env:")
_LINE: Final = re.compile(r"(?P<section>global|install|:env:)\.(?P<name>[\w-]+)=(?P<value>.*)")


def pip_environment(listed: str) -> dict[str, str]:
    """Return the environment for pip: this process's, with only those settings that count.

    Args:
        listed: what `pip config list` printed.
    """
    others = {name: value for name, value in inherited_environment().items() if not name.upper().startswith("PIP_")}
    given = {f"PIP_{name.replace('-', '_').upper()}": value for name, value in kept(listed).items()}
    return {**others, **given, "PIP_CONFIG_FILE": os.devnull}


def kept(listed: str) -> Mapping[str, str]:
    """Return the settings in the output of `pip config list` that count."""
    found = [match for line in listed.splitlines() if (match := _LINE.fullmatch(line))]
    found.sort(key=lambda match: _SECTIONS.index(match["section"]))
    values = {match["name"].lower().replace("_", "-"): str(ast.literal_eval(match["value"])) for match in found}
    return {name: " ".join(value.split()) for name, value in values.items() if name in KEPT and value.strip()}
