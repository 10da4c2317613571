# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Set up and start everything: the only command that a fresh machine needs. `python3 run.py --help` lists what it does.

The first start creates an environment and installs the pinned requirements; later ones use neither the network nor pip.
The code is in `bootstrap/`. The syntax of this file is that of Python 3.6, so that an old Python gets as far as the
message that says which one is needed. The first lines are for `uv run`, which brings a Python that fits.
"""

import sys

OLDEST = (3, 11)
VERSION = "{}.{}".format(*sys.version_info[:2])

if sys.version_info < OLDEST:
    sys.exit(
        f"run.py: Python 3.11 or newer is needed, and this is {VERSION} ({sys.executable}).\n"
        "Start it with a newer one, for example: python3.13 run.py"
    )

if __name__ == "__main__":
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parent))  # first, whatever PYTHONPATH or PYTHONSAFEPATH say
    from bootstrap.commands import main

    main(sys.argv[1:])
