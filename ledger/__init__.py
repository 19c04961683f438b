"""What must outlive a run: customers, claims, letters, money, returns, ended journeys, what came in."""

from ledger.asked import Requests
from ledger.customers import Customers
from ledger.ended import Ended
from ledger.erasure_closing import ErasureClosing
from ledger.export import Exports
from ledger.inbox import Inbox
from ledger.journeys import JourneyArchive
from ledger.keys import Keys
from ledger.letters import Outbox
from ledger.orders import Orders
from ledger.parked import Parked
from ledger.people import People
from ledger.providers import ProviderEvents
from ledger.reconciliations import Reconciliations
from ledger.refund_reports import RefundReports
from ledger.tracking import Tracking
from ledger.whom import Whom


class Ledger(
    Inbox,
    Parked,
    Ended,
    ErasureClosing,
    Exports,
    Keys,
    People,
    ProviderEvents,
    Customers,
    Orders,
    Outbox,
    JourneyArchive,
    Requests,
    Whom,
    Tracking,
    RefundReports,
    Reconciliations,
):
    """The whole ledger; each family of tables has its own module. `await Ledger.open(url)` opens it."""
