"""A real Prometheus that scrapes the instances of the rehearsal and evaluates the rules of gcp-deploy/monitoring."""

import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from tests.debian import program
from tests.processes import OPERATOR_KEY, START_S, steady_port

SCRAPED_EVERY: Final = "500ms"
ASKED_AGAIN_S: Final = 0.25


class Prometheus:
    """Its HTTP API, and the list of what it scrapes."""

    def __init__(self, folder: Path, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._targets = folder / "targets.json"

    def scrape(self, instances: Mapping[int, Mapping[str, str]]) -> None:
        """Scrape these ports from now on, each with its labels."""
        targets = [{"targets": [f"127.0.0.1:{port}"], "labels": dict(labels)} for port, labels in instances.items()]
        fresh = self._targets.with_suffix(".new")
        fresh.write_text(json.dumps(targets), "utf-8")
        fresh.replace(self._targets)

    async def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the result of an instant query."""
        return list((await self._get("query", query=query))["result"])

    async def number(self, query: str) -> float:
        """Return the one value of a query; 0 if there is none."""
        found = await self.ask(query)
        return float(found[0]["value"][1]) if found else 0.0

    async def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        alerts = (await self._get("alerts"))["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    async def until(self, done: Callable[[set[str]], bool], what: str, seconds: float) -> None:
        """Wait until `done` is true of the alerts that fire."""
        firing: set[str] = set()
        try:
            async with asyncio.timeout(seconds):
                while not done(firing := await self.firing()):  # noqa: ASYNC110 - another process decides
                    await asyncio.sleep(ASKED_AGAIN_S)
        except TimeoutError:
            raise AssertionError(f"{what} did not come within {seconds:g} s; firing: {sorted(firing)}") from None

    async def until_number(self, query: str, done: Callable[[float], bool], seconds: float) -> float:
        """Wait until `done` is true of the value of a query, and return it."""
        value = float("nan")
        try:
            async with asyncio.timeout(seconds):
                while not done(value := await self.number(query)):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(ASKED_AGAIN_S)
        except TimeoutError:
            raise AssertionError(f"{query} is {value} after {seconds:g} s") from None
        return value

    async def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        async with httpx2.AsyncClient(timeout=10) as http:
            response = await http.get(f"{self.address}/api/v1/{what}", params=parameters)
        body = response.json()
        assert body["status"] == "success", body
        return dict(body["data"])


@contextmanager
def prometheus(folder: Path, rules: Sequence[str]) -> Iterator[Prometheus]:
    """Run it with these rule files, given as texts."""
    port = steady_port()
    running = Prometheus(folder, port)
    running.scrape({})
    files = [folder / f"rules-{number}.yaml" for number in range(len(rules))]
    for file, text in zip(files, rules, strict=True):
        file.write_text(text, "utf-8")
    configuration = {
        "global": {"scrape_interval": SCRAPED_EVERY, "scrape_timeout": SCRAPED_EVERY},
        "rule_files": [str(file) for file in files],
        "scrape_configs": [
            {
                "job_name": "mcp-ticket-server",
                "authorization": {"credentials": OPERATOR_KEY},
                "file_sd_configs": [{"files": [str(folder / "targets.json")], "refresh_interval": "1s"}],
            }
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration), "utf-8")
    options = {
        "config.file": folder / "prometheus.yaml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
        "query.lookback-delta": "5s",  # scaled like the scrape interval: what is gone must not stay
    }
    command = [program("prometheus"), *(f"--{name}={value}" for name, value in options.items())]
    with (folder / "said").open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            _until_ready(running.address, folder / "said")
            yield running
        finally:
            process.terminate()
            process.wait(START_S)


def _until_ready(address: str, said: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{address}/-/ready").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"Prometheus did not come up:\n{said.read_text('utf-8')}")
