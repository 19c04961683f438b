"""Keys to our own API. Only a digest is kept; the key is shown once, when it is made."""

import hashlib
import hmac
import secrets
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import select, update

from journey.facts import Model
from journey.times import Instant
from ledger.database import Database
from ledger.door_tables import api_keys

PREFIX = "thereafter"


class Scope(StrEnum):
    """What a key opens.

    `returns:request` is for pages that customers use: it asks and calls off, and no more. `returns:write` is
    the shop's back-end: exchanges with their prices, what arrived, what was paid. `returns:decide` is a
    person's word, and `refunds:write` gives money.
    """

    ORDERS_WRITE = "orders:write"
    ORDERS_READ = "orders:read"
    FACTS_WRITE = "facts:write"
    RETURNS_REQUEST = "returns:request"
    RETURNS_READ = "returns:read"
    RETURNS_WRITE = "returns:write"
    RETURNS_DECIDE = "returns:decide"
    REFUNDS_READ = "refunds:read"
    REFUNDS_WRITE = "refunds:write"
    CUSTOMERS_WRITE = "customers:write"
    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_ERASE = "customers:erase"


class ApiKey(Model):
    """A key as it is kept."""

    key_id: str
    digest: str
    label: str
    scopes: tuple[Scope, ...]
    created_at: Instant
    revoked_at: Instant | None


class NewKey(NamedTuple):
    """A key, and the only time that its secret is to be seen."""

    key: ApiKey
    token: str


class Keys(Database):
    """The keys' rows."""

    async def create_key(self, label: str, scopes: list[Scope], now: datetime) -> NewKey:
        """Make a key. Older ones stay good until they are revoked, so rotating needs no downtime."""
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        key = ApiKey(
            key_id=key_id,
            digest=_digest(secret),
            label=label,
            scopes=tuple(scopes),
            created_at=now,
            revoked_at=None,
        )
        values = key.model_dump() | {"scopes": [str(scope) for scope in scopes]}
        async with self.writing() as db:
            await db.execute(self.insert(api_keys).values(values))
        return NewKey(key, f"{PREFIX}_{key_id}_{secret}")

    async def keys(self) -> list[ApiKey]:
        async with self.reading() as db:
            rows = await db.execute(select(api_keys).order_by(api_keys.c.created_at))
        return [ApiKey.model_validate(row._asdict()) for row in rows]

    async def key_of(self, token: str) -> ApiKey | None:
        """The key behind a token; `None` for an unknown, a wrong and a revoked one alike."""
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not (key_id.isascii() and key_id.isalnum()):
            return None
        async with self.reading() as db:
            row = (await db.execute(select(api_keys).where(api_keys.c.key_id == key_id))).one_or_none()
        # Digests are compared even when there is no such key, so that the time tells nothing.
        same = hmac.compare_digest(row.digest if row else "0" * 64, _digest(secret))
        return ApiKey.model_validate(row._asdict()) if row and same and row.revoked_at is None else None

    async def revoke_key(self, key_id: str, now: datetime) -> bool:
        """Close what a key opens; whether there was such an open key."""
        which = (api_keys.c.key_id == key_id) & api_keys.c.revoked_at.is_(None)
        statement = update(api_keys).where(which).values(revoked_at=now)
        async with self.writing() as db:
            row = (await db.execute(statement.returning(api_keys.c.key_id))).one_or_none()
        return row is not None


def _digest(secret: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
