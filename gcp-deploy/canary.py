#!/usr/bin/env python3
"""Moves the traffic of a Cloud Run service to a new revision by canary, and back. Standard library only.

    canary.py serving SERVICE --region REGION                          prints the revision with the most traffic
    canary.py stage SERVICE FILE --region REGION                       replaces the service; keeps the tag `previous`
    canary.py promote SERVICE --region REGION                          sends 100 % to the new revision, unwatched
    canary.py release SERVICE --region REGION --prometheus URL         sends 5 %, watches, then 100 %
    canary.py back SERVICE... --region REGION [--revision REVISION]    sends 100 % to the revision before

The new revision is the one with the tag `canary`; the one that it replaces gets the tag `previous`. `release` compares
errors and latency of both. Whatever happens but success, a signal included, it puts the traffic back.

Exit codes: 0 done; 1 aborted, and the old revision has all traffic; 2 nothing was changed; 3 the traffic could not be
put back, and the last line says what to do.
"""

import argparse
import http.client
import json
import math
import signal
import sys
import time
import urllib.request
from collections.abc import Sequence
from typing import Final, NoReturn

from canary_metrics import OUR_FAULT, QUERY_S, Bounds, Prometheus, fault_of
from cloud_run_traffic import CANARY, PREVIOUS, CannotError, Service, say

ABORTED: Final = 1
UNCHANGED: Final = 2


def watch(prometheus: Prometheus, new: str, old: str, options: argparse.Namespace) -> None:
    """Return when the new revision has proved itself. Raises: CannotError, with why it has not."""
    bounds = Bounds(
        *(options.min_requests, options.max_error_ratio, options.max_error_increase),
        *(options.max_p95, options.max_p95_increase),
    )
    started = answered = time.monotonic()
    while True:
        time.sleep(options.every)
        passed = time.monotonic() - started
        try:
            window = max(1, math.ceil(passed))
            seen, seen_old = prometheus.seen(new, window), prometheus.seen(old, window)
        except (OSError, ValueError, CannotError) as error:
            if time.monotonic() - answered > options.max_blind:
                raise CannotError(f"Prometheus has not answered for {options.max_blind:g} s: {error}") from error
            say(f"Prometheus did not answer, which stops a release after {options.max_blind:g} s: {error}")
            continue
        answered = time.monotonic()
        say(f"{passed:.0f} s: {seen.errors} of {seen.requests} requests to {new} failed")
        if fault := fault_of(seen, seen_old, bounds):
            raise CannotError(fault)
        if passed >= options.watch and seen.requests >= options.min_requests:
            return
        if passed >= options.deadline:
            needed = f"{options.min_requests} are needed to judge it."
            raise CannotError(f"It got {seen.requests} requests in {passed:.0f} s; {needed}")


def release(options: argparse.Namespace) -> None:
    """Send traffic to the new revision step by step, or put it back. Exits with 1 or 3 if it was put back."""
    service, new, old = next_of(options)
    share = options.percent
    if layout_of(options.old_url) != layout_of(options.new_url):
        share = 100
        say("All traffic moves at once: sessions of one layout of the broker are unknown to the other.")
    why = ""
    try:
        service.send({new: share, old: 100 - share})
        say(f"{new} has {share} % of the traffic of {service.name}, {old} the rest.")
        watch(Prometheus(options.prometheus, options.errors, options.revision_label), new, old, options)
        service.send({new: 100}, previous=old)
    except CannotError as error:
        why = str(error)
    except BaseException as error:  # noqa: BLE001 - whatever it was, clients get the old revision first
        why = f"{type(error).__name__}: {error}"
    if why:
        say(f"Aborted: {new}: {why}")
        service.put_back(old)
        sys.exit(ABORTED)
    say(f"{new} has all traffic of {service.name}. To go back to {old}: canary.py back {service.name}")


def promote(options: argparse.Namespace) -> None:
    """Send all traffic to the new revision."""
    service, new, old = next_of(options)
    service.send({new: 100}, previous=old)
    say(f"{new} has all traffic of {service.name}.")


def next_of(options: argparse.Namespace) -> tuple[Service, str, str]:
    """Return the service, its new revision, and the one that serves. Raises: CannotError, if they are the same."""
    service = Service(options.service, options.region)
    new, old = options.revision or service.tagged(CANARY), service.serving()
    if new == old:
        raise CannotError(f"{new} already has most of the traffic: there is no other revision to go back to.")
    return service, new, old


def layout_of(address: str) -> object:
    """Return what `/health` says of the layout in the broker; None without an address. Raises: CannotError."""
    if not address:
        return None
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=QUERY_S) as response:  # noqa: S310 - main()
            return json.load(response).get("layout")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise CannotError(f"{address}/health did not say which layout it has: {error}") from error


def back(options: argparse.Namespace) -> None:
    """Send all traffic of each service to the revision before, or to a named one."""
    services = [Service(name, options.region) for name in options.services]
    if options.revision and len(services) > 1:
        raise CannotError("A revision belongs to one service: name one service with --revision.")
    targets = [options.revision or service.tagged(PREVIOUS) for service in services]
    for service, target in zip(services, targets, strict=True):
        if service.shares() == {target: 100}:
            say(f"{target} already has all traffic of {service.name}.")
        else:
            service.put_back(target)


def serving(options: argparse.Namespace) -> None:
    """Print the revision with the most traffic."""
    say(Service(options.service, options.region).serving())


def stage(options: argparse.Namespace) -> None:
    """Replace the service by a rendered file."""
    Service(options.service, options.region).replace(options.file)


COMMANDS: Final = {"serving": serving, "stage": stage, "promote": promote, "release": release, "back": back}


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    whole = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = whole.add_subparsers(dest="command", required=True)
    for name, text in (
        ("serving", "print the revision with the most traffic"),
        ("stage", "replace the service by a rendered file"),
        ("promote", "send all traffic to the new revision"),
        ("release", "send traffic to the new revision by canary"),
    ):
        commands.add_parser(name, help=text).add_argument("service")
    one = commands.add_parser("back", help="send all traffic to the revision before")
    one.add_argument("services", nargs="+", metavar="service")
    one.add_argument("--revision", default="", help="to this one, instead of the one with the tag `previous`")
    commands.choices["stage"].add_argument("file")
    for name in ("promote", "release"):
        commands.choices[name].add_argument(
            "--revision", default="", help="the new one, instead of the one with the tag `canary`"
        )
    one = commands.choices["release"]
    one.add_argument("--prometheus", required=True, type=address, help="what precedes /api/v1/query")
    one.add_argument("--old-url", default="", type=address, help="where the old revision answers")
    one.add_argument("--new-url", default="", type=address, help="where the new revision answers (its tag)")
    one.add_argument("--errors", default=OUR_FAULT, help="which values of error_type are errors")
    one.add_argument("--revision-label", default="", help="label of the revision; default: by the build info")
    for name, default, text in (
        ("--percent", 5, "the canary's share of the traffic"),
        ("--every", 15.0, "seconds between two looks"),
        ("--watch", 600.0, "seconds to watch at least"),
        ("--deadline", 1800.0, "seconds after which too few requests are an abort"),
        ("--max-blind", 60.0, "seconds without an answer of Prometheus that are an abort"),
        ("--min-requests", 200, "requests to judge by"),
        ("--max-error-ratio", 0.01, "of its requests"),
        ("--max-error-increase", 0.005, "over the ratio of the old revision"),
        ("--max-p95", 1.0, "seconds of a call"),
        ("--max-p95-increase", 0.25, "seconds over the old revision"),
    ):
        one.add_argument(name, type=type(default), default=default, help=f"{text} (default: %(default)s)")
    for command in commands.choices.values():
        command.add_argument("--region", required=True)
    return whole


def address(text: str) -> str:
    """Return an address of HTTP. Raises: ArgumentTypeError."""
    if text and not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError("it must begin with http:// or https://")
    return text


def main(arguments: Sequence[str]) -> None:
    """Run a command."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        COMMANDS[options.command](options)
    except CannotError as error:
        say(str(error))
        sys.exit(UNCHANGED)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt("SIGTERM")


if __name__ == "__main__":
    main(sys.argv[1:])
