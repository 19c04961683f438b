"""`send_message`: a letter is written, claimed and handed over, in this order, so that none goes out twice
without being recorded and none is lost without being listed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.mailer import Accepted, LetterError, Letters, Mail, Mailer, Refused, Unclear, Unknown
from journey.messages import SendReceipt, SendRequest, SendResult
from journey.playbook import MessageClass
from ledger import Ledger
from ledger.sends import Send, SendState

MOST_RESENDS = 5
"""With doubled waits that is almost eight hours of a provider that answers nothing but 5xx."""

LOOK_EVERY = 10.0
"""Seconds after which to look again whether another attempt has ended; most end long before their lease."""

NOBODY_KNOWS = "nobody can tell whether it was sent"


@dataclass(frozen=True)
class Terms:
    """On which letters are sent.

    `mail_from` is the sender. `lease` is how long an attempt has a message to itself: more than any
    provider's timeout, since an activity that timed out may still have a thread that writes. `doubt` is how
    long the provider's events may take to tell what became of an attempt; it doubles with each resend.
    """

    mail_from: str
    lease: timedelta = timedelta(seconds=60)
    doubt: timedelta = timedelta(minutes=15)


class Messages:
    """The activity and what it needs; `now` is the clock."""

    def __init__(
        self,
        ledger: Ledger,
        mailer: Mailer,
        letters: Letters,
        terms: Terms,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._mailer = mailer
        self._letters = letters
        self._terms = terms
        self._now = now
        self._attempts: set[asyncio.Task[SendReceipt]] = set()

    @activity.defn
    async def send_message(self, request: SendRequest) -> SendReceipt:
        """Send a letter at most once, or record why it was sent again.

        Raises a retryable `ApplicationError` when the provider has certainly refused for now, when another
        attempt is still being made, or when the ledger cannot be reached. No error's message holds anything
        personal.
        """
        try:
            return await self._send(request)
        except ApplicationError:
            raise
        except Exception as error:
            # The text of a driver's error may quote an address, so only its name goes on.
            problem = f"{type(error).__name__} while sending {request.step}"
            raise ApplicationError(problem, type="SendFailed") from None

    async def _send(self, request: SendRequest) -> SendReceipt:
        earlier = await self._ledger.send(request.order_id, request.key)
        if earlier is not None and (receipt := _settled(earlier, request)):
            return receipt
        mail = await self._compose(request)
        if isinstance(mail, SendReceipt):
            return mail
        claim = await self._ledger.claim_send(request, self._mailer.name, self._now(), self._terms.lease)
        if claim.granted:
            return await self._hand_over(request, mail, claim.send)
        return _settled(claim.send, request) or await self._clear_up(request, mail, claim.send)

    async def _compose(self, request: SendRequest) -> Mail | SendReceipt:
        """The letter in its envelope, or why there is none. Nothing is claimed before this has worked."""
        profile = await self._ledger.profile(request.order.customer_id)
        if profile is None and (await self._ledger.details(request.order.customer_id)).get("forgotten_at"):
            return await self._not_tried(request, SendState.SUPPRESSED, "the customer asked to be forgotten")
        if profile is None:
            return await self._not_tried(request, SendState.PARKED, "the ledger does not know the customer")
        if profile.email is None:
            return await self._not_tried(request, SendState.SUPPRESSED, "the customer has no e-mail address")
        try:
            letter = self._letters.render(request, profile)
        except LetterError as error:
            return await self._not_tried(request, SendState.PARKED, error.reason)
        except Exception as error:
            reason = f"the letter cannot be written: {type(error).__name__}"
            return await self._not_tried(request, SendState.PARKED, reason)
        return Mail(
            to=profile.email,
            to_name=profile.name,
            from_=self._terms.mail_from,
            subject=letter.subject,
            html=letter.html,
            text=letter.text,
            headers=letter.headers,
            message_class=request.message_class,
        )

    async def _not_tried(self, request: SendRequest, state: SendState, reason: str) -> SendReceipt:
        send = await self._ledger.settle_send(request, state, reason, self._now())
        return _settled(send, request) or SendReceipt(result=SendResult(state.value), reason=reason)

    async def _hand_over(self, request: SendRequest, mail: Mail, send: Send) -> SendReceipt:
        # An activity that times out is cancelled while the provider is still answering; what it answers
        # is written down all the same, and the next attempt finds it.
        attempt = asyncio.create_task(self._attempt(request, mail, send))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        return await asyncio.shield(attempt)

    async def _attempt(self, request: SendRequest, mail: Mail, send: Send) -> SendReceipt:
        try:
            accepted = await self._mailer.send(mail, send.reference)
        except Refused as refusal:
            return await self._refused(send, refusal)
        except Unclear as end:
            send = await self._end(send, SendState.UNCLEAR, end.reason)
            return _settled(send, request) or await self._clear_up(request, mail, send)
        return _sent(await self._ledger.accept_send(send, accepted.provider_id, self._now()))

    async def _refused(self, send: Send, refusal: Refused) -> SendReceipt:
        if refusal.permanent:
            send = await self._end(send, SendState.PARKED, refusal.reason)
            return SendReceipt(result=SendResult.PARKED, reason=send.reason)
        await self._end(send, SendState.REFUSED, refusal.reason)
        raise _again_later(refusal.reason, refusal.retry_after)

    async def _clear_up(self, request: SendRequest, mail: Mail, send: Send) -> SendReceipt:
        """An attempt was made and its end is not known: ask the provider, and otherwise wait for it."""
        if left := _lease_left(send, self._now()):
            raise _again_later("another attempt is being made", min(left, LOOK_EVERY))
        found = await self._find(send)
        if isinstance(found, Accepted):
            return _sent(await self._ledger.accept_send(send, found.provider_id, self._now()))
        if found is None:
            await self._end(send, SendState.REFUSED, "the provider never had it")
            raise _again_later("the provider never had it", None)
        until = (send.claimed_at or send.created_at) + self._terms.doubt * 2**send.resent
        if self._now() < until:
            send = await self._end(send, SendState.UNCLEAR, send.reason or "the attempt ended without a word")
            return _settled(send, request) or _held(until, NOBODY_KNOWS)
        return await self._decide(request, mail, send)

    async def _find(self, send: Send) -> Accepted | Unknown | None:
        if send.provider != self._mailer.name:
            return Unknown()
        return await self._mailer.find(send.reference)

    async def _decide(self, request: SendRequest, mail: Mail, send: Send) -> SendReceipt:
        """Nobody has told for long enough: what must arrive goes out again, the rest waits for a person."""
        if request.message_class is not MessageClass.TRANSACTIONAL or send.resent >= MOST_RESENDS:
            send = await self._end(send, SendState.PARKED, NOBODY_KNOWS)
            return _settled(send, request) or await self._clear_up(request, mail, send)
        claim = await self._ledger.reclaim_send(send, self._mailer.name, self._now(), self._terms.lease)
        if claim.granted:
            return await self._hand_over(request, mail, claim.send)
        return _settled(claim.send, request) or _held(
            claim.send.leased_until, "another attempt is being made"
        )

    async def _end(self, send: Send, state: SendState, reason: str) -> Send:
        return await self._ledger.end_attempt(send, state, reason, self._now())


def _settled(send: Send, request: SendRequest) -> SendReceipt | None:
    """The receipt for a message whose end is known, or `None` if something is left to do."""
    match send.state:
        case SendState.ACCEPTED:
            return _sent(send)
        case SendState.SUPPRESSED:
            return SendReceipt(result=SendResult.SUPPRESSED, reason=send.reason)
        case SendState.PARKED if not send.reopened_by(request.retried_at):
            return SendReceipt(result=SendResult.PARKED, reason=send.reason)
        case _:
            return None


def _sent(send: Send) -> SendReceipt:
    reason = f"resent: {NOBODY_KNOWS} before" if send.resent else ""
    return SendReceipt(result=SendResult.SENT, reason=reason)


def _held(until: datetime | None, reason: str) -> SendReceipt:
    return SendReceipt(result=SendResult.HELD, until=until, reason=reason)


def _lease_left(send: Send, now: datetime) -> float:
    """Seconds for which an earlier attempt still has the message to itself."""
    if send.state is not SendState.CLAIMED or send.leased_until is None:
        return 0
    return max(0, (send.leased_until - now).total_seconds())


def _again_later(reason: str, retry_after: float | None) -> ApplicationError:
    delay = None if retry_after is None else timedelta(seconds=retry_after)
    return ApplicationError(reason, type="NotYetSent", next_retry_delay=delay)
