"""The loop of an order's journey without a server: plan, act on what is due, otherwise jump ahead."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from journey.facts import Fact, OrderPlaced, understand
from journey.messages import SendReceipt, SendResult
from journey.plan import FINAL, PlannedStep, Standing, closes_at, next_wake, plan
from journey.playbook import Playbook
from journey.record import begun, with_fact, with_outcome, with_receipt
from journey.state import JourneyState, Outcome, Result
from runtime.orderfiles import read_facts, read_order
from runtime.playbooks import load_playbook

ROOT = Path(__file__).parent.parent
DEFAULT = load_playbook(ROOT / "playbooks" / "default.yaml")

Reported = tuple[datetime, Fact]
Mailer = Callable[[PlannedStep, datetime], Result | datetime]
"""What becomes of a send: a result, or until when it is held."""


@dataclass
class Life:
    """What a journey went through, moment by moment."""

    playbook: Playbook
    state: JourneyState
    attempts: list[tuple[datetime, PlannedStep, JourneyState]] = field(default_factory=list)
    ended_at: datetime | None = None
    turns: int = 0

    def sent(self, step: str) -> list[str]:
        """The keys of this step's letters that went out, in their order."""
        return [key for key in self.letters() if key.split("/")[0] == step]

    def letters(self) -> list[str]:
        outcomes = self.state.outcomes.values()
        return [o.key for o in sorted(outcomes, key=lambda o: o.at) if o.result is Result.SENT]

    def at(self, key: str) -> datetime:
        return self.state.outcomes[key].at

    def why(self, key: str) -> tuple[Result, str]:
        outcome = self.state.outcomes[key]
        return outcome.result, outcome.reason


def always_sent(step: PlannedStep, now: datetime) -> Result | datetime:
    return Result.SENT


def live(
    placed: OrderPlaced,
    reports: Iterable[Reported],
    playbook: Playbook = DEFAULT,
    mailer: Mailer = always_sent,
) -> Life:
    """Run the journey to its end. Fails when it neither acts nor moves on."""
    life = Life(playbook, begun(placed))
    coming = sorted(reports, key=lambda each: each[0])
    now = placed.at
    while life.ended_at is None:
        life.turns += 1
        assert life.turns < 5_000, "the journey does not end"
        while coming and coming[0][0] <= now:
            life.state = with_fact(life.state, coming.pop(0)[1], now)
        ahead = plan(life.state, playbook, now)
        if not _act(life, ahead, now, mailer):
            now = _move_on(life, ahead, now, coming)
    return life


def _act(life: Life, ahead: list[PlannedStep], now: datetime, mailer: Mailer) -> bool:
    acted = False
    for step in ahead:
        if step.standing in FINAL:
            _keep(life, step.outcome(FINAL[step.standing], now, step.why))
        elif step.is_due(now):
            _send(life, step, now, mailer)
        else:
            continue
        acted = True
    return acted


def _send(life: Life, step: PlannedStep, now: datetime, mailer: Mailer) -> None:
    life.attempts.append((now, step, life.state))
    answer = mailer(step, now)
    if isinstance(answer, Result):
        _keep(life, step.outcome(answer, now, step.why))
    else:
        held = SendReceipt(result=SendResult.HELD, reason="quiet hours", until=answer)
        life.state = with_receipt(life.state, step, held, now)


def _keep(life: Life, outcome: Outcome) -> None:
    before = life.state.outcomes.get(outcome.key)
    assert before is None or before.result is Result.PARKED, f"{outcome.key} has an outcome already"
    life.state = with_outcome(life.state, outcome)


def _move_on(life: Life, ahead: list[PlannedStep], now: datetime, coming: list[Reported]) -> datetime:
    closes = closes_at(life.state, life.playbook, ahead)
    if closes is not None and closes <= now:
        life.ended_at = now
        return now
    wakes = [at for at in (next_wake(ahead), closes, coming[0][0] if coming else None) if at is not None]
    if not wakes:
        held = [step for step in ahead if step.standing in (Standing.HELD, Standing.PAUSED)]
        assert held, "nothing to wait for, and not ended"
        now = life.ended_at = now + timedelta(days=3650)
        return now
    assert min(wakes) > now, "woken for nothing"
    return min(wakes)


def example(name: str, playbook: Playbook = DEFAULT) -> Life:
    """The life of one of the example orders."""
    folder = ROOT / "examples" / "orders" / name
    facts = read_facts(folder / "facts.jsonl")
    reports = [(f.at, understand(f.kind, f.body, f.at)) for f in facts]
    return live(read_order(folder / "order.json").placed(), reports, playbook)
