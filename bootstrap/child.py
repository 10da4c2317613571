"""Runs a module, or a function of one, in a process group that ends with the process that started it.

    python -I bootstrap/child.py MODULE[:FUNCTION] [arguments]

The parent holds the other end of stdin and never writes. The system closes it when the parent ends, also by SIGKILL;
then this process ends too, with everything that it started, so that it never writes into a folder of another set-up.
"""

import importlib
import os
import runpy
import signal
import sys
import threading


def end_with_parent() -> None:
    """Wait until the parent is gone, then end the whole group."""
    os.read(0, 1)
    if sys.platform != "win32":
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.argv = sys.argv[1:]
    module, _, function = sys.argv[0].partition(":")
    if function:
        sys.exit(getattr(importlib.import_module(module), function)(sys.argv[1:]))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
