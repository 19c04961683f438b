"""The doors for tests: a real service on loopback, and senders that sign as the platforms do."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from journey.playbook import Playbook
from ledger import Ledger
from ledger.keys import Scope
from runtime.dispatch import Reach
from runtime.playbooks import load_playbook
from runtime.settings import Settings
from service.serving import doors_within

STANDARD = "whsec_" + base64.b64encode(b"a key of thirty-two random bytes").decode()
STANDARD_BEFORE = "whsec_" + base64.b64encode(b"the key from before the rotation").decode()
SECRET = "a platform's secret"
STRIPE = "whsec_of_the_tests"
MAIL_KEY = ec.generate_private_key(ec.SECP256R1())
MAIL_PUBLIC = base64.b64encode(
    MAIL_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
LARGEST = 200_000
DEFAULT = load_playbook(Path("playbooks/default.yaml"))

PUBLIC = "https://shop.example"
SECRETS = {
    "link_key": SECRET,
    "link_key_previous": "the key from before",
    "standard_secret": STANDARD,
    "standard_secret_previous": STANDARD_BEFORE,
    "shopify_secret": SECRET,
    "woocommerce_secret": SECRET,
    "easypost_secret": SECRET,
    "aftership_secret": SECRET,
    "stripe_secret": STRIPE,
    "sendgrid_secret": MAIL_PUBLIC,
}


def nobody() -> None:
    """Temporal is away."""


@dataclass
class World:
    """The doors, who knocks, and the ledger behind them."""

    http: httpx.AsyncClient
    ledger: Ledger
    token: str

    @property
    def key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def post(self, source: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        """Post what a platform would, with its signature."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(
            f"/webhooks/{source}",
            content=raw,
            headers={"content-type": "application/json", **signed(source, raw), **(headers or {})},
        )


@asynccontextmanager
async def open_world(
    ledger: Ledger, reach: Reach = nobody, playbook: Playbook = DEFAULT, **more: Any
) -> AsyncIterator[World]:
    secrets = {name: SecretStr(value) for name, value in SECRETS.items()}
    settings = Settings(service_port=0, largest_body=LARGEST, public_url=PUBLIC).model_copy(
        update=secrets | more
    )
    made = await ledger.create_key("tests", list(Scope), datetime.now(UTC))
    async with (
        doors_within(settings, ledger, reach, playbook) as address,
        httpx.AsyncClient(base_url=address, timeout=20) as http,
    ):
        yield World(http, ledger, made.token)


Found = TypeVar("Found")


async def until(ask: Callable[[], Awaitable[Found | None]]) -> Found:
    """What is asked for, as soon as there is something."""
    async with asyncio.timeout(40):
        while True:
            if found := await ask():
                return found
            await asyncio.sleep(0.05)


def signed(source: str, body: bytes, *, at: float | None = None, key: str | None = None) -> dict[str, str]:
    """The headers by which a platform proves that a body is its own."""
    now = int(time.time() if at is None else at)
    match source:
        case "standard":
            return standard_headers(body, "msg_1", now, key or STANDARD)
        case "shopify":
            mac = _base64_mac(key or SECRET, body)
            return {"X-Shopify-Hmac-Sha256": mac, "X-Shopify-Topic": "t", "X-Shopify-Event-Id": "ev-1"}
        case "woocommerce":
            return {
                "X-WC-Webhook-Signature": _base64_mac(key or SECRET, body),
                "X-WC-Webhook-Topic": "order.updated",
                "X-WC-Webhook-Delivery-ID": "d-1",
            }
        case "easypost":
            mac = hmac.new((key or SECRET).encode(), body, hashlib.sha256).hexdigest()
            return {"X-Hmac-Signature": f"hmac-sha256-hex={mac}"}
        case "aftership":
            return {"aftership-hmac-sha256": _base64_mac(key or SECRET, body)}
        case "stripe":
            mac = hmac.new((key or STRIPE).encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
            return {"Stripe-Signature": f"t={now},v1={'0' * 64},v1={mac},v0=x"}
        case "sendgrid":
            other = ec.generate_private_key(ec.SECP256R1()) if key else MAIL_KEY
            signature = other.sign(str(now).encode() + body, ec.ECDSA(SHA256()))
            return {
                "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
                "X-Twilio-Email-Event-Webhook-Timestamp": str(now),
            }
    return {}


def standard_headers(body: bytes, event_id: str, at: int, key: str = STANDARD) -> dict[str, str]:
    secret = base64.b64decode(key.removeprefix("whsec_"))
    mac = hmac.new(secret, f"{event_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def _base64_mac(key: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()
