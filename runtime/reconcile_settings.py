"""Whom to ask what they may have failed to tell us, how often, and by which keys."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

_SHOP = r"^(https://[^\s/]+|http://(127\.0\.0\.1|localhost)(:\d+)?)(/[^\s?#]*)?$"
"""A key goes over https alone, but to this machine."""


class ReconcileSettings(BaseSettings):
    """A shop is asked when its address is set."""

    reconcile_minutes: int = Field(
        default=15, ge=0, le=1_440, description="From one reconciliation to the next; 0 switches it off."
    )
    shopify_url: str | None = Field(
        default=None, pattern=_SHOP, description="`https://NAME.myshopify.com`. Has the shop asked."
    )
    shopify_access_token: SecretStr | None = Field(
        default=None, description="The Admin API token of an app that was made in the shop's admin."
    )
    shopify_client_id: str | None = Field(
        default=None, description="Of an app of the Dev Dashboard, whose client secret is `shopify_secret`."
    )
    woocommerce_url: str | None = Field(
        default=None, pattern=_SHOP, description="Where WordPress is. Has the shop asked."
    )
    woocommerce_consumer_key: SecretStr | None = Field(default=None, description="`ck_...`; it may read.")
    woocommerce_consumer_secret: SecretStr | None = Field(default=None, description="`cs_...`")
