"""What a month of one Cloud Run service costs in dollars, with each kind of billing. Pure.

Source: cloud.google.com/run/pricing, as `prices.toml` names it.
"""

from typing import Final

from capacity.figures import Prices
from capacity.sizing import HOURS

MONTH_S: Final = HOURS * 3600


def instance_based(instance_seconds: float, gib: float, costs: Prices, *, free: bool = False) -> float:
    """Return the cost of instances with one vCPU and `gib` of memory that exist for `instance_seconds` in all.

    Args:
        instance_seconds: from start to end of each instance, idle or not.
        gib: memory of one.
        costs: the prices.
        free: whether the billing account's free tier is all for this service.
    """
    vcpu, memory = instance_seconds, instance_seconds * gib
    if free:
        vcpu = max(0.0, vcpu - costs.run["free_vcpu_seconds"])
        memory = max(0.0, memory - costs.run["free_gib_seconds"])
    return vcpu * costs.run["vcpu_second"] + memory * costs.run["gib_second"]


def request_based(
    active_seconds: float,
    gib: float,
    costs: Prices,
    *,
    idle_seconds: float = 0.0,
    requests: float = 0.0,
    free: bool = False,
) -> float:
    """Return the cost of instances that are billed in full for `active_seconds` in all, and as idle for `idle_seconds`.

    Args:
        active_seconds: in which at least one request ran on an instance. An open stream is a request.
        gib: memory of one instance.
        costs: the prices.
        idle_seconds: in which an instance was kept by `minScale` alone. Other idle instances cost nothing.
        requests: how many came.
        free: whether the billing account's free tier is all for this service; it is never for idle instances.
    """
    price = costs.run_requests
    vcpu, memory = active_seconds, active_seconds * gib
    millions = max(0.0, requests / 1e6 - price["free_million_requests"])
    if free:
        vcpu = max(0.0, vcpu - price["free_vcpu_seconds"])
        memory = max(0.0, memory - price["free_gib_seconds"])
    idle = idle_seconds * (price["idle_vcpu_second"] + gib * price["idle_gib_second"])
    used = vcpu * price["vcpu_second"] + memory * price["gib_second"]
    return used + idle + millions * price["million_requests"]


def break_even(gib: float, costs: Prices) -> float:
    """Return the part of the month in which an instance is active when both kinds of billing cost the same.

    For one instance that is always there. Active for longer, instance-based billing is cheaper.
    """
    price = costs.run_requests
    idle = price["idle_vcpu_second"] + gib * price["idle_gib_second"]
    active = price["vcpu_second"] + gib * price["gib_second"]
    always = costs.run["vcpu_second"] + gib * costs.run["gib_second"]
    return (always - idle) / (active - idle)
