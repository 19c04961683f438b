"""Stripe's refunds.

The key is always ours (without one, its library makes a random one for every call), and so is the retry:
Stripe keeps the answer to a key, a 500 too, and may forget it after a day, so the list is asked before.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import stripe
from stripe import HTTPXClient, StripeClient

from activities.attempts import Refused, Unclear
from activities.payments import RefundPage
from activities.stripe_words import listed_refund, seen_refund, to_stripe
from ledger.payments import Payment, Refund, Seen

HOST = "https://api.stripe.com"
TIMEOUT = 10.0
"""Seconds for each step of the exchange."""

LONGEST_RETRY = 3600.0
"""Seconds."""

_THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""Of the three, the last has to be a zero."""


class _Client(HTTPXClient):
    """Stripe's own client, without httpx's warning that encoded text is called `content` now."""

    def _get_request_args_kwargs(self, *args: Any, **kwargs: Any) -> Any:
        place, options = super()._get_request_args_kwargs(*args, **kwargs)
        content = options.pop("data") or None
        return place, {**options, "content": content}


class StripePayments:
    """Gives money back through Stripe."""

    name = "stripe"

    def __init__(self, api_key: str, host: str = HOST, timeout: float = TIMEOUT) -> None:
        logging.getLogger("stripe").setLevel(logging.WARNING)
        # It would send this machine's name along.
        stripe.enable_telemetry = False
        self._connections = _Client(timeout=timeout)
        self._client = StripeClient(
            api_key,
            base_addresses={"api": host},
            http_client=self._connections,
            max_network_retries=0,
        )
        self._patience = 2 * timeout

    async def close(self) -> None:
        """Give the open connections back."""
        await self._connections.close_async()  # type: ignore[no-untyped-call]

    def step(self, currency: str) -> int:
        return 10 if currency in _THREE_DECIMALS else 1

    async def refund(self, payment: Payment, refund: Refund) -> Seen:
        params: Any = {
            **_of(payment),
            "amount": to_stripe(refund.amount, refund.currency),
            "metadata": {"reference": refund.reference},
        }
        made = await self._ask(
            self._client.v1.refunds.create_async(params, {"idempotency_key": refund.reference})
        )
        return _seen(made, refund.currency)

    async def list_refunds(self, payment: Payment) -> list[Seen]:
        seen: list[Seen] = await self._ask(self._all(payment))
        return seen

    async def refunds_since(self, moment: datetime, cursor: str | None = None) -> RefundPage:
        params: Any = {"created": {"gte": int(moment.timestamp())}, "limit": 100}
        if cursor is not None:
            params["starting_after"] = cursor
        page = await self._ask(self._client.v1.refunds.list_async(params))
        try:
            found = [each.to_dict() for each in page.data]
            last = str(found[-1]["id"]) if found and page.has_more else None
            return RefundPage(tuple(listed_refund(each) for each in found), last)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unclear(f"stripe's answer cannot be read: {type(error).__name__}") from None

    async def _all(self, payment: Payment) -> list[Seen]:
        params: Any = {**_of(payment), "limit": 100}
        page = await self._client.v1.refunds.list_async(params)
        return [_seen(each, payment.currency) async for each in page.auto_paging_iter()]

    async def _ask(self, question: Any) -> Any:
        try:
            async with asyncio.timeout(self._patience):
                return await question
        except TimeoutError:
            raise Unclear("stripe did not finish its answer in time") from None
        except stripe.StripeError as error:
            raise _ending(error) from None
        except Exception as error:
            raise Unclear(f"stripe's answer cannot be read: {type(error).__name__}") from None


def _of(payment: Payment) -> dict[str, str]:
    kind = "payment_intent" if payment.provider_id.startswith("pi_") else "charge"
    return {kind: payment.provider_id}


def _seen(refund: Any, currency: str) -> Seen:
    return seen_refund(refund.to_dict(), currency)


def _ending(error: stripe.StripeError) -> Refused | Unclear:
    """Its sentences may quote what they were given, so only its codes go on."""
    status, code = error.http_status, error.code or type(error).__name__
    if status is None:
        return Unclear(f"the exchange with stripe broke: {_cause(error)}")
    if status == 429:
        return Refused("stripe answered 429", retry_after=_retry_after(error.headers))
    if status in (400, 402, 404) and not isinstance(error, stripe.IdempotencyError):
        return Refused(f"stripe answered {status}: {code}", permanent=True)
    if status in (401, 403):
        return Refused(f"stripe answered {status}: {code}")
    return Unclear(f"stripe answered {status}: {code}")


def _cause(error: Exception) -> str:
    return type(error.__cause__ or error).__name__


def _retry_after(headers: Mapping[str, str] | None) -> float | None:
    value = next((v for k, v in (headers or {}).items() if k.lower() == "retry-after"), "")
    return min(float(value), LONGEST_RETRY) if value.isdigit() else None
