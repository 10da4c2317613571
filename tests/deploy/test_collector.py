"""The collector beside the server: it fits every layout, and its configuration is whole. Nothing here asks Google."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "gcp-deploy" / "collector"
LAYOUTS: Final = [
    path
    for path in sorted((ROOT / "gcp-deploy").rglob("*.yaml"))
    if "kind: Service" in path.read_text("utf-8") and "name: mcp-ticket-server\n" in path.read_text("utf-8")
]


def load() -> ModuleType:
    """Return the program, which is no module of the server."""
    spec = importlib.util.spec_from_file_location("add_collector", FOLDER / "add_collector.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ADD: Final = load()


def undefined(config: dict[str, Any]) -> list[str]:
    """Return what pipelines use of a collector's configuration although it is not defined there."""
    used = [("extensions", name) for name in config["service"]["extensions"]]
    for pipeline in config["service"]["pipelines"].values():
        used += [(kind, name) for kind in ("receivers", "processors", "exporters") for name in pipeline[kind]]
    authenticator = config["exporters"]["otlphttp"]["auth"]["authenticator"]
    return [name for kind, name in [*used, ("extensions", authenticator)] if name not in config[kind]]


def test_there_is_a_layout() -> None:
    assert LAYOUTS


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_service_gets_the_collector_beside_what_it_has(path: Path) -> None:
    before = yaml.safe_load(path.read_text("utf-8"))
    after = yaml.safe_load(ADD.with_collector(path.read_text("utf-8")))

    template = after["spec"]["template"]
    server, collector = template["spec"]["containers"]
    endpoint = {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://localhost:4318"}
    assert server["env"].pop(0) == endpoint
    assert server.pop("name") == "server"
    dependencies = template["metadata"]["annotations"].pop("run.googleapis.com/container-dependencies")
    assert yaml.safe_load(dependencies) == {"server": ["collector"]}
    assert template["spec"]["containers"].pop() is collector
    assert after == before, "nothing else changes"
    assert "ports" not in collector, "requests go to the container with a port"
    [config] = collector["env"]
    assert yaml.safe_load(config["value"]) == yaml.safe_load((FOLDER / "config.yaml").read_text("utf-8"))
    assert collector["args"] == [f"--config=env:{config['name']}"]
    assert len(config["value"]) < 32_768, "the most that Cloud Run takes of a variable"


def test_the_configuration_uses_what_it_defines_and_a_planted_mistake_is_found() -> None:
    text = (FOLDER / "config.yaml").read_text("utf-8")

    assert undefined(yaml.safe_load(text)) == []
    assert (
        undefined(yaml.safe_load(text.replace("  resourcedetection:\n", "  resource:\n"))) == ["resourcedetection"] * 2
    )
    assert undefined(yaml.safe_load(text.replace("authenticator: google", "authenticator: "))) == ["clientauth"]


def test_the_server_sends_to_where_the_collector_listens() -> None:
    config = yaml.safe_load((FOLDER / "config.yaml").read_text("utf-8"))
    assert config["receivers"]["otlp"]["protocols"]["http"]["endpoint"] == "localhost:4318"
    assert config["extensions"]["health_check"]["endpoint"].endswith(":13133")
    assert "port: 13133" in ADD.COLLECTOR
    assert config["exporters"]["googlemanagedprometheus"] == {}, "add_metric_suffixes is on by default"


@pytest.mark.parametrize("wrong", ["", "kind: Job\n", LAYOUTS[0].read_text("utf-8").replace("  traffic:\n", "")])
def test_anything_else_is_refused(wrong: str) -> None:
    ran = subprocess.run(
        [sys.executable, FOLDER / "add_collector.py"],
        input=wrong,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("No collector was added: the service must have the line")


def test_a_collector_is_not_added_twice() -> None:
    once = ADD.with_collector(LAYOUTS[0].read_text("utf-8"))
    with pytest.raises(ADD.NotAServiceError):
        ADD.with_collector(once)
