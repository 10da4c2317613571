"""The canary: the program as a workflow runs it, with a stand-in for gcloud and a real Prometheus."""

import importlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from shared.metrics.table import METRICS
from tests.deploy.platform import SERVICE, Platform, Revision, exposed, prometheus
from tests.deploy.slo import OUR_FAULT
from tests.processes import ROOT, Process, environment

CANARY: Final = ROOT / "gcp-deploy" / "canary.py"
HASTE: Final = ("--every", "0.3", "--watch", "1.5", "--min-requests", "100", "--deadline", "20", "--max-blind", "20")
CLOSED: Final = "http://127.0.0.1:9"
needs_prometheus: Final = pytest.mark.debian("prometheus")


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path)


def canary(platform: Platform, command: str, *options: str, service: str = SERVICE) -> tuple[int, str]:
    """Return the exit code and the output."""
    words = [sys.executable, str(CANARY), command, service, *options, "--region", "asia-northeast1"]
    env = environment(PATH=platform.path())
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stderr
    return done.returncode, done.stdout


def released(platform: Platform, *revisions: Revision, options: tuple[str, ...] = ()) -> tuple[int, str]:
    """Release the new revision while Prometheus sees these."""
    with exposed(platform, *revisions) as target, prometheus(platform.folder, target) as address:
        return canary(platform, "release", "--prometheus", address, *HASTE, *options)


# ---- release -------------------------------------------------------------------------------------------------------


@needs_prometheus
def test_a_good_revision_gets_a_part_and_then_all_of_the_traffic(platform: Platform) -> None:
    code, said = released(platform, Revision("old"), Revision("new", refused=5))

    assert (code, platform.shares()) == (0, {"new": 100})
    assert platform.divisions() == ["new=5,old=95", "new=100"]
    assert platform.tags() == {"canary": "new", "previous": "old"}
    assert "new has all traffic" in said


@needs_prometheus
@pytest.mark.parametrize(
    ("new", "why"),
    [
        (Revision("new", errors=20), "requests failed; 1.00% may."),
        (Revision("new", slow=20), "95 % of its calls take up to 2."),
        (Revision("new", requests=0), "are needed to judge it."),
    ],
    ids=["errors", "slow", "no-requests"],
)
def test_a_bad_revision_loses_its_traffic(platform: Platform, new: Revision, why: str) -> None:
    options = ("--deadline", "3") if not new.requests else ()

    code, said = released(platform, Revision("old"), new, options=options)

    assert (code, platform.shares()) == (1, {"old": 100})
    assert platform.divisions() == ["new=5,old=95", "old=100"]
    assert "Aborted: new: " in said
    assert why in said
    assert "previous" not in platform.tags()


@needs_prometheus
def test_a_single_error_of_a_new_kind_counts(platform: Platform) -> None:
    """It is the first value of its counter, so it never rises."""
    code, said = released(
        platform, Revision("old"), Revision("new", errors=3), options=("--watch", "5", "--min-requests", "10")
    )

    assert (code, platform.shares()) == (1, {"old": 100})
    assert "3 of" in said


@needs_prometheus
def test_the_label_of_a_revision_can_be_named(platform: Platform) -> None:
    platform.set_service(shares={"old-1": 100}, tags={"canary": "new-1"})

    code, _ = released(platform, Revision("old"), Revision("new"), options=("--revision-label", "instance"))

    assert (code, platform.shares()) == (0, {"new-1": 100})


def test_without_prometheus_nothing_is_released(platform: Platform) -> None:
    code, said = canary(platform, "release", "--prometheus", CLOSED, *HASTE, "--max-blind", "1")

    assert (code, platform.shares()) == (1, {"old": 100})
    assert "Prometheus has not answered for 1 s" in said


class _NotPrometheus(BaseHTTPRequestHandler):
    asked: Any

    def do_POST(self) -> None:
        self.asked.append(self.headers.get("authorization"))
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "error", "error": "not today"}')

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"layout": self.path.split("/")[1]}).encode())

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def not_prometheus() -> Iterator[tuple[str, list[str | None]]]:
    """Something that answers with an error, and what it was sent as authorization; `/…/health` has a layout."""
    asked: list[str | None] = []
    handler = type("Handler", (_NotPrometheus,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer_that_is_none_stops_a_release(
    platform: Platform, not_prometheus: tuple[str, list[str | None]]
) -> None:
    address, asked = not_prometheus
    code, said = canary(platform, "release", "--prometheus", address, *HASTE, "--max-blind", "1")

    assert (code, platform.shares()) == (1, {"old": 100})
    assert "not today" in said
    assert set(asked) == {None}, "Google's token is for Google"


def test_google_gets_a_token(
    platform: Platform, not_prometheus: tuple[str, list[str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, asked = not_prometheus
    monkeypatch.syspath_prepend(CANARY.parent)
    metrics = importlib.import_module("canary_metrics")
    monkeypatch.setattr(metrics, "GOOGLE", address)
    monkeypatch.setenv("PATH", platform.path())

    with pytest.raises(ValueError, match="not today"):
        metrics.Prometheus(address, "internal", "").seen("new", 10)

    assert asked == ["Bearer token-of-gcloud"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_puts_the_traffic_back(platform: Platform, number: int) -> None:
    options = ("--region", "r", "--prometheus", CLOSED, "--every", "60")
    with Process((str(CANARY), "release", SERVICE, *options), PATH=platform.path()) as process:
        process.wait_until_said("new has 5 % of the traffic")
        process.send(number)
        code = process.wait()

    assert (code, platform.shares()) == (1, {"old": 100})
    assert "old has all traffic of mcp-ticket-server again." in process.said


def test_traffic_that_cannot_be_put_back_is_said_with_the_command(platform: Platform) -> None:
    platform.change(refused=["old=100"])

    code, said = canary(platform, "release", "--prometheus", CLOSED, *HASTE, "--max-blind", "0.1")

    assert code == 3
    assert said.splitlines()[-1].endswith(
        "Run: gcloud run services update-traffic mcp-ticket-server --region=asia-northeast1 --to-revisions=old=100"
    )


def test_a_share_that_gcloud_refuses_is_taken_back_in_case_it_was_given(platform: Platform) -> None:
    platform.change(refused=["new=5"])

    code, said = canary(platform, "release", "--prometheus", CLOSED)

    assert (code, platform.divisions()) == (1, ["new=5,old=95", "old=100"])
    assert "refused by the test" in said


def test_two_layouts_of_the_broker_never_share_the_traffic(
    platform: Platform, not_prometheus: tuple[str, list[str | None]]
) -> None:
    address, _ = not_prometheus
    urls = ("--old-url", f"{address}/1", "--new-url", f"{address}/2")

    code, said = canary(platform, "release", "--prometheus", address, *HASTE, "--max-blind", "0.1", *urls)

    assert (code, platform.divisions()) == (1, ["new=100", "old=100"])
    assert "All traffic moves at once" in said


@pytest.mark.parametrize(
    ("state", "options", "says"),
    [
        ({"tags": {}}, (), "has the tag `canary`"),
        ({"shares": {"new": 100}}, (), "new already has most of the traffic"),
        ({"shares": {}}, (), "No revision of mcp-ticket-server has traffic."),
        ({"refused": ["describe"]}, (), "refused by the test"),
        ({}, ("--new-url", CLOSED), "did not say which layout it has"),
    ],
)
def test_a_release_that_cannot_begin_changes_nothing(
    platform: Platform, state: dict[str, Any], options: tuple[str, ...], says: str
) -> None:
    platform.change(refused=state.pop("refused", []))
    platform.set_service(**state)

    code, said = canary(platform, "release", "--prometheus", CLOSED, *options)

    assert (code, platform.divisions()) == (2, [])
    assert says in said


# ---- the other commands --------------------------------------------------------------------------------------------


def test_one_step_goes_back_and_a_second_one_changes_nothing(platform: Platform) -> None:
    assert canary(platform, "promote") == (0, "new has all traffic of mcp-ticket-server.\n")
    assert canary(platform, "serving") == (0, "new\n")

    assert canary(platform, "back") == (0, "old has all traffic of mcp-ticket-server again.\n")
    assert canary(platform, "serving") == (0, "old\n")
    assert canary(platform, "back") == (0, "old already has all traffic of mcp-ticket-server.\n")


def test_one_step_goes_back_to_a_named_revision(platform: Platform) -> None:
    assert canary(platform, "back")[0] == 2, "nothing was there before"

    assert canary(platform, "back", "--revision", "older")[0] == 0
    assert platform.shares() == {"older": 100}


def test_one_step_goes_back_for_several_services_or_for_none(platform: Platform) -> None:
    platform.set_service(tags={"previous": "older"})
    assert canary(platform, "back", "ticket-api")[0] == 2
    assert canary(platform, "back", "ticket-api", "--revision", "older")[0] == 2
    assert platform.divisions() == []

    platform.set_service("ticket-api", tags={"previous": "oldest"})
    assert canary(platform, "back", "ticket-api")[0] == 0
    assert (platform.shares(), platform.shares("ticket-api")) == ({"older": 100}, {"oldest": 100})


def test_what_was_before_is_still_known_after_a_new_revision_is_staged(platform: Platform, tmp_path: Path) -> None:
    platform.set_service(tags={"previous": "older"})
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text("metadata:\n  name: mcp-ticket-server\ntraffic:\n- revisionName: old\n", "utf-8")

    assert canary(platform, "stage", str(rendered)) == (0, "")

    assert platform.tags() == {"canary": "new", "previous": "older"}
    assert platform.shares() == {"old": 100}


# ---- the decision --------------------------------------------------------------------------------------------------

GOOD: Final = (1000, 2, 0.1)


@pytest.mark.parametrize(
    ("new", "old", "is_good"),
    [
        (GOOD, GOOD, True),
        ((1000, 11, 0.1), GOOD, False),  # more than 1 %
        ((1000, 8, 0.1), GOOD, False),  # 0.6 points more than the old one
        ((1000, 8, 0.1), (1000, 4, 0.1), True),
        ((1000, 8, 0.1), (50, 0, 0.1), True),  # of the old one there is too little to compare with
        ((10, 2, None), (50, 0, 0.1), True),  # two of at least 200 may fail
        ((10, 3, None), (50, 0, 0.1), False),  # three may not, whatever comes
        ((10, 1, None), GOOD, True),
        ((10, 2, None), GOOD, False),
        ((1000, 2, 1.1), (1000, 2, 1.1), False),  # slower than allowed
        ((1000, 2, 0.5), GOOD, False),  # 0.4 s slower than the old one
        ((1000, 2, 0.5), (50, 0, 0.1), True),
        ((100, 0, 2.0), GOOD, True),  # too few calls for a quantile
    ],
)
def test_a_revision_is_judged_by_absolute_bounds_and_by_the_old_one(
    new: tuple[int, int, float | None],
    old: tuple[int, int, float | None],
    is_good: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(CANARY.parent)
    metrics = importlib.import_module("canary_metrics")
    bounds = metrics.Bounds(200, 0.01, 0.005, 1.0, 0.25)

    fault = metrics.fault_of(metrics.Seen(*new), metrics.Seen(*old), bounds)

    assert (fault is None) is is_good


def test_errors_and_metrics_are_those_of_the_alerts_and_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(CANARY.parent)
    metrics = importlib.import_module("canary_metrics")

    assert metrics.OUR_FAULT == OUR_FAULT
    assert {metrics.DURATIONS, metrics.BUILD_INFO} <= {metric.prometheus for metric in METRICS.values()}
