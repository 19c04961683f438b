"""Who bought, as Shopify tells it, and who wants to be forgotten."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator

from ledger.customers import Profile
from ledger.incoming import ERASE, EXPORT, SHOP, Consent, Deed, Person, Wish
from ledger.orders import OrderPointer
from service.sources.places import zone_of
from service.sources.source import NotReadable, Told
from service.sources.values import Id, Loose, Wire, country, email, label, moment, one_line


class Address(Wire):
    name: Loose = ""
    first_name: Loose = ""
    last_name: Loose = ""
    company: Loose = ""
    address1: Loose = ""
    address2: Loose = ""
    city: Loose = ""
    zip: Loose = ""
    province_code: Loose = ""
    country: Loose = ""
    country_code: Loose = ""
    phone: Loose = ""

    def label_lines(self) -> tuple[str, ...]:
        parts = (self.company, self.address1, self.address2, f"{self.zip} {self.city}", self.country)
        return tuple(line for line in map(one_line, parts) if line)


def _consent(value: Any) -> Any:
    return value if isinstance(value, dict) else {}


class _MarketingConsent(Wire):
    state: Loose = ""
    consent_updated_at: Loose = ""


class Customer(Wire):
    id: Loose = ""
    email: Loose = ""
    phone: Loose = ""
    first_name: Loose = ""
    last_name: Loose = ""
    orders_count: Loose = ""
    email_marketing_consent: Annotated[_MarketingConsent, BeforeValidator(_consent)] = _MarketingConsent()

    @property
    def is_new(self) -> bool | None:
        """Whether this is their first order; None where it is not told, as in webhooks since 2025-01."""
        return self.orders_count == "1" if self.orders_count else None


class _Checkout(Protocol):
    @property
    def email(self) -> str: ...
    @property
    def phone(self) -> str: ...
    @property
    def customer_locale(self) -> str: ...
    @property
    def updated_at(self) -> str: ...


def buyer(order_id: str, customer: Customer, address: Address, checkout: _Checkout, at: datetime) -> Person:
    """The customer behind the shop's id; a guest is one by the order alone."""
    code, phone = country(address.country_code), checkout.phone or customer.phone or address.phone
    name = f"{customer.first_name} {customer.last_name}".strip() or address.name
    told = {
        "customer_id": customer_id(customer.id) or f"guest-{order_id}",
        "email": email(checkout.email) or email(customer.email),
        "name": one_line(name),
        "phone": one_line(phone, 40),
        "locale": locale(checkout.customer_locale),
        "zone": zone_of(code, address.province_code, phone),
        "country": code,
    }
    known = {field: value for field, value in told.items() if value is not None}
    when = moment(checkout.updated_at) or at
    return Person(
        profile=Profile.model_validate(known), at=when, consent=_said(customer.email_marketing_consent, when)
    )


class _ConsentOf(Wire):
    customer_id: Id
    email_marketing_consent: Annotated[_MarketingConsent, BeforeValidator(_consent)] = _MarketingConsent()


def consent_told(data: dict[str, Any], at: datetime) -> Iterator[Told]:
    """`customers_email_marketing_consent/update`: a customer's yes or no to letters. Since version 2025-01 no
    order's webhook brings it: https://shopify.dev/changelog/new-customer-s-webhook-and-changes-to-existing-customer-s-webhooks-payload
    """
    told = _ConsentOf.model_validate(data)
    of = customer_id(told.customer_id)
    if of is not None and (said := _said(told.email_marketing_consent, at)):
        yield Told(person=Person(profile=Profile(customer_id=of), at=said.at, consent=said))


def customer_id(shop_id: str) -> str | None:
    return f"shopify-{shop_id}" if re.fullmatch(r"[A-Za-z0-9]{1,56}", shop_id) else None


def locale(text: str) -> str | None:
    tag = text.replace("_", "-")
    return tag if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}", tag) else None


def _said(said: _MarketingConsent, at: datetime) -> Consent | None:
    if said.state not in {"subscribed", "unsubscribed"}:
        return None
    when = moment(said.consent_updated_at) or at
    return Consent(granted=said.state == "subscribed", at=when, source="shopify")


def pointer(order_id: str, of: str, placed_at: datetime, address: Address) -> OrderPointer:
    return OrderPointer(
        order_id=order_id,
        customer_id=of,
        placed_at=placed_at,
        recipient=one_line(address.name or f"{address.first_name} {address.last_name}"),
        address=address.label_lines(),
    )


class _Redaction(Wire):
    class _Whom(Wire):
        id: Loose = ""
        email: Loose = ""

    customer: _Whom = _Whom()
    orders_to_redact: tuple[Id, ...] = ()
    orders_requested: tuple[Id, ...] = ()

    def told(self, kind: str, orders: tuple[Id, ...]) -> Told:
        """Deeds about the customer, and about the guests behind these orders; by the address alone where
        Shopify tells no id."""
        known = customer_id(self.customer.id)
        address = None if known else email(self.customer.email)
        named = ([known] if known else []) + [f"guest-{order}" for order in orders]
        if not named and not address:
            raise NotReadable("customer: has neither an id nor an e-mail address, and there are no orders")
        deeds = [Deed(kind=kind, body={"customer_id": each}) for each in named]
        return Told(deeds=deeds, wish=Wish(kind=kind, email=address) if address else None)


def redaction_told(data: dict[str, Any], at: datetime) -> Iterator[Told]:
    """`customers/redact`: the customer, and the orders that they placed as a guest."""
    wanted = _Redaction.model_validate(data)
    yield wanted.told(ERASE, wanted.orders_to_redact)


def data_request_told(data: dict[str, Any], at: datetime) -> Iterator[Told]:
    """`customers/data_request`: the shop owes a customer what is known of them. A person hands it over."""
    wanted = _Redaction.model_validate(data)
    yield wanted.told(EXPORT, wanted.orders_requested)


class _Shop(Wire):
    shop_domain: Loose = ""
    shop_id: Loose = ""


def shop_redaction_told(data: dict[str, Any], at: datetime) -> Iterator[Told]:
    """`shop/redact`: the app was removed two days ago, and everything of the shop is to go. A person decides:
    the shop may only have changed its app."""
    shop = _Shop.model_validate(data)
    yield Told(deeds=[Deed(kind=SHOP, body={"shop": label(shop.shop_domain) or label(shop.shop_id) or "?"})])
