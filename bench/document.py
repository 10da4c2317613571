"""x"""

from bench.figures import Run


def rewrite(run: Run) -> None: ...
