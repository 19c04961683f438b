"""What became of letters of which nobody could tell: asked again, of the kept events and of the provider."""

from datetime import datetime

from activities.mailer import Accepted, Mailer
from ledger import Ledger
from ledger.sends import AttemptEnd, Send, SendState

STILL_UNKNOWN = "still_unknown"


async def reconcile_send(ledger: Ledger, mailer: Mailer, send: Send, now: datetime) -> str:
    """What a send in doubt turned out to be, in a word; repeating it changes nothing.

    The provider's events come first: they also tell of letters that another mailer carried. What nobody can
    tell stays in doubt and is listed; to send it again, or to park it, is for the journey to decide.
    """
    if (await ledger.move_on_from_events(send, now)).state is not send.state:
        return "told"
    found = await mailer.find(send.reference) if send.provider == mailer.name else ()
    if isinstance(found, Accepted):
        await ledger.accept_send(send, found.provider_id, now)
        return "taken"
    if found is None:
        end = AttemptEnd(SendState.REFUSED, "the provider never had it", not_taken=True)
        await ledger.end_attempt(send, end, now)
        return "never_taken"
    if send.state is SendState.CLAIMED:
        await ledger.end_attempt(send, AttemptEnd(SendState.UNKNOWN, "the attempt ended without a word"), now)
    return STILL_UNKNOWN
