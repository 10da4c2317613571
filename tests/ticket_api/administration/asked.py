"""Requests that change master data, for the test that each organisation is answered as if it were alone."""

from typing import Any, Final

from ticket_api.administration.kinds import KINDS

FOREIGN: Final = "foreign"
"""An id that only the other organisation has, in every master table."""
MORE: Final[dict[str, dict[str, Any]]] = {
    "users": {"email": "foreign@example.com"},
    "category-details": {"categoryId": FOREIGN},
}
Requests = dict[tuple[str, str], list[tuple[str, dict[str, Any] | None]]]


def requests() -> Requests:
    """Return, by method and path, requests with ids that both organisations have, or only the other one.

    Rows with the other's ids are added, then removed, details before their categories.
    """
    asked: Requests = {}
    for kind in KINDS:
        path = f"/tickets/master/{kind}"
        asked["POST", path] = [(path, {"name": "By default", **MORE.get(kind, {})})]
    for kind in KINDS:
        path = f"/tickets/master/{kind}"
        ids = (f"{KINDS[kind].prefix}1", FOREIGN)
        asked["PUT", f"{path}/{{id}}"] = [
            (f"{path}/{id_}", {"name": f"{id_} again", **MORE.get(kind, {})}) for id_ in ids
        ]
    for kind in reversed(list(KINDS)):
        path = f"/tickets/master/{kind}"
        twice = (f"{KINDS[kind].prefix}1", FOREIGN, FOREIGN)
        asked["DELETE", f"{path}/{{id}}"] = [(f"{path}/{id_}", None) for id_ in twice]
    return asked
