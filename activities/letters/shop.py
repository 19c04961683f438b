"""Who writes: the shop as its letters show it, and the pages to which their links lead."""

from enum import StrEnum
from typing import Annotated, Protocol
from urllib.parse import quote, urlencode, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field

from activities.letters.colours import HexColour
from journey.messages import SendRequest

_LOOPBACK = {"localhost", "127.0.0.1"}


def _absolute(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or not (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    ):
        raise ValueError("should be an absolute https:// address")
    return url.rstrip("/")


WebAddress = Annotated[str, Field(max_length=2000), AfterValidator(_absolute)]
"""An absolute https address; http only on this machine."""


class Offer(BaseModel):
    """What the next-purchase letters offer. The shop's own system honours the code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(min_length=3, max_length=40, pattern=r"^[A-Za-z0-9-]+$")
    percent: int = Field(ge=1, le=100)


class Shop(BaseModel):
    """The shop as its letters show it; comes from settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    url: WebAddress
    logo_url: WebAddress | None = Field(default=None, description="Without one, the name stands there.")
    logo_width: int = Field(default=140, ge=24, le=320, description="In CSS pixels.")
    accent: HexColour = Field(default="#1f5f4a", description="Buttons and links; #rrggbb.")
    postal_address: str = Field(default="", max_length=300, description="One line; the law asks for it.")
    support_email: EmailStr | None = None
    support_phone: str | None = Field(default=None, max_length=40)
    review_url: WebAddress | None = Field(
        default=None, description="Where everybody may rate the shop in public, happy or not."
    )
    offer: Offer | None = None


class Page(StrEnum):
    """The customer's pages that letters link to."""

    SHOP = "shop"
    ORDER = "order"
    HELP = "help"
    SURVEY = "survey"
    FEEDBACK = "feedback"
    REVIEW = "review"
    ARRIVED = "arrived"
    REORDER = "reorder"
    GOES_WITH = "goes_with"
    OFFER = "offer"


class Pages(Protocol):
    """Says where a page is for the order (and line) of a request. Answers an absolute https address that
    changes nothing by being opened. `answer` is what the link says for the customer: `stars`, `arrived`."""

    def __call__(self, page: Page, request: SendRequest, **answer: str | int) -> str: ...


class ShopPages:
    """Pages on the shop's own site: `/orders/ID`, `/orders/ID/survey?stars=4`, ..."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def __call__(self, page: Page, request: SendRequest, **answer: str | int) -> str:
        if page is Page.SHOP:
            return self.shop.url
        if page is Page.REVIEW and self.shop.review_url:
            return self.shop.review_url
        if page is Page.HELP:
            answer = {"order": request.order_id, **answer}
            return self._url("/help", answer)
        if page is Page.REORDER and request.line is not None:
            answer = {"sku": request.line.sku, **answer}
        suffix = "" if page is Page.ORDER else f"/{page.replace('_', '-')}"
        return self._url(f"/orders/{quote(request.order_id, safe='')}{suffix}", answer)

    def _url(self, path: str, answer: dict[str, str | int]) -> str:
        return f"{self.shop.url}{path}" + (f"?{urlencode(answer)}" if answer else "")
