"""EasyPost's return labels.

A shipment costs nothing until it is bought, and one that is bought cannot be bought again; so a label whose
answer was lost is fetched by the shipment's id.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from easypost.easypost_client import EasyPostClient
from easypost.errors.api.api_error import ApiError
from easypost.errors.general.easypost_error import EasyPostError

from activities.labels import Address, Made, NoLabel, Wanted
from journey.return_policy import Way

HOST = "https://api.easypost.com/v2"
TIMEOUT = 15
"""Seconds."""

_PARCEL = {"length": 12, "width": 9, "height": 4, "weight": 32}
"""Inches and ounces; a shop with bigger goods sets its own."""

_BOUGHT_ALREADY = "SHIPMENT.POSTAGE.EXISTS"


class EasyPostLabels:
    """Buys the cheapest label there is for the way back."""

    name = "easypost"

    def __init__(
        self,
        api_key: str,
        host: str = HOST,
        timeout: int = TIMEOUT,
        parcel: dict[str, float] | None = None,
    ) -> None:
        self._client = EasyPostClient(api_key, api_base=host, timeout=timeout)
        self._parcel = parcel or _PARCEL
        self._timeout = timeout

    async def reserve(self, wanted: Wanted) -> str:
        options: dict[str, Any] = {"label_format": "PDF"}
        shipment = await self._ask(
            self._client.shipment.create,
            # With is_return, EasyPost prints the two addresses the other way round.
            from_address=_address(wanted.receiver),
            to_address=_address(wanted.sender),
            parcel=self._parcel,
            is_return=True,
            reference=wanted.reference,
            options=options,
        )
        return str(shipment.id)

    async def make(self, reservation: str, wanted: Wanted) -> Made:
        shipment = await self._ask(self._client.shipment.retrieve, reservation)
        if not getattr(shipment, "postage_label", None):
            shipment = await self._bought(shipment)
        url = shipment.postage_label.label_url
        code = await self._code(shipment) if wanted.way in (Way.PRINTERLESS, Way.BOXLESS) else None
        return Made(
            provider_id=reservation,
            carrier=shipment.selected_rate.carrier,
            tracking_number=shipment.tracking_code,
            media_type="application/pdf",
            content=await self._fetched(url),
            code=code,
        )

    async def _bought(self, shipment: Any) -> Any:
        rates = sorted(shipment.rates, key=lambda rate: float(rate.rate))
        if not rates:
            raise NoLabel("easypost has no carrier for this way", permanent=True)
        try:
            return await self._ask(self._client.shipment.buy, shipment.id, rate={"id": rates[0].id})
        except NoLabel as error:
            if _BOUGHT_ALREADY not in error.reason:
                raise
            return await self._ask(self._client.shipment.retrieve, shipment.id)

    async def _code(self, shipment: Any) -> bytes | None:
        """The code to be shown instead of a printed label."""
        made = await self._ask(self._client.shipment.generate_form, shipment.id, "label_qr_code")
        forms = [form for form in made.forms if form.form_type == "label_qr_code"]
        return await self._fetched(forms[-1].form_url) if forms else None

    async def _fetched(self, url: str) -> bytes:
        try:
            async with httpx.AsyncClient(timeout=self._timeout) as client:
                answer = await client.get(url)
                answer.raise_for_status()
        except httpx.HTTPError as error:
            raise NoLabel(f"easypost's label was not fetched: {type(error).__name__}") from None
        return answer.content

    async def _ask(self, call: Callable[..., Any], *args: Any, **params: Any) -> Any:
        """Its client is synchronous, and its sentences may quote an address: only codes go on."""
        try:
            return await asyncio.to_thread(call, *args, **params)
        except ApiError as error:
            status = error.http_status or 0
            permanent = 400 <= status < 500 and status != 429
            raise NoLabel(f"easypost answered {status}: {error.code}", permanent=permanent) from None
        except EasyPostError as error:
            raise NoLabel(f"easypost was not reached: {type(error).__name__}") from None


def _address(address: Address) -> dict[str, str]:
    street, *rest = address.lines or ("",)
    return {"name": address.name, "street1": street, "street2": ", ".join(rest), "country": address.country}
