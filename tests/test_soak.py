"""The long faults in their quick form, and that each of them notices when what it tests is taken away."""

from pathlib import Path

from runtime.embedded import Server
from tests.soak.server_kills import kill_servers
from tests.soak.storms import orderings, storm
from tests.soak.verdict import Verdict
from tests.soak.worker_kills import kill_workers


async def test_what_was_acknowledged_has_its_effect_though_the_temporal_server_is_killed_again_and_again(
    tmp_path: Path,
) -> None:
    verdict = await kill_servers(tmp_path, seed=1, seconds=6, apart=(0.5, 1.5), rate=4, least=2)
    assert verdict.failures == []
    assert verdict.landed >= 2 and verdict.figures["answers_while_down"] > 0


async def test_doors_that_keep_nothing_lose_what_they_acknowledged_when_the_server_is_killed(
    tmp_path: Path,
) -> None:
    verdict = await kill_servers(tmp_path, seed=1, seconds=4, apart=(0.5, 1.0), rate=4, control=True)
    assert any("acknowledged and without effect" in failure for failure in verdict.failures)


async def test_every_letter_and_refund_is_made_once_though_workers_are_killed_while_they_make_it(
    tmp_path: Path,
) -> None:
    verdict = await kill_workers(tmp_path, seed=1, seconds=1, apart=(0.2, 1), rate=2, least=2)
    assert verdict.failures == []
    assert verdict.landed >= 2 and verdict.figures["refunds"] == verdict.runs > 0


async def test_a_worker_that_claims_nothing_writes_a_letter_twice_when_it_is_killed(tmp_path: Path) -> None:
    verdict = await kill_workers(tmp_path, seed=1, seconds=1, apart=(0.2, 1), rate=2, least=1, control=True)
    assert any("twice" in failure for failure in verdict.failures)


async def test_hundreds_of_events_on_one_order_write_no_letter_twice_nor_one_that_contradicts_another(
    hasty_server: Server, tmp_path: Path
) -> None:
    verdict = await storm(hasty_server, tmp_path, seed=4, events=500)
    assert verdict.failures == []
    assert verdict.landed > 400 and verdict.figures["runs"] > 1


def test_orders_are_the_same_in_whatever_ordering_they_are_told() -> None:
    assert orderings(seed=4, orders=20, each=10).result == "held"


def test_who_believes_what_came_last_tells_an_order_in_several_ways() -> None:
    assert orderings(seed=4, orders=2, each=10, control=True).result == "FAILED"


def test_a_run_in_which_too_few_faults_landed_says_nothing() -> None:
    assert Verdict("2 server killed", seed=1, runs=500, landed=19).result == "INVALID"
    assert Verdict("2 server killed", seed=1, runs=500, landed=20).bound == "below 0.6 %"
