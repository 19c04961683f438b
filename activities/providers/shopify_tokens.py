"""What opens Shopify's API: a token made in the shop's admin, or one that an app fetches for a day."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import httpx

from activities.providers.shop_http import asked
from activities.shops import ShopRefused

RENEW_BEFORE = timedelta(minutes=10)
"""A token of the client credentials grant lives for a day; it is renewed this long before its end."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Token(Protocol):
    """What opens the API."""

    async def get(self, client: httpx.AsyncClient) -> str:
        """Raises `ShopRefused` or `ShopBusy`."""
        ...


class AdminToken:
    """One that was made in the shop's admin, and does not end."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get(self, client: httpx.AsyncClient) -> str:
        return self._token


class AppToken:
    """That of an app of the Dev Dashboard, which fetches it by its id and secret, and lives for a day.

    https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/client-credentials-grant
    """

    def __init__(self, client_id: str, secret: str, now: Callable[[], datetime] = utc_now) -> None:
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        self._token = ""
        self._until: datetime | None = None
        self._now = now

    async def get(self, client: httpx.AsyncClient) -> str:
        if self._until is None or self._now() >= self._until - RENEW_BEFORE:
            await self._renew(client)
        return self._token

    async def _renew(self, client: httpx.AsyncClient) -> None:
        request = client.build_request("POST", "/admin/oauth/access_token", data=self._form)
        answer, _ = await asked("shopify", client, request)
        try:
            self._token = str(answer["access_token"])
            self._until = self._now() + timedelta(seconds=int(answer["expires_in"]))
        except (KeyError, TypeError, ValueError):
            raise ShopRefused("shopify gave no access token for the app") from None
