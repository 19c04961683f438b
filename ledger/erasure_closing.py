"""Erasures that wait for the mail provider, and closing one that it never accepts, by a person's word."""

from datetime import datetime

from sqlalchemy import Text, cast, func, update

from journey.names import Code, OpaqueId
from ledger.door_tables import erasures
from ledger.erasure import Closing, Erasure, Erasures, earlier
from ledger.permissions import lock_customer


class NotToClose(ValueError):
    """The erasure is not one to be closed by hand; the text says why."""


class ErasureClosing(Erasures):
    """What a person sees and does where a provider goes on refusing."""

    async def close_erasure(self, customer_id: OpaqueId, by: OpaqueId, why: Code, now: datetime) -> Erasure:
        """Give up telling the mail provider, and write that into the receipt: who, when, why, and what was
        not confirmed. The addresses are forgotten here as well. Said again, it is answered as before.

        What the database's files still hold is wiped next (`finish_erasure`). Raises `NotToClose`.
        """
        async with self.writing() as db:
            await lock_customer(db, customer_id)
            kept = await earlier(db, customer_id)
            if kept is None:
                raise NotToClose("customer_id: nobody asked to forget this customer")
            if kept["addresses"]:
                closing = Closing(
                    by=by, at=now, why=why, addresses=len(kept["addresses"]), answer=_answer(kept["mailer"])
                )
                kept["closings"] = [*kept["closings"], closing.model_dump(mode="json")]
                kept["addresses"] = []
                changes = {name: kept[name] for name in ("closings", "addresses")}
                which = erasures.c.customer_id == customer_id
                await db.execute(update(erasures).where(which).values(changes))
        receipt = await self.erasure(customer_id)
        assert receipt is not None, "its row was locked"
        last = receipt.closings[-1] if receipt.closings else None
        if last is None or (last.by, last.why) != (by, why):
            raise NotToClose("customer_id: the mail provider has nothing left to confirm")
        return receipt

    async def erasure_warnings(self) -> tuple[str, ...]:
        """One line where the mail provider was asked and has not accepted. No customer's id: it is shown to
        whoever asks whether we are well."""
        still = func.length(cast(erasures.c.addresses, Text)) > len("[]")
        open_ones = await self.erasures(still, erasures.c.mailer != "")
        if not open_ones:
            return ()
        since = f"{open_ones[0].requested_at:%Y-%m-%d}"
        return (
            f"{len(open_ones)} not forgotten yet by the mail provider, the oldest asked for on {since}: "
            "`starter.py customers erasures --unfinished` says why",
        )


def _answer(told: str) -> str:
    if not told:
        raise NotToClose("customer_id: the mail provider has not been asked yet, or has not answered")
    return told
