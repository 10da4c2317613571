"""From a number of users to instances, memory, databases and yen a month; and what becomes too small first. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from capacity.figures import Figures, Prices, Tier

HOURS: Final = 730
"""Of a month."""
_MS: Final = 1e3
_KB_A_MIB: Final = 1024**2 / 1e3


@dataclass(frozen=True, slots=True)
class Size:
    """What a deployment for some users needs."""

    users: int
    is_sse: bool
    """Whether each connected client holds a stream, as HTTP+SSE has it; over Streamable HTTP none has to."""
    sessions: int
    calls_a_second: float
    instances: int
    """Of the MCP server, with one vCPU each, in the busiest hour."""
    instance_mib: int
    """Memory of one of them then."""
    api_instances: int
    sql: Tier
    connections: int
    """Of PostgreSQL, at most."""
    pools: bool
    """Whether a pooler has to stand in front of PostgreSQL, since no size of it takes so many."""
    valkey: Tier
    valkey_gb: float
    scripts_a_second: float
    yen: int
    """A month."""
    shares: Mapping[str, float]
    """How much of what it has each part uses in the busiest hour; 1 is all that is planned with."""

    @property
    def layout(self) -> tuple[int, int, Tier, Tier]:
        """What has to be changed when it is too small."""
        return self.instances, self.api_instances, self.sql, self.valkey


def size(users: int, known: Figures, costs: Prices, *, is_sse: bool) -> Size:
    """Return the smallest deployment that serves `users` in their busiest hour.

    Raises:
        ValueError: no database or broker on the list is large enough.
    """
    sessions = ceil(users * known.workload["connected"])
    calls = sessions * known.workload["calls_an_hour"] / 3600
    busy, slots = known.limits["busy"], sessions if is_sse else ceil(calls)
    cpu = {name: calls * known.a_call(getattr(known, name)) / _MS for name in ("server", "ticket_api", "postgresql")}
    instances = max(1, ceil(cpu["server"] / busy), ceil(slots / known.limits["slots"]))
    if instances > 1:  # then each call costs its two scripts as well
        cpu["server"] += calls * known.server["valkey"] / _MS
        instances = max(instances, ceil(cpu["server"] / busy))
    api_instances = max(1, ceil(cpu["ticket_api"] / busy))
    kb = known.server["session_sse_kb" if is_sse else "session_streamable_kb"]
    mib = known.server["base_mib"] + sessions / instances * kb / _KB_A_MIB

    connections = int(known.postgresql["pool"]) * (api_instances + instances)
    pools = connections > max(tier.connections for tier in costs.sql)
    powerful = (tier for tier in costs.sql if tier.vcpu * busy >= cpu["postgresql"])
    sql = _first(tier for tier in powerful if pools or tier.connections >= connections)
    scripts, gb = _of_valkey(calls, sessions, instances, known)
    cpu["valkey"] = scripts * known.valkey["script"] / _MS
    valkey = _first(tier for tier in costs.valkey if tier.gb >= gb and tier.vcpu * busy >= cpu["valkey"])
    shares = {
        "CPU of the MCP server": cpu["server"] / (instances * busy),
        "streams on an instance": slots / (instances * known.limits["slots"]),
        "memory of the MCP server": mib / known.limits["instance_mib"],
        "CPU of the ticket API": cpu["ticket_api"] / (api_instances * busy),
        "CPU of PostgreSQL": cpu["postgresql"] / (sql.vcpu * busy),
        "CPU of Valkey": cpu["valkey"] / (valkey.vcpu * busy) if valkey.vcpu else 0.0,
        "memory of Valkey": gb / valkey.gb if valkey.gb else 0.0,
    }
    return Size(
        users=users,
        is_sse=is_sse,
        sessions=sessions,
        calls_a_second=calls,
        instances=instances,
        instance_mib=ceil(mib),
        api_instances=api_instances,
        sql=sql,
        connections=connections,
        pools=pools,
        valkey=valkey,
        valkey_gb=gb,
        scripts_a_second=scripts,
        yen=_yen(instances + api_instances, sql, valkey, known, costs),
        shares=shares,
    )


def _of_valkey(calls: float, sessions: int, instances: int, known: Figures) -> tuple[float, float]:
    """Return scripts a second and gigabytes; neither for one instance, which needs none."""
    if instances == 1:
        return 0.0, 0.0
    responses_kb = calls * known.valkey["kept_s"] * known.valkey["response_kb"]
    scripts = calls * known.valkey["scripts"] + instances * known.valkey["renewals"]
    return scripts, (sessions * known.valkey["session_kb"] + responses_kb) / 1e6


def bottleneck(one: Size, known: Figures, costs: Prices) -> tuple[str, int]:
    """Return what becomes too small first when users are added to this deployment, and how many it still serves."""
    enough, too_many = one, 2 * one.users
    while size(too_many, known, costs, is_sse=one.is_sse).layout == one.layout:
        too_many *= 2
    while too_many - enough.users > 1:
        between = size((enough.users + too_many) // 2, known, costs, is_sse=one.is_sse)
        if between.layout == one.layout:
            enough = between
        else:
            too_many = between.users
    return max(enough.shares, key=enough.shares.__getitem__), enough.users


def _yen(containers: int, sql: Tier, valkey: Tier, known: Figures, costs: Prices) -> int:
    """Return yen a month: one instance of each service always, the others while people work."""
    always = min(containers, 2)
    hours = always * HOURS + (containers - always) * known.workload["hours_a_month"]
    gib = known.limits["instance_mib"] / 1024
    run = hours * 3600 * (costs.run["vcpu_second"] + gib * costs.run["gib_second"])
    return 100 * round((run + sql.month + valkey.month) * costs.yen / 100)


def _first(fitting: Iterable[Tier]) -> Tier:
    for tier in fitting:
        return tier
    raise ValueError("No database or broker on the list is large enough: add a larger one, or split the organisations.")
