"""How records, requests, events and messages travel between an instance and Valkey. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mcp_types import RequestId

from shared.identity import PrincipalKey
from transport.rate_limit import Cost, Wait
from transport.sessions.broker import InstanceMessage
from transport.sessions.claims import RequestClaim
from transport.sessions.event_log import Event, Kind
from transport.sessions.session import SessionRecord, SessionView


def encode_request(request: RequestId) -> str:
    """Return a request id as JSON on one line: 7 and "7" stay apart."""
    return json.dumps(request)


def decode_request(text: bytes) -> RequestId | None:
    """Return the request id that `encode_request` made; None where an event answers nothing."""
    request: RequestId | None = json.loads(text)
    return request


def decode_requests(texts: Sequence[bytes]) -> list[RequestId]:
    """Return the request ids that `encode_request` made."""
    return [json.loads(text) for text in texts]


def encode_slot(claim: RequestClaim, *, own_stream: bool) -> str:
    """Return what a request occupies while it runs; see `slot_of` in lua/common.lua."""
    request = encode_request(claim.request)
    return f"{claim.digest.hex()} {request}" if own_stream else request


def encode_owner(owner: PrincipalKey) -> str:
    """Return an owner as one text that no other owner has."""
    return json.dumps(owner)


def record_fields(record: SessionRecord) -> tuple[str, str, int]:
    """Return version, parameters and `initialized` of a record as the scripts take them."""
    params = "" if record.client_params is None else json.dumps(record.client_params)
    return record.version or "", params, int(record.initialized)


def update_record(record: SessionRecord, fields: Sequence[bytes]) -> None:
    """Bring `record` up to date with the fields that a script returned."""
    _, _, version, params, initialized, epoch, stamp = fields
    record.version = version.decode() or None
    record.client_params = json.loads(params) if params else None
    record.initialized = initialized == b"1"
    record.epoch = int(epoch)
    record.stamp = int(stamp)


def decode_record(session: str, fields: Sequence[bytes]) -> SessionRecord:
    """Return the record that these fields are."""
    tenant, principal = json.loads(fields[0])
    record = SessionRecord(id=session, owner=(tenant, principal), wire=fields[1].decode())
    update_record(record, fields)
    return record


def decode_view(fields: Sequence[Any]) -> SessionView:
    """Return the session that a row of the view is."""
    owner, wire, version, params, opened_ms, called_ms = fields
    tenant, principal = json.loads(owner)
    return SessionView(
        owner=(tenant, principal),
        wire=wire.decode(),
        version=version.decode() or None,
        client_params=json.loads(params) if params else None,
        opened_at=float(opened_ms) / 1000,
        called_at=None if called_ms is None else float(called_ms) / 1000,
    )


def cost_arguments(costs: Sequence[Cost]) -> list[str | int]:
    """Return costs as the scripts take them: their number, then the bucket, interval in ms and burst of each."""
    arguments: list[str | int] = [len(costs)]
    for one in costs:
        arguments += (one.bucket, f"{one.rate.interval_s * 1000:.6f}", one.rate.burst)
    return arguments


def decode_wait(costs: Sequence[Cost], reply: Sequence[int]) -> Wait | None:
    """Return which of `costs` could not be paid, from the place and the milliseconds that a script returned."""
    place, wait_ms = reply
    return Wait(costs[place - 1], wait_ms / 1000) if place else None


def decode_events(rows: Sequence[Sequence[Any]]) -> list[Event]:
    """Return the events that a script returned; an answer that was given up has no message."""
    return [_event(number, kind, writes, request, message) for number, kind, writes, request, message in rows]


def decode_published(head: Sequence[bytes], message: bytes) -> tuple[Event, int]:
    """Return an event as it is published, and the number of the event before it in its stream.

    Args:
        head: number, kind, writes, the number before, request.
        message: what the event carries.
    """
    number, kind, writes, before, request = head
    return _event(int(number), kind, writes, request, message), int(before)


def _event(number: int, kind: bytes | int, writes: bytes, request: bytes, message: bytes | None) -> Event:
    return Event(number, Kind(int(kind)), 0.0, message, decode_request(request), writes == b"1")


def encode_message(message: InstanceMessage, sender: str) -> bytes:
    """Return a message as the instance `sender` publishes it."""
    return f"message {sender} {json.dumps(asdict(message))}".encode()


def decode_message(text: bytes) -> tuple[InstanceMessage, str]:
    """Return the message that `encode_message` made, and its sender."""
    sender, _, body = text.partition(b" ")
    fields = json.loads(body)
    return InstanceMessage(**fields | {"owner": tuple(fields["owner"])}), sender.decode()
