"""Fault 4: thousands of events on one order, repeated, shuffled, of unknown kinds, at times a year off; and
many orders, each told in many orderings."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.service import RPCError

from activities.providers.sendgrid import SendGridMailer
from journey.facts import Fact, ParcelMoved, ParcelShipped, understand
from journey.playbook import Playbook
from journey.record import begun, with_fact
from journey.state import JourneyState
from ledger.inbox import InboxState
from runtime.embedded import Server, embedded_server
from tests.doors import World as Doors
from tests.doors import open_world, standard_headers
from tests.fakes.sendgrid import FakeSendGrid
from tests.simulate import live
from tests.soak.verdict import Progress, Verdict, unseen
from tests.strategies import PLACED_AT, an_order
from tests.world import DEFAULT, PATIENCE, World, activities_with, dev_world

PARCELS = 40
NEW_RUN = "limit.historyCount.suggestContinueAsNew=500"
"""Events after which the server suggests a new run; in production it is 4,096."""

MOST_WAITING = 200
"""Events in the inbox beyond which no more are posted."""

STEPS = ("order_confirmation", "shipping_confirmation", "out_for_delivery", "delivered")
WORDS = ("label_made", "handed_over", "in_transit", "out_for_delivery", "attempt_failed", "delayed")


@dataclass
class Storm:
    """What is told of one order: each fact at least once, and in what sequence with its repeats."""

    facts: list[dict[str, Any]]
    posts: list[tuple[str, dict[str, Any]]]
    disturbed: int


def brewed(chance: random.Random, order_id: str, events: int) -> Storm:
    """A tenth are facts and nine tenths repeats, of which half come under an id of their own. Of the facts a
    twentieth has a status that nobody knows and another twentieth a time that is a year off."""
    now, number = datetime.now(UTC), max(events // 10, 2 * PARCELS)
    facts = [_shipped(f"p{each}", now) for each in range(PARCELS)]
    facts += [_moved(f"d{each}", f"p{each}", "delivered", now) for each in range(PARCELS)]
    while len(facts) < number:
        name, parcel = f"m{len(facts)}", f"p{chance.randrange(PARCELS)}"
        facts.append(
            _moved(name, parcel, chance.choice(WORDS), now - timedelta(minutes=chance.randrange(600)))
        )
    odd = chance.sample(facts[2 * PARCELS :], len(facts[2 * PARCELS :]) // 10)
    for fact in odd[::2]:
        fact["status"] = "held_by_the_weather"
    for fact in odd[1::2]:
        fact["at"] = (now + timedelta(days=chance.choice((-365, 365)))).isoformat()
    posts = [(fact["fact_id"], fact) for fact in facts]
    for repeat in range(events - len(facts)):
        event_id, fact = posts[chance.randrange(len(facts))]
        posts.append((f"{event_id}.{repeat}" if repeat % 2 else event_id, fact))
    chance.shuffle(posts)
    return Storm(
        facts, [(f"{order_id}.{name}", fact) for name, fact in posts], len(posts) - len(facts) + len(odd)
    )


def _shipped(parcel_id: str, at: datetime) -> dict[str, Any]:
    return {
        "kind": "parcel_shipped",
        "fact_id": f"s-{parcel_id}",
        "at": at.isoformat(),
        "parcel_id": parcel_id,
    }


def _moved(fact_id: str, parcel_id: str, status: str, at: datetime) -> dict[str, Any]:
    return {
        "kind": "parcel_moved",
        "fact_id": fact_id,
        "at": at.isoformat(),
        "parcel_id": parcel_id,
        "status": status,
    }


async def storm(server: Server, folder: Path, seed: int, events: int, progress: Progress = unseen) -> Verdict:
    """Let it all rain on one order of a real server, through the doors."""
    verdict, chance, begun_at = Verdict("4 storm on one order", seed), random.Random(seed), time.monotonic()
    provider = FakeSendGrid()
    provider.start()
    try:
        activities = activities_with(SendGridMailer("SG.soak", provider.host))
        async with (
            dev_world(server, folder, _playbook(), activities=activities) as shop,
            open_world(shop.ledger, lambda: shop.client, shop.playbook) as doors,
        ):
            # A letter whose attempt was lost is another's only after its minute.
            shop.patience = 3 * PATIENCE
            order_id = await shop.place_order()
            rain = brewed(chance, order_id, events)
            await _rained(shop, doors, order_id, rain, verdict, progress)
            await _judge(shop, order_id, provider, verdict)
            verdict.landed = rain.disturbed
    finally:
        provider.stop()
    verdict.seconds = time.monotonic() - begun_at
    return verdict


def _playbook() -> Playbook:
    kept = tuple(step.model_copy(update={"expires": None}) for step in DEFAULT.steps if step.name in STEPS)
    return DEFAULT.model_copy(update={"name": "storm", "steps": kept})


async def _rained(  # noqa: PLR0917
    shop: World, doors: Doors, order_id: str, rain: Storm, verdict: Verdict, progress: Progress
) -> None:
    turn = asyncio.Semaphore(16)

    async def one(event_id: str, fact: dict[str, Any]) -> None:
        async with turn:
            if verdict.runs % (MOST_WAITING // 4) == 0:
                await _fewer_waiting(shop)
            body = doors.http.build_request("POST", "/", json={**fact, "order_id": order_id}).content
            headers = standard_headers(body, event_id, int(time.time()))
            answer = await doors.http.post("/webhooks/standard", content=body, headers=headers)
            verdict.runs += 1
            verdict.broke(f"{event_id} was answered {answer.status_code}", int(answer.status_code != 200))
            progress(0.5 * verdict.runs / len(rain.posts), f"{verdict.runs} events posted")

    await asyncio.gather(*(one(*each) for each in rain.posts))
    for number in range(len(rain.facts) // 20):
        # A door says what is wrong with a kind that it does not know; who signals by himself is recorded.
        body = {"fact_id": f"g{number}", "paper": "asanoha"}
        await shop.journey(order_id).signal("gift_wrapped", body)
    while (left := (await shop.ledger.count_inbox()).get(InboxState.RECEIVED, 0)) > 0:
        progress(1 - 0.5 * left / len(rain.posts), f"{left} events in the inbox")
        await asyncio.sleep(0.1)


async def _fewer_waiting(shop: World) -> None:
    """Worker, doors and senders share one process here: it is about events, not about load."""
    while (await shop.ledger.count_inbox()).get(InboxState.RECEIVED, 0) > MOST_WAITING:  # noqa: ASYNC110 it is the dispatcher that works
        await asyncio.sleep(0.05)


async def _judge(shop: World, order_id: str, provider: FakeSendGrid, verdict: Verdict) -> None:
    wanted = {f"delivered/p{each}" for each in range(PARCELS)}
    try:
        await shop.until_sent(order_id, *wanted)
    except TimeoutError:
        status = await shop.status(order_id)
        sent = {done.key for done in status.done if done.result == "sent"}
        verdict.broke("parcel's delivery has no letter", len(wanted - sent))
    provider.settle()
    keys = {send.reference: send.key for send in await shop.ledger.sends_of(order_id)}
    letters = [keys[entry.reference or ""] for entry in provider.log if entry.taken]
    verdict.broke("letter taken twice", sum(times > 1 for times in Counter(letters).values()))
    verdict.broke("letter that contradicts an earlier one", len(contradictions(letters)))
    verdict.broke("event parked", (await shop.ledger.count_inbox()).get(InboxState.PARKED, 0))
    verdict.figures |= {"letters": len(letters), "runs": await _runs(shop, order_id)}
    verdict.broke("the journey never went on in a new run", int(verdict.figures["runs"] < 2))


def contradictions(letters: Sequence[str]) -> list[str]:
    """Letters of a parcel that came after it had been called delivered."""
    found, delivered = [], set[str]()
    for key in letters:
        step, _, parcel = key.partition("/")
        if step == "delivered":
            delivered.add(parcel)
        elif step in STEPS and parcel in delivered:
            found.append(key)
    return found


async def _runs(shop: World, order_id: str) -> int:
    """How many runs the journey has had, as far as one can tell from its chain."""
    runs, run_id = 0, (await shop.journey(order_id).describe()).run_id
    while run_id:
        runs += 1
        handle = shop.client.get_workflow_handle(f"order:{order_id}", run_id=run_id)
        try:
            history = await handle.fetch_history()
        except RPCError:
            break
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return runs


async def stormed(folder: Path, seed: int, events: int, progress: Progress = unseen) -> Verdict:
    """The same on a server of its own, which wants a new run every now and then."""
    async with embedded_server(folder / "server", [NEW_RUN]) as server:
        return await storm(server, folder, seed, events, progress)


def orderings(
    seed: int, orders: int, each: int, progress: Progress = unseen, *, control: bool = False
) -> Verdict:
    """Tell every order's facts in many orderings. With `control`, what came last is believed, as in many a
    shop; that has to tell the same order in several ways."""
    verdict, chance, begun_at = Verdict("4 orderings", seed), random.Random(seed), time.monotonic()
    for number in range(orders):
        facts = _facts(chance)
        known = _known(facts, control)
        for _ in range(each):
            chance.shuffle(facts)
            verdict.runs += 1
            verdict.landed += 1
            verdict.broke(f"order {number} told otherwise", int(_known(facts, control) != known))
            late = [(PLACED_AT + timedelta(minutes=7 * at), fact) for at, fact in enumerate(facts, 1)]
            letters = [] if control else live(an_order(), late, _playbook()).letters()
            verdict.broke(f"order {number}: contradiction", len(contradictions(letters)))
        progress((number + 1) / orders, f"{number + 1} orders")
    verdict.seconds = time.monotonic() - begun_at
    return verdict


def _facts(chance: random.Random) -> list[Fact]:
    """What happens to an order of three parcels within an hour; some of it twice, some of it unheard of."""
    facts: list[Fact] = []
    for parcel in ("p1", "p2", "p3"):
        at = PLACED_AT + timedelta(minutes=1)
        facts.append(ParcelShipped(fact_id=f"s-{parcel}", at=at, parcel_id=parcel))
        for word in [*chance.sample(WORDS, 3), "delivered"]:
            at += timedelta(minutes=chance.randrange(1, 4))
            fields = {"fact_id": f"{parcel}-{word}", "at": at, "parcel_id": parcel, "status": word}
            facts.append(ParcelMoved.model_validate(fields))
    facts += chance.sample(facts, 5)
    return [*facts, understand("gift_wrapped", {"fact_id": "g1", "at": PLACED_AT.isoformat()}, PLACED_AT)]


def _known(facts: Sequence[Fact], control: bool) -> object:
    if control:
        moved = [fact for fact in facts if isinstance(fact, ParcelMoved)]
        return {fact.parcel_id: fact.status for fact in moved}
    state: JourneyState = begun(an_order())
    for fact in facts:
        state = with_fact(state, fact, PLACED_AT + timedelta(days=1))
    return state.facts
