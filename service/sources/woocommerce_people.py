"""Who bought, as WooCommerce tells it, and what a shop's extensions write beside it.

WooCommerce itself has no word for a consent to marketing, for a language or for a first order. Extensions, or
a few lines of the shop's own, write them to the meta data of orders and accounts; the settings name the keys.
"""

from datetime import datetime
from typing import Annotated, Any, NamedTuple, Protocol

from pydantic import BeforeValidator

from ledger.customers import Profile
from ledger.incoming import Consent, Person
from service.sources.places import zone_of
from service.sources.shopify_people import locale
from service.sources.values import Id, Loose, Wire, country, email, moment, one_line

_YES = {"yes", "1", "true", "on", "subscribed"}
_WITHDRAWN = {"unsubscribed", "withdrawn"}
_NO = {"no", "0", "false", "off", *_WITHDRAWN}


class Conventions(NamedTuple):
    """Under which keys this shop keeps what WooCommerce has no place for; none are looked at by default but
    WPML's for the language."""

    consent_meta: str | None = None
    first_order_meta: str | None = None
    locale_meta: str | None = "wpml_language"
    locale: str | None = None
    """The language of a shop that has one."""


class Settings(Protocol):
    """The settings that name them."""

    woocommerce_consent_meta: str | None
    woocommerce_first_order_meta: str | None
    woocommerce_locale_meta: str | None
    woocommerce_locale: str | None


def conventions_of(settings: Settings) -> Conventions:
    return Conventions(
        settings.woocommerce_consent_meta,
        settings.woocommerce_first_order_meta,
        settings.woocommerce_locale_meta,
        settings.woocommerce_locale,
    )


class Meta(Wire):
    key: Loose = ""
    value: Any = None


def only_list(value: Any) -> Any:
    return value if isinstance(value, list) else []


Metas = Annotated[tuple[Meta, ...], BeforeValidator(only_list)]


def said(metas: tuple[Meta, ...], key: str | None) -> str:
    """What is written under a key; nothing where there is none."""
    found = next((meta.value for meta in metas if key and meta.key == key), None)
    return str(found).strip()[:200] if isinstance(found, str | bool | int | float) else ""


def is_yes(word: str) -> bool:
    return word.lower() in _YES


class Address(Wire):
    first_name: Loose = ""
    last_name: Loose = ""
    company: Loose = ""
    address_1: Loose = ""
    address_2: Loose = ""
    city: Loose = ""
    state: Loose = ""
    postcode: Loose = ""
    country: Loose = ""
    email: Loose = ""
    phone: Loose = ""

    @property
    def name(self) -> str | None:
        return one_line(f"{self.first_name} {self.last_name}")

    def label_lines(self) -> tuple[str, ...]:
        parts = (self.company, self.address_1, self.address_2, f"{self.postcode} {self.city}", self.country)
        return tuple(line for line in map(one_line, parts) if line)


class Order(Protocol):
    """What of an order tells of its buyer."""

    @property
    def buyer_id(self) -> str: ...
    @property
    def billing(self) -> Address: ...
    @property
    def to(self) -> Address: ...
    @property
    def meta_data(self) -> tuple[Meta, ...]: ...


def zone(order: Order) -> str:
    return zone_of(country(order.to.country), order.to.state, order.billing.phone)


def buyer(order: Order, keys: Conventions, bought_at: datetime, changed_at: datetime) -> Person:
    """The buyer. A box that was ticked at the checkout is a consent as of then, however often the order
    changes later; one that was not ticked takes nothing back."""
    word = said(order.meta_data, keys.consent_meta).lower()
    consent = None
    if word in _YES | _WITHDRAWN:
        consent = Consent(granted=word in _YES, at=bought_at, source="woocommerce")
    language = locale(said(order.meta_data, keys.locale_meta)) or keys.locale
    profile = _profile(
        customer_id=order.buyer_id,
        email=email(order.billing.email),
        name=order.billing.name,
        phone=one_line(order.billing.phone, 40),
        zone=zone(order),
        country=country(order.to.country),
        locale=language,
    )
    return Person(profile=profile, at=changed_at, consent=consent)


def _profile(**told: str | None) -> Profile:
    return Profile.model_validate({name: value for name, value in told.items() if value is not None})


class _Account(Wire):
    id: Id
    email: Loose = ""
    first_name: Loose = ""
    last_name: Loose = ""
    is_paying_customer: bool = False
    date_created_gmt: Loose = ""
    date_modified_gmt: Loose = ""
    billing: Address = Address()
    meta_data: Metas = ()

    @property
    def name(self) -> str | None:
        return one_line(f"{self.first_name} {self.last_name}") or self.billing.name


def account_told(data: dict[str, Any], keys: Conventions, at: datetime) -> Person | None:
    """`customer.created` and `customer.updated`. Of who has bought nothing, nothing is kept.

    An account is saved for many reasons, so that its yes counts from when it was made, and never outweighs
    an opt-out that came later; its no counts from when it was saved.
    """
    account = _Account.model_validate(data)
    if not account.is_paying_customer:
        return None
    changed_at = moment(account.date_modified_gmt) or at
    word, consent = said(account.meta_data, keys.consent_meta).lower(), None
    if word in _YES | _NO:
        since = (moment(account.date_created_gmt) or changed_at) if word in _YES else changed_at
        consent = Consent(granted=word in _YES, at=since, source="woocommerce")
    profile = _profile(
        customer_id=f"woo-{account.id}"[:64],
        email=email(account.email) or email(account.billing.email),
        name=account.name,
        phone=one_line(account.billing.phone, 40),
    )
    return Person(profile=profile, at=changed_at, consent=consent)
