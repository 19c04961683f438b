"""Telling a customer what is known of them (Article 15 of the GDPR): everything that the ledger has."""

from base64 import b64encode
from typing import Any

from sqlalchemy import ColumnElement, Table, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.belongings import (
    addresses_of,
    is_own_order,
    is_own_send,
    knows,
    own_orders,
    own_references,
    rows_of_the_inbox,
    unread_about,
)
from ledger.database import Database
from ledger.door_tables import customer_details, erasures, inbox, parcels, provider_events
from ledger.money_tables import demo_refunds, payments, refunds, refunds_elsewhere
from ledger.return_tables import asked, dispatches, papers, returns
from ledger.send_tables import consents, send_events, suppressions
from ledger.tables import customers, journeys, late_facts, letters, orders, sends

TOLD: dict[str, Table] = {
    "profile": customers,
    "details": customer_details,
    "consents": consents,
    "suppressions": suppressions,
    "orders": orders,
    "parcels": parcels,
    "payments": payments,
    "refunds": refunds,
    "refunds_elsewhere": refunds_elsewhere,
    "demo_refunds": demo_refunds,
    "returns": returns,
    "asked": asked,
    "dispatches": dispatches,
    "papers": papers,
    "messages": sends,
    "letters": letters,
    "mail_events": send_events,
    "provider_events": provider_events,
    "journeys": journeys,
    "late_facts": late_facts,
    "events": inbox,
    "erasures": erasures,
}
"""Each part of an export, and the table that it is from. What a journey that still runs has heard is among
the events that came in."""

NOBODY_S = {
    "api_keys": "the shop's own keys",
    "ledger_secrets": "a secret of the ledger",
    "mailer_rates": "how fast a mail provider may be asked",
    "passes": "when which shop was asked for what never came",
    "standings": "how it stands with those who are asked",
}
"""The tables in which there is nobody, and what is in them instead."""


class Exports(Database):
    """Reads only."""

    async def knows_customer(self, customer_id: str) -> bool:
        """Whether anything is kept under an id, or was until it was forgotten."""
        async with self.reading() as db:
            return await knows(db, customer_id)

    async def export_customer(self, customer_id: str) -> dict[str, list[dict[str, Any]]]:
        """Everything that is kept about a customer, table by table; all empty for somebody unknown. Of what
        nobody could read, and what may be about them, `events` has only that it came."""
        async with self.reading() as db:
            wanted = _whose(customer_id) | {"events": _events(customer_id)}
            found = {
                name: [
                    _for_people(row._asdict()) for row in await db.execute(select(table).where(wanted[name]))
                ]
                for name, table in TOLD.items()
            }
            told = {row["number"] for row in found["events"]}
            unread = await _unread(db, customer_id)
            found["events"] += [row for row in unread if row["number"] not in told]
            return found


_THAT_IT_CAME = (inbox.c.number, inbox.c.source, inbox.c.topic, inbox.c.received_at)


async def _unread(db: AsyncConnection, customer_id: str) -> list[dict[str, Any]]:
    """Of parked bodies that have their name in them. It may as well be part of somebody else's, and the body
    has that person's address in it: it is told to nobody before a person has read it."""
    numbers = await unread_about(db, customer_id, await addresses_of(db, customer_id))
    query = select(*_THAT_IT_CAME).where(rows_of_the_inbox(numbers)).order_by(inbox.c.number)
    rows = await db.execute(query)
    return [row._asdict() for row in rows]


def _whose(customer_id: str) -> dict[str, ColumnElement[bool]]:
    order_ids, references = own_orders(customer_id), own_references(customer_id)
    by_customer = ("profile", "details", "consents", "suppressions", "erasures")
    by_order = (
        *("parcels", "payments", "refunds", "refunds_elsewhere", "returns", "asked", "dispatches", "papers"),
        *("journeys", "late_facts"),
    )
    paid = select(payments.c.provider_id).where(payments.c.order_id.in_(order_ids))
    given_back = select(refunds.c.reference).where(refunds.c.order_id.in_(order_ids))
    given_there = select(refunds.c.provider_id).where(
        refunds.c.order_id.in_(order_ids), refunds.c.provider_id.is_not(None)
    )
    of_others = select(refunds_elsewhere.c.provider_id).where(refunds_elsewhere.c.order_id.in_(order_ids))
    told_of = provider_events.c.reference
    return {
        **{name: TOLD[name].c.customer_id == customer_id for name in by_customer},
        **{name: TOLD[name].c.order_id.in_(order_ids) for name in by_order},
        "orders": is_own_order(customer_id),
        "messages": is_own_send(customer_id),
        "letters": letters.c.reference.in_(references),
        "mail_events": send_events.c.reference.in_(references),
        "demo_refunds": demo_refunds.c.payment_id.in_(paid),
        "provider_events": or_(
            *(told_of.in_(each) for each in (references, given_back, given_there, of_others, paid))
        ),
    }


def _events(customer_id: str) -> ColumnElement[bool]:
    """What came in about their orders, and of carriers who know only the number of a parcel."""
    order_ids = own_orders(customer_id)
    sent = select(parcels.c.tracking_number).where(parcels.c.order_id.in_(order_ids))
    back = select(papers.c.tracking_number).where(
        papers.c.order_id.in_(order_ids), papers.c.tracking_number.is_not(None)
    )
    numbered = or_(*(inbox.c.tracking_number.in_(numbers) for numbers in (sent, back)))
    of_carrier = inbox.c.order_id.is_(None) & numbered
    return or_(inbox.c.order_id.in_(order_ids), of_carrier)


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    """Papers as base64: they are no text."""
    told = {name: b64encode(value).decode() for name, value in row.items() if isinstance(value, bytes)}
    return row | told
