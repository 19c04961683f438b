"""Fault 11: customers are forgotten while their orders go on, by workers that are stopped half-way."""

import random
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from ledger import Ledger
from ledger.database import Place
from ledger.erasure import Erasure
from tests.fakes.postgres import Postgres
from tests.forgetting import Forgotten, files_of_postgres, files_of_sqlite, forget_mid_journey
from tests.soak.verdict import Progress, Verdict, unseen

CUSTOMERS, FORGOTTEN = 500, 50
CONTROL = (30, 5)
"""Without the protection it does not take many."""


async def forgotten(
    folder: Path, seed: int, seconds: float, progress: Progress = unseen, *, control: bool = False
) -> list[Verdict]:
    """Fifty of five hundred on SQLite, then on PostgreSQL; again with another seed while there is time. With
    `control` a copy of each customer's row stays, which has to be found."""
    found, chance, begun = list[Verdict](), random.Random(seed), time.monotonic()
    with ExitStack() as stack:
        short = stack.enter_context(tempfile.TemporaryDirectory(prefix="pg"))
        postgres = stack.enter_context(Postgres(Path(short)))
        if control:
            stack.enter_context(patch.object(Ledger, "erase_customer", _keeping))
        while not found or time.monotonic() - begun < seconds:
            own = chance.randrange(10**9)
            for database in ("SQLite", "PostgreSQL"):
                progress(min(0.9, len(found) / 2), f"{database}, seed {own}")
                home = folder / f"{len(found)}"
                home.mkdir()
                report = await _once(home, postgres if database == "PostgreSQL" else None, own, control)
                found.append(_judged(f"11 forgotten, {database}", report))
    return found


async def _once(home: Path, postgres: Postgres | None, seed: int, control: bool) -> Forgotten:
    customers, gone = CONTROL if control else (CUSTOMERS, FORGOTTEN)
    if postgres is None:
        file = home / "ledger.db"
        place, files = Place(f"sqlite+aiosqlite:///{file}", ("a secret",)), files_of_sqlite(file)
    else:
        place, files = Place(postgres.empty_database(), ("a secret",)), files_of_postgres(postgres.folder)
    return await forget_mid_journey(home, place, files, customers=customers, forgotten=gone, seed=seed)


_erase = Ledger.erase_customer


async def _keeping(ledger: Ledger, customer_id: str, now: datetime) -> Erasure:
    """A copy of the customer's row outlives it under another id."""
    profile = await ledger.profile(customer_id)
    told = await _erase(ledger, customer_id, now)
    if profile is not None:
        copy = profile.model_copy(update={"customer_id": f"copy-{customer_id}"})
        await ledger.keep_customer(copy)
    return told


def _judged(fault: str, report: Forgotten) -> Verdict:
    """A fault is an erasure that was under way when its worker was stopped."""
    verdict = Verdict(fault, report.seed, report.forgotten, report.unfinished, seconds=report.seconds)
    verdict.broke("trace of the forgotten", len(report.traces))
    verdict.broke("letter to the forgotten", report.letters_after)
    verdict.broke("receipt that stays open", report.open_receipts)
    verdict.broke("nothing was planted", int(report.planted < report.forgotten))
    verdict.figures |= {"customers": report.customers, "planted": report.planted}
    return verdict
