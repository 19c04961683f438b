"""`send_message`: a letter is written, claimed and handed over, in this order, so that none goes out twice
without being recorded and none is lost without being listed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempts import Refused, Unclear
from activities.calendars import holidays_around
from activities.mailer import Accepted, LetterError, Letters, Mail, Mailer, Unknown
from journey.messages import SendReceipt, SendRequest, SendResult
from journey.playbook import MessageClass
from ledger import Ledger
from ledger.customers import Profile
from ledger.permissions import FORGOTTEN
from ledger.send_rules import Bid
from ledger.sends import IN_DOUBT, AttemptEnd, Send, SendState

MOST_RESENDS = 5
"""With doubled waits that is almost eight hours of a provider that answers nothing but 5xx."""

LOOK_EVERY = 10.0
"""Seconds after which to look again whether another attempt has ended; most end long before their lease."""

LONGEST_RETRY_IN_PLACE = 60.0
"""Seconds; a provider that wants to be left alone for longer is left alone by the journey."""

NOBODY_KNOWS = "nobody can tell whether it was sent"


@dataclass(frozen=True)
class Terms:
    """On which letters are sent.

    `mail_from` is the sender, `care_from` that of care and marketing, so that a reader can tell them apart.
    `rate` is how many letters a second the provider takes, from all workers together. `lease` is how long
    an attempt has a message to itself: more than any provider's timeout, since an activity that timed out
    may still have a thread that writes. `doubt` is how long the provider's events may take to tell what
    became of an attempt; it doubles with each resend.
    """

    mail_from: str
    care_from: str | None = None
    rate: float | None = None
    lease: timedelta = timedelta(seconds=60)
    doubt: timedelta = timedelta(minutes=15)

    def sender(self, message_class: MessageClass) -> str:
        if message_class is MessageClass.TRANSACTIONAL:
            return self.mail_from
        return self.care_from or self.mail_from


class Envelope(NamedTuple):
    """A letter, ready to be claimed, and whose it is."""

    mail: Mail
    profile: Profile


class NotWritten(NamedTuple):
    """Why there is no letter."""

    state: SendState
    reason: str


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
        if earlier is not None and (receipt := self._told(earlier, request)):
            return receipt
        if earlier is not None and earlier.state in IN_DOUBT:
            return await self._clear_up(request, earlier)
        envelope = await self._compose(request)
        if isinstance(envelope, NotWritten):
            return await self._not_tried(request, envelope)
        claim = await self._ledger.claim_send(request, self._bid(request, envelope))
        if claim.granted:
            return await self._hand_over(request, envelope.mail, claim.send)
        if claim.verdict is not None and claim.verdict.result is SendResult.HELD:
            why = claim.verdict.reason
            return _held(claim.verdict.until, why).model_copy(update={"in_hours": True})
        return self._told(claim.send, request) or await self._clear_up(request, claim.send)

    def _told(self, send: Send, request: SendRequest) -> SendReceipt | None:
        """The receipt for a message that is not to be sent now, or `None` if something is left to do.

        Raises when the provider wants to be left alone for some seconds more.
        """
        if send.state is SendState.REFUSED and send.not_before is not None:
            left = (send.not_before - self._now()).total_seconds()
            if left > LONGEST_RETRY_IN_PLACE:
                return _held(send.not_before, send.reason)
            if left > 0:
                raise _again_later(send.reason, left)
        return _settled(send, request)

    def _bid(self, request: SendRequest, envelope: Envelope) -> Bid:
        moment = journey_time(request, self._now())
        country = envelope.profile.country or request.order.country
        return Bid(
            provider=self._mailer.name,
            now=self._now(),
            lease=self._terms.lease,
            moment=moment,
            # A profile that was never told a zone says UTC.
            zone=request.order.zone if envelope.profile.zone == "UTC" else envelope.profile.zone,
            address_key=self._ledger.addresses.of(envelope.mail.to),
            earlier_address_keys=self._ledger.addresses.earlier(envelope.mail.to),
            holidays=holidays_around(country, moment) if request.limits.holidays_for else frozenset(),
            rate=self._terms.rate,
        )

    async def _compose(self, request: SendRequest) -> Envelope | NotWritten:
        """The letter in its envelope, or why there is none. Nothing is claimed before this has worked."""
        profile = await self._ledger.profile(request.order.customer_id)
        if profile is None and (await self._ledger.details(request.order.customer_id)).get("forgotten_at"):
            return NotWritten(SendState.SUPPRESSED, FORGOTTEN)
        if profile is None:
            return NotWritten(SendState.PARKED, "the ledger does not know the customer")
        if profile.email is None:
            return NotWritten(SendState.SUPPRESSED, "the customer has no e-mail address")
        try:
            letter = self._letters.render(request, profile)
        except LetterError as error:
            return NotWritten(SendState.PARKED, error.reason)
        except Exception as error:
            return NotWritten(SendState.PARKED, f"the letter cannot be written: {type(error).__name__}")
        mail = Mail(
            to=profile.email,
            to_name=profile.name,
            from_=self._terms.sender(request.message_class),
            subject=letter.subject,
            html=letter.html,
            text=letter.text,
            headers=letter.headers,
            message_class=request.message_class,
        )
        return Envelope(mail, profile)

    async def _not_tried(self, request: SendRequest, why: NotWritten) -> SendReceipt:
        send = await self._ledger.settle_send(request, why.state, why.reason, self._now())
        return _settled(send, request) or SendReceipt(result=SendResult(why.state.value), reason=why.reason)

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
            send = await self._end(send, AttemptEnd(SendState.UNKNOWN, end.reason))
            return _settled(send, request) or await self._clear_up(request, send)
        return _sent(await self._ledger.accept_send(send, accepted.provider_id, self._now()))

    async def _refused(self, send: Send, refusal: Refused) -> SendReceipt:
        if refusal.permanent:
            send = await self._end(send, AttemptEnd(SendState.PARKED, refusal.reason, not_taken=True))
            return SendReceipt(result=SendResult.PARKED, reason=send.reason)
        wait = refusal.retry_after
        until = None if wait is None else self._now() + timedelta(seconds=wait)
        # The next attempt may be made by another worker, which reads there when it may.
        await self._end(send, AttemptEnd(SendState.REFUSED, refusal.reason, not_taken=True, not_before=until))
        if wait is not None and wait > LONGEST_RETRY_IN_PLACE:
            return _held(until, refusal.reason)
        raise _again_later(refusal.reason, wait)

    async def _clear_up(self, request: SendRequest, send: Send) -> SendReceipt:
        """An attempt was made and its end is not known: ask the provider, and otherwise wait for it."""
        if left := _lease_left(send, self._now()):
            raise _again_later("another attempt is being made", min(left, LOOK_EVERY))
        found = await self._find(send)
        if isinstance(found, Accepted):
            return _sent(await self._ledger.accept_send(send, found.provider_id, self._now()))
        if found is None:
            end = AttemptEnd(SendState.REFUSED, "the provider never had it", not_taken=True)
            await self._end(send, end)
            raise _again_later(end.reason, None)
        until = (send.claimed_at or send.created_at) + self._terms.doubt * 2**send.resent
        if self._now() < until:
            why = send.reason or "the attempt ended without a word"
            send = await self._end(send, AttemptEnd(SendState.UNKNOWN, why))
            return _settled(send, request) or _held(until, NOBODY_KNOWS)
        return await self._decide(request, send)

    async def _find(self, send: Send) -> Accepted | Unknown | None:
        if send.provider != self._mailer.name:
            return Unknown()
        return await self._mailer.find(send.reference)

    async def _decide(self, request: SendRequest, send: Send) -> SendReceipt:
        """Nobody has told for long enough: what must arrive goes out again, the rest waits for a person."""
        if request.message_class is not MessageClass.TRANSACTIONAL or send.resent >= MOST_RESENDS:
            return await self._give_up(request, send, NOBODY_KNOWS)
        envelope = await self._compose(request)
        if isinstance(envelope, NotWritten):
            return await self._give_up(request, send, f"{NOBODY_KNOWS}; not again: {envelope.reason}")
        claim = await self._ledger.reclaim_send(send, self._bid(request, envelope))
        if claim.granted:
            return await self._hand_over(request, envelope.mail, claim.send)
        return _settled(claim.send, request) or _held(
            claim.send.leased_until, "another attempt is being made"
        )

    async def _give_up(self, request: SendRequest, send: Send, reason: str) -> SendReceipt:
        send = await self._end(send, AttemptEnd(SendState.PARKED, reason))
        return _settled(send, request) or await self._clear_up(request, send)

    async def _end(self, send: Send, end: AttemptEnd) -> Send:
        return await self._ledger.end_attempt(send, end, self._now())


def journey_time(request: SendRequest, now: datetime) -> datetime:
    """The journey's clock at this attempt: when it asked, and what has passed on the server's clock since.

    On a server that skips time this is years from the worker's clock, and hours and caps are the journey's.
    """
    if request.asked_at is None:
        return now
    if not activity.in_activity() or activity.info().is_local:
        return request.asked_at
    told = activity.info()
    return request.asked_at + max(timedelta(), told.started_time - told.scheduled_time)


def _settled(send: Send, request: SendRequest) -> SendReceipt | None:
    """The receipt for a message whose end is known, or `None` if something is left to do."""
    if send.reopened_by(request.retried_at):
        return None
    match send.state:
        case SendState.ACCEPTED | SendState.DELIVERED | SendState.COMPLAINED:
            return _sent(send)
        case SendState.SUPPRESSED | SendState.EXPIRED:
            return SendReceipt(result=SendResult(send.state.value), reason=send.reason)
        case SendState.PARKED | SendState.BOUNCED | SendState.DROPPED:
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
