"""A real Prometheus evaluates every rule, with shortened windows, over what a real server emits."""

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.debian import program
from tests.deploy.alert_rules import RULE_FILES, SCRAPE, shortened
from tests.processes import OPERATOR_KEY, Process, http_door

LIMIT_S: Final = 30
ASKED_AGAIN_S: Final = 0.1
pytestmark = pytest.mark.debian("prometheus")


@contextmanager
def prometheus(folder: Path, target: str, *texts: str) -> Iterator[str]:
    """Run Prometheus with rule files and one target, and yield its address."""
    paths = [folder / f"{number}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, "utf-8")
    configuration = {
        "global": {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE},
        "rule_files": list(map(str, paths)),
        "scrape_configs": [
            {
                "job_name": "mcp-ticket-server",
                "authorization": {"credentials": OPERATOR_KEY},
                "static_configs": [{"targets": [target]}],
            }
        ],
    }
    config = folder / "prometheus.yaml"
    config.write_text(yaml.safe_dump(configuration), "utf-8")
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", "--web.listen-address=127.0.0.1:0"]
    with Process(options, executable=program("prometheus")) as process:
        process.wait_until_said("Server is ready to receive web requests.")
        (address,) = re.findall(r'"Listening on" address=(\S+)', process.said_so_far())
        yield f"http://{address}"


def rules(address: str) -> list[dict[str, Any]]:
    """Return all rules with their state."""
    with urllib.request.urlopen(f"{address}/api/v1/rules", timeout=LIMIT_S) as response:  # noqa: S310 - on this machine
        groups = json.load(response)["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def wait_for(address: str, done: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Return the rules as soon as `done` is true of them."""
    deadline = time.monotonic() + LIMIT_S
    while not done(found := rules(address)):
        assert time.monotonic() < deadline, found
        time.sleep(ASKED_AGAIN_S)
    return found


def firing(found: list[dict[str, Any]]) -> set[str]:
    return {rule["name"] for rule in found if rule.get("state") == "firing"}


def test_every_rule_is_evaluated_and_the_end_of_the_last_instance_fires_and_clears(tmp_path: Path) -> None:
    texts = [shortened(path.read_text("utf-8")) for path in RULE_FILES]
    with http_door(tmp_path, PORT="0", K_REVISION="server-00001") as (server, process):
        target = server.removeprefix("http://")
        with prometheus(tmp_path, target, *texts) as address:
            found = wait_for(address, lambda one: all(rule["health"] != "unknown" for rule in one))
            assert [(rule["name"], rule.get("lastError")) for rule in found if rule["health"] != "ok"] == []
            wait_for(address, lambda one: not firing(one))

            process.end()
            wait_for(address, lambda one: firing(one) == {"NoInstanceServes"})

            with http_door(tmp_path, PORT=target.partition(":")[2], K_REVISION="server-00001"):
                wait_for(address, lambda one: not firing(one))


def test_a_rule_that_cannot_be_evaluated_is_noticed(tmp_path: Path) -> None:
    planted = """\
groups:
  - name: planted
    interval: 100ms
    rules:
      - record: planted:many
        expr: up * on () group_left () (up or label_replace(up, "a", "b", "", ""))
"""
    with http_door(tmp_path, PORT="0") as (server, _), prometheus(tmp_path, server[7:], planted) as address:
        found = wait_for(address, lambda one: one[0]["health"] == "err")

    assert "many-to-many" in found[0]["lastError"]
