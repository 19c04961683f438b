"""What must outlive a run: customers, claims, letters, money, returns, ended journeys."""

from ledger.customers import Customers
from ledger.journeys import JourneyArchive
from ledger.letters import Outbox
from ledger.orders import Orders
from ledger.payments import Payments
from ledger.returns import Returns
from ledger.send_events import SendEvents


class Ledger(Customers, Orders, SendEvents, Outbox, JourneyArchive, Payments, Returns):
    """The whole ledger; each family of tables has its own module. `await Ledger.open(url)` opens it."""
