"""Every place of every payload with every hostile value: through the translators, into the ledger, and over
HTTP for whatever is well-formed enough to have an effect."""

import asyncio
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import TypeAdapter, ValidationError
from temporalio.service import RPCError, RPCStatusCode

from journey.facts import KnownFact
from journey.return_case import ReturnCase
from journey.return_contract import CancelRequest, DecisionRequest, ReturnDecision, ReturnRequest
from journey.return_contract import Verdict as Answer
from ledger import Ledger
from ledger.incoming import Incoming
from ledger.returns import ReturnRow
from runtime.convert import DATA_CONVERTER
from service.neworder import CustomerDetails, NewOrder
from service.return_views import NewCure, NewRefund, NewReturn, ReturnNews
from service.sources.all import SOURCES
from service.sources.source import NotReadable, Post, parsed, read
from tests.doors import World
from tests.hostile_posts import Judged, keyed
from tests.hostile_values import freshened, variants
from tests.sending import NOON
from tests.whole_payloads import ORDER, by_source, own

_BODIES: dict[str, TypeAdapter[Any]] = {
    r"POST /v1/orders": TypeAdapter(NewOrder),
    r"POST /v1/orders/[^/]+/facts": TypeAdapter(KnownFact),
    r"POST /v1/orders/[^/]+/returns": TypeAdapter(NewReturn),
    r"POST /v1/orders/[^/]+/refunds": TypeAdapter(NewRefund),
    r"POST /v1/returns/[^/]+/facts": TypeAdapter(ReturnNews),
    r"POST /v1/returns/[^/]+/decision": TypeAdapter(DecisionRequest),
    r"POST /v1/returns/[^/]+/cancellation": TypeAdapter(CancelRequest),
    r"POST /v1/returns/[^/]+/cure": TypeAdapter(NewCure),
    r"PUT /v1/customers/[^/]+": TypeAdapter(CustomerDetails),
}
"""What each operation reads its body as."""

REFUSED_EACH = 1
"""Bodies of each operation that are refused and posted all the same; all others are only read."""

TOGETHER = 50
"""Events in one commit."""


@dataclass
class Read:
    """What came of reading bodies: how many, which raised what no sender should see, and what was told."""

    bodies: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)
    told: dict[str, tuple[str, Incoming]] = field(default_factory=dict)


def read_variants(source: str) -> Read:
    """Every variant of everything that a source sends, translated as at its door."""
    found = Read()
    for topic, genuine in by_source()[source].items():
        for variant in variants(genuine):
            found.bodies += 1
            what = f"{source}, {topic}, {variant.what}"
            try:
                for each in read(SOURCES[source], Post(_HEADERS, variant.body, NOON)):
                    found.refused += bool(each.problem)
                    found.told.setdefault(_content(each), (what, each))
            except NotReadable:
                found.refused += 1
            except Exception as error:
                found.broken.append(f"{what}: {type(error).__name__}")
    return found


_HEADERS = {
    "webhook-id": "m1",
    "x-shopify-event-id": "e1",
    "x-wc-webhook-delivery-id": "d1",
    "x-twilio-email-event-webhook-timestamp": "1772550000",
}


def _content(each: Incoming) -> str:
    told = each.model_dump_json(exclude={"event_id", "body_hash", "raw", "problem"})
    return hashlib.sha256(told.encode()).hexdigest()


async def kept(ledger: Ledger, found: Read) -> list[str]:
    """Put whatever was told into the ledger, each under an id of its own; which could not be kept."""
    rows = [
        (what, each.model_copy(update={"event_id": name, "body_hash": name}))
        for name, (what, each) in found.told.items()
    ]
    broken = []
    for begin in range(0, len(rows), TOGETHER):
        broken += await _committed(ledger, rows[begin : begin + TOGETHER])
    return broken


async def _committed(ledger: Ledger, rows: Sequence[tuple[str, Incoming]]) -> list[str]:
    try:
        await ledger.accept([await ledger.named(each) for _, each in rows], NOON)
    except Exception as error:
        if len(rows) == 1:
            return [f"{rows[0][0]}: {type(error).__name__}"]
        return [each for row in rows for each in await _committed(ledger, [row])]
    return []


class Deaf:
    """Temporal, which takes whatever can be written down for it, and never answers."""

    def get_workflow_handle_for(self, *_: Any, **__: Any) -> "Deaf":
        return self

    get_workflow_handle = get_workflow_handle_for

    async def start_workflow(self, _: Any, told: Any, **__: Any) -> None:
        DATA_CONVERTER.payload_converter.to_payloads([told])

    signal = start_workflow

    async def execute_update(self, _: Any, told: Any = None, **__: Any) -> Any:
        DATA_CONVERTER.payload_converter.to_payloads([told])
        raise RPCError("nobody answers", RPCStatusCode.UNAVAILABLE, b"")

    query = describe = execute_update


async def with_a_return(world: World) -> str:
    """An order that was paid, and a return of it; the order's id."""
    body = freshened(json.dumps(ORDER).encode(), 0)
    (await world.http.post("/v1/orders", content=body, headers=keyed(world))).raise_for_status()
    request, decision = (
        ReturnRequest(request_id="q1"),
        ReturnDecision(return_id="r1", verdict=Answer.APPROVED),
    )
    case = ReturnCase(request=request, decision=decision, opened_at=datetime.now(UTC))
    row = ReturnRow(
        order_id="fresh-0",
        return_id="r1",
        kind=str(decision.kind),
        stage=str(case.stage),
        request_id=request.request_id,
        case=case.model_dump(mode="json", exclude_defaults=True),
        opened_at=case.opened_at,
    )
    await world.ledger.note_return(row)
    return "fresh-0"


async def post_variants(world: World) -> Judged:
    """Every variant of every body of our own API: read as its operation would, and posted if it is
    well-formed and says something new, or is one of the first of its operation that are refused."""
    told, order_id, turn = Judged(seed=0), await with_a_return(world), asyncio.Semaphore(8)

    async def post(what: str, method: str, path: str, body: bytes) -> None:
        async with turn:
            answer = await _posted(world, method, path, body)
            told.judge(what, answer)

    posts = list(_worth_posting(list(own(order_id, f"{order_id}:r1")), told))
    await asyncio.gather(*(post(*each) for each in posts))
    return told


async def _posted(world: World, method: str, path: str, body: bytes) -> httpx.Response:
    return await world.http.request(method, path, content=body, headers=keyed(world))


def _worth_posting(
    operations: list[tuple[str, str, Any]], told: Judged
) -> Iterator[tuple[str, str, str, bytes]]:
    number = itertools.count(1)
    for method, path, genuine in operations:
        refused, said = 0, set[str]()
        for variant in variants(genuine):
            told.bodies += 1
            what = f"{method} {path}, {variant.what}"
            try:
                content = _as_read(f"{method} {path}", variant.body)
            except (NotReadable, ValidationError):
                refused += 1
                if refused > REFUSED_EACH:
                    continue
                content = what
            except Exception as error:
                told.broken.append(f"{what}: {type(error).__name__}")
                continue
            if content not in said:
                said.add(content)
                yield what, method, path, freshened(variant.body, next(number))


def _as_read(operation: str, body: bytes) -> str:
    reader = next(each for pattern, each in _BODIES.items() if re.fullmatch(pattern, operation))
    return str(reader.dump_json(reader.validate_python(parsed(body))))
