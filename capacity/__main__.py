"""`python -m capacity` rewrites the tables of docs/capacity.md and docs/cost.md.

`python -m capacity 250` prints the cost of each layout for 250 users instead.
"""

import argparse
import sys

from capacity import cost_page
from capacity.page import PAGE, page


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m capacity", description=__doc__)
    parser.add_argument("users", type=int, nargs="?", help="how many people use the server")
    users = parser.parse_args().users
    if users is not None and users < 1:
        parser.error("the number of users must be positive")
    if users is not None:
        sys.stdout.write(cost_page.calculated(users))
        return
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    for path in cost_page.PAGES:
        path.write_text(cost_page.page(path.name, path.read_text("utf-8")), "utf-8")


main()
