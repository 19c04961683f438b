"""Handing over a line of a facts file: a fact to the order, a request or a fact to a return."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import ValidationError
from temporalio.client import Client

from journey.facts import Model, problems
from journey.playbook import Playbook
from journey.return_contract import CancelRequest, CureRequest, DecisionRequest, ReturnRequest
from journey.return_facts import FACTS
from ledger import Ledger
from runtime.orders import report_fact
from runtime.returns import Refused, UnknownReturn, report_return_fact, request_return, update_return

_ENVELOPE = ("fact_id", "at", "source", "return_id")
_UPDATES: dict[str, tuple[str, type[Model]]] = {
    "return_decided": ("decide_return", DecisionRequest),
    "return_cancelled": ("cancel_return", CancelRequest),
    "refund_cured": ("cure_refund", CureRequest),
}
_TRIES, _PAUSE = 50, 0.1
"""A return that was just granted needs a moment until it can be told something."""


class Told(NamedTuple):
    """What became of a line. `refused` is set for a request that was not granted."""

    text: str
    refused: bool = False


class Stagehand:
    """Hands lines over to one order. `now` is the clock of the server on which it plays."""

    def __init__(
        self, client: Client, ledger: Ledger, order_id: str, playbook: Playbook, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._order_id = order_id
        self._playbook = playbook
        self._now = now

    async def tell(self, kind: str, body: dict[str, Any]) -> Told:
        """Hand a line over, by its kind. What is refused or cannot be read is told, not raised."""
        try:
            return Told(await self._told(kind, body))
        except ValidationError as error:
            return Told(problems(error), refused=True)
        except Refused as refusal:
            return Told(str(refusal), refused=True)

    async def _told(self, kind: str, body: dict[str, Any]) -> str:
        said = {key: value for key, value in body.items() if key not in _ENVELOPE}
        return_id = str(body.get("return_id", "r1"))
        if kind == "return_requested":
            # `kind` is the line's own, so a claim names itself as `claim`.
            about = {"kind": said.pop("claim")} if "claim" in said else {}
            request = ReturnRequest.model_validate({"request_id": body.get("fact_id"), **said, **about})
            decision = await request_return(
                self._client, self._ledger, self._order_id, request, self._playbook, self._now()
            )
            return f"{decision.return_id}: {decision.verdict}"
        if kind in _UPDATES:
            name, model = _UPDATES[kind]
            updated = model.model_validate(said)
            return await self._to_return(
                return_id, lambda: update_return(self._client, self._order_id, return_id, name, updated)
            )
        if kind in FACTS:
            return await self._to_return(
                return_id, lambda: report_return_fact(self._client, self._order_id, return_id, kind, body)
            )
        return str(await report_fact(self._client, self._ledger, self._order_id, kind, body))

    async def _to_return(self, return_id: str, say: Callable[[], Any]) -> str:
        for _ in range(_TRIES):
            try:
                await say()
            except UnknownReturn:
                rows = await self._ledger.returns_of(self._order_id)
                if any(row.return_id == return_id and row.closed_at for row in rows):
                    return "the return is over"
                await asyncio.sleep(_PAUSE)
            else:
                return "recorded"
        raise UnknownReturn(f"order {self._order_id} has no return {return_id}")


def real_clock() -> datetime:
    return datetime.now(UTC)
