"""Everything that differs between two installations, read from the environment in one place.

Temporal's own variables (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS*`,
`TEMPORAL_CONFIG_FILE`, `TEMPORAL_PROFILE`) are read by Temporal's own configuration, not here.
"""

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict, SettingsError

from activities.letters.shop import Shop
from ledger.database import Place
from runtime.door_settings import DoorSettings
from runtime.inputs import InputError
from runtime.reconcile_settings import ReconcileSettings
from runtime.variables import PREFIX, check_names


class MailerName(StrEnum):
    """Who carries the letters."""

    OUTBOX = "outbox"
    SENDGRID = "sendgrid"
    SMTP = "smtp"


class LabelsName(StrEnum):
    """Who makes the labels of returns."""

    DEMO = "demo"
    EASYPOST = "easypost"


class Settings(DoorSettings, ReconcileSettings):
    """Read from `THEREAFTER_*`; `pydantic.ValidationError` names each variable that is wrong."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        extra="ignore",
    )

    home: Path = Field(default=Path(".thereafter"), description="Where the embedded server and ledger live.")
    ledger_url: str | None = Field(
        default=None, description="`postgresql://...` or `sqlite:///FILE`; by default SQLite under `home`."
    )
    address_key: SecretStr | None = Field(
        default=None,
        description="Hashes the addresses that are not to be written to, so that they need not be kept. "
        "The same for all workers and services; by default a secret that lies in the ledger itself.",
    )
    address_key_previous: SecretStr | None = Field(
        default=None, description="What was hashed by it is still known; it hashes nothing any more."
    )
    playbook: Path = Path("playbooks/default.yaml")
    templates: Path | None = Field(default=None, description="A shop's own templates, which go first.")
    mailer: MailerName = MailerName.OUTBOX
    mail_from: str = "Thereafter Shop <orders@shop.example>"
    shop: Shop = Field(
        default=Shop(name="Thereafter Shop", url="https://shop.example"),
        description="How letters show the shop: `THEREAFTER_SHOP__NAME`, `THEREAFTER_SHOP__LOGO_URL`, ...",
    )
    mail_from_care: str | None = Field(
        default=None, description="The sender of care and marketing; by default that of the other letters."
    )
    mail_rate: float | None = Field(
        default=None, gt=0, description="Letters a second, of all workers together; by default any number."
    )
    sendgrid_api_key: SecretStr | None = None
    sendgrid_region: Literal["global", "eu"] = Field(
        default="global", description="Where SendGrid takes and keeps the mail."
    )
    sendgrid_host: str | None = Field(default=None, description="Another address than the region's.")
    sendgrid_sandbox: bool = Field(default=False, description="SendGrid checks every mail, delivers none.")
    smtp_host: str | None = None
    smtp_port: int = Field(default=587, ge=1, le=65_535)
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    stripe_api_key: SecretStr | None = Field(default=None, description="A key that may refund, and no more.")
    stripe_host: str = "https://api.stripe.com"
    labels: LabelsName = LabelsName.DEMO
    easypost_api_key: SecretStr | None = None
    easypost_host: str = "https://api.easypost.com/v2"
    warehouse_address: tuple[str, ...] = Field(
        default=("Returns, Warehouse 1", "12345 Shoptown"), description="Where returns go, line by line."
    )
    warehouse_country: str = Field(default="DE", pattern=r"^[A-Z]{2}$")
    metrics_address: str | None = Field(default=None, description="host:port on which Prometheus may ask.")

    @model_validator(mode="after")
    def _mailer_has_its_key(self) -> "Settings":
        if self.mailer is MailerName.SENDGRID and self.sendgrid_api_key is None:
            raise ValueError("THEREAFTER_SENDGRID_API_KEY: should be set when THEREAFTER_MAILER is sendgrid")
        if self.mailer is MailerName.SMTP and self.smtp_host is None:
            raise ValueError("THEREAFTER_SMTP_HOST: should be set when THEREAFTER_MAILER is smtp")
        return self

    @model_validator(mode="after")
    def _labels_have_their_key(self) -> "Settings":
        if self.labels is LabelsName.EASYPOST and self.easypost_api_key is None:
            raise ValueError("THEREAFTER_EASYPOST_API_KEY: should be set when THEREAFTER_LABELS is easypost")
        return self

    def ledger(self) -> Place:
        """Where the ledger is, and by which secrets it hashes addresses."""
        url = self.ledger_url or f"sqlite+aiosqlite:///{(self.home / 'ledger.db').resolve()}"
        secrets = [key.get_secret_value() for key in (self.address_key, self.address_key_previous) if key]
        return Place(url, tuple(filter(None, secrets)))

    @model_validator(mode="after")
    def _shops_can_be_asked(self) -> "Settings":
        app = self.shopify_client_id and self.shopify_secret
        if self.shopify_url and not (self.shopify_access_token or app):
            raise ValueError(
                "THEREAFTER_SHOPIFY_ACCESS_TOKEN: should be set when THEREAFTER_SHOPIFY_URL is, or "
                "THEREAFTER_SHOPIFY_CLIENT_ID together with THEREAFTER_SHOPIFY_SECRET"
            )
        if self.woocommerce_url and not (self.woocommerce_consumer_key and self.woocommerce_consumer_secret):
            raise ValueError(
                "THEREAFTER_WOOCOMMERCE_CONSUMER_KEY: should be set when THEREAFTER_WOOCOMMERCE_URL is, "
                "together with THEREAFTER_WOOCOMMERCE_CONSUMER_SECRET"
            )
        return self


def read_settings() -> Settings:
    """Read the environment. Raises `InputError` that names each variable and what would be right."""
    check_names(os.environ, Settings)
    try:
        return Settings()
    except ValidationError as error:
        raise InputError("\n".join(_wrong(dict(item)) for item in error.errors())) from None
    except SettingsError as error:
        # What is a list or a model is written as JSON; pydantic says which field, and not how.
        named = re.search(r'field "(\w+)"', str(error))
        variable = f"{PREFIX}{named[1].upper()}" if named else "the environment"
        raise InputError(f'{variable}: should be JSON such as ["Warehouse 1", "12345 Shoptown"]') from None


_RIGHT = {
    "public_url": "should be an address such as https://post.shop.example, without a path",
    "shopify_url": "should be https://NAME.myshopify.com",
    "woocommerce_url": "should be an https:// address such as https://shop.example",
    "warehouse_country": "should be an ISO 3166-1 code such as DE",
}


def _wrong(item: dict[str, Any]) -> str:
    said = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if item["type"] == "string_pattern_mismatch":
        said = _RIGHT.get(str(item["loc"][-1]), said)
    return f"{PREFIX}{'__'.join(map(str, item['loc'])).upper()}: {said}" if item["loc"] else said
