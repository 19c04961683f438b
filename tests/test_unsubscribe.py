"""The link at the foot of a survey or an offer: one click; nothing by being looked at or guessed."""

import json

from pydantic import SecretStr

from journey.playbook import MessageClass
from ledger import Ledger
from runtime.settings import Settings
from service.links import Links
from tests.doors import PUBLIC, SECRET, open_world
from tests.letter_samples import request
from tests.world import a_profile as a_customer
from worker import build_letters

ANN = a_customer("ann")
LINKS = Links(PUBLIC, ["the key from before", SECRET])


def path(links: Links = LINKS) -> str:
    return links.unsubscribe(ANN.customer_id).removeprefix(PUBLIC)


async def test_one_click_stops_offers_and_surveys_however_often_it_comes(ledger: Ledger) -> None:
    await ledger.keep_customer(ANN)
    async with open_world(ledger) as world:
        for _ in range(3):
            answer = await world.http.post(path(), data={"List-Unsubscribe": "One-Click"})
            assert answer.status_code == 200
            assert "You are unsubscribed" in answer.text
    said = await ledger.consents_of(ANN.customer_id)
    assert {(no.message_class, no.granted) for no in said} == {
        (MessageClass.CARE, False),
        (MessageClass.MARKETING, False),
    }


def test_letters_of_care_and_marketing_carry_the_link_that_the_settings_sign() -> None:
    settings = Settings(public_url=PUBLIC).model_copy(update={"link_key": SecretStr(SECRET)})
    written = build_letters(settings)
    offer = written.render(request("next_purchase_offer"), ANN)
    link = offer.headers["List-Unsubscribe"].strip("<>")
    assert LINKS.who_unsubscribes(link.rsplit("/", 1)[1]) == ANN.customer_id
    assert offer.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Unsubscribe" not in written.render(request("order_confirmation"), ANN).headers


async def test_a_mail_scanner_that_opens_the_link_changes_nothing(ledger: Ledger) -> None:
    async with open_world(ledger) as world:
        answer = await world.http.get(path())
        assert answer.status_code == 200
        assert '<form method="post">' in answer.text
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    assert await ledger.consents_of(ANN.customer_id) == []


async def test_a_link_of_before_the_rotation_still_works(ledger: Ledger) -> None:
    async with open_world(ledger) as world:
        answer = await world.http.post(path(Links(PUBLIC, ["the key from before"])))
    assert answer.status_code == 200


async def test_no_link_can_be_made_up(ledger: Ledger) -> None:
    token = path().rsplit("/", 1)[1]
    forged = [token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :] for i in range(len(token) - 1)]
    other = Links(PUBLIC, ["another key"]).unsubscribe(ANN.customer_id).rsplit("/", 1)[1]
    async with open_world(ledger) as world:
        for wrong in [*forged, other, json.dumps(ANN.customer_id), "x" * 5000]:
            assert (await world.http.post(f"/unsubscribe/{wrong}")).status_code in (404, 414)
    assert await ledger.consents_of(ANN.customer_id) == []
