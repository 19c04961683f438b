"""What the doors need to know: where they listen, and whom they believe."""

import re

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from runtime.door_secrets import checked

_SOURCES = ("standard", "shopify", "woocommerce", "easypost", "aftership", "stripe", "sendgrid")
_NOW = "Switches the source on."
_BEFORE = "The secret before a rotation; it is believed as well until you take it away."


class DoorSettings(BaseSettings):
    """A source is switched on by its secret. Two secrets of a source may be live."""

    service_host: str = "127.0.0.1"
    service_port: int = Field(default=8000, ge=0, le=65535)
    largest_body: int = Field(default=1_000_000, ge=1_000, le=20_000_000, description="Bytes.")
    inbox_days: int = Field(
        default=400,
        ge=7,
        le=36_500,
        description="For so long what an event told is kept in the inbox, after it had its effect. That it "
        "came is kept for ever, so that a repetition has none.",
    )

    public_url: str | None = Field(
        default=None, pattern=r"^https?://[^\s/]+$", description="Where customers reach the doors."
    )
    link_key: SecretStr | None = Field(
        default=None,
        description="Signs customers' links. With it and `public_url`, care and marketing letters carry "
        "List-Unsubscribe.",
    )
    link_key_previous: SecretStr | None = Field(default=None, description="Still believed, no longer used.")

    standard_secret: SecretStr | None = Field(default=None, description=f"`whsec_...`. {_NOW}")
    standard_secret_previous: SecretStr | None = Field(default=None, description=_BEFORE)
    shopify_secret: SecretStr | None = Field(default=None, description=f"The app's secret. {_NOW}")
    shopify_secret_previous: SecretStr | None = Field(default=None, description=_BEFORE)
    shopify_test_orders: bool = Field(
        default=False, description="Whether orders that Shopify marks as tests are taken for real ones."
    )
    woocommerce_secret: SecretStr | None = Field(default=None, description=f"The webhook's secret. {_NOW}")
    woocommerce_secret_previous: SecretStr | None = Field(default=None, description=_BEFORE)
    woocommerce_consent_meta: str | None = Field(
        default=None, description="The key of an order's or account's meta data that holds the consent."
    )
    woocommerce_first_order_meta: str | None = Field(
        default=None, description="The key of an order's meta data that says whether it is the first."
    )
    woocommerce_locale_meta: str | None = Field(
        default="wpml_language", description="The key of an order's meta data that holds the language."
    )
    woocommerce_locale: str | None = Field(
        default=None, pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", description="Of a shop that has one."
    )
    easypost_secret: SecretStr | None = Field(default=None, description=f"The webhook's secret. {_NOW}")
    easypost_secret_previous: SecretStr | None = Field(default=None, description=_BEFORE)
    aftership_secret: SecretStr | None = Field(default=None, description=f"The webhook's secret. {_NOW}")
    aftership_secret_previous: SecretStr | None = Field(default=None, description=_BEFORE)
    stripe_secret: SecretStr | None = Field(default=None, description=f"`whsec_...`. {_NOW}")
    stripe_secret_previous: SecretStr | None = Field(default=None, description=_BEFORE)
    sendgrid_secret: SecretStr | None = Field(
        default=None, description=f"The Event Webhook's public key, in base64. {_NOW}"
    )
    sendgrid_secret_previous: SecretStr | None = Field(default=None, description=_BEFORE)

    @field_validator(
        *(f"{source}_secret{when}" for source in _SOURCES for when in ("", "_previous")), mode="after"
    )
    @classmethod
    def _can_be_right(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        source = str(info.field_name).partition("_")[0]
        return SecretStr(checked(source, value.get_secret_value())) if value is not None else None

    def secrets(self) -> dict[str, list[str]]:
        """The live secrets of each source that is switched on."""
        found: dict[str, list[str]] = {}
        for name in type(self).model_fields:
            # Other secrets have longer names, such as that of the key by which a shop is asked.
            named = re.fullmatch(r"([a-z]+)_secret(?:_previous)?", name)
            value = getattr(self, name)
            if named and isinstance(value, SecretStr) and value.get_secret_value():
                found.setdefault(named[1], []).append(value.get_secret_value())
        return found
