"""Requests to write letters for, and the letters that come of them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from ruamel.yaml import YAML

from activities.letters.shop import Offer, Shop
from activities.letters.writing import Letters
from activities.mailer import Letter
from journey.facts import CarrierStatus, Line, LineQuantity, Order
from journey.messages import ParcelContent, SendRequest
from journey.playbook import MessageClass, Per, Playbook
from journey.return_letters import LETTERS as RETURN_LETTERS
from journey.return_letters import specimen_content
from ledger.customers import Profile

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "templates"
PLAYBOOK = Playbook.model_validate(YAML(typ="safe", pure=True).load(ROOT / "playbooks" / "default.yaml"))
LETTERS = [*(step.letter for step in PLAYBOOK.steps), "replenishment_humorous", *RETURN_LETTERS]

SHOP = Shop(
    name="Koffie & Co",
    url="https://shop.example",
    postal_address="Rosenweg 4, 10115 Berlin, Germany",
    support_email="care@shop.example",
    support_phone="+49 30 123456",
    review_url="https://reviews.example/koffie",
    offer=Offer(code="THANKS-10", percent=10),
)
ANN = Profile(customer_id="c_1", email="ann@home.example", name="Ann Smith")

BEANS = Line(
    line_id="1",
    sku="espresso",
    title="Espresso beans, dark roast, 1 kg",
    quantity=2,
    unit_price=1890,
    lifespan_days=30,
    guide_url="https://shop.example/guides/espresso",
)
MUG = Line(
    line_id="2",
    sku="mug",
    title='Mug "Luna" & saucer',
    quantity=4,
    unit_price=1250,
    image_url="https://cdn.shop.example/mug.jpg",
)
ORDER = Order(
    order_id="1001",
    customer_id="c_1",
    currency="EUR",
    country="DE",
    zone="Europe/Berlin",
    lines=(BEANS, MUG),
    first_order=True,
    ship_by=date(2026, 3, 3),
    deliver_by=date(2026, 3, 6),
)
PARCEL = ParcelContent(
    parcel_id="p1",
    tracking_number="00340434161094042557",
    tracking_url="https://track.example/parcel?n=1&lang=de",
    carrier="DHL",
    lines=(LineQuantity(line_id="1", quantity=2),),
    status=CarrierStatus.IN_TRANSIT,
    shipped_at=datetime(2026, 3, 2, 9, tzinfo=UTC),
    expected_by=datetime(2026, 3, 5, 23, tzinfo=UTC),
)
BARE_PARCEL = ParcelContent(parcel_id="p2")


def request(
    letter: str, *, order: Order = ORDER, parcel: ParcelContent = PARCEL, rating: int = 2
) -> SendRequest:
    """What the journey asks of `send_message` for a letter of the default playbook."""
    if letter in RETURN_LETTERS:
        return return_request(letter, order)
    step = next(step for step in PLAYBOOK.steps if step.letter == letter.removesuffix("_humorous"))
    return SendRequest(
        order_id=order.order_id,
        key=step.name,
        step=step.name,
        letter=letter,
        message_class=step.message_class,
        order=order,
        placed_at=datetime(2026, 3, 1, 9, tzinfo=UTC),
        parcel=parcel if step.per is Per.PARCEL else None,
        line=order.lines[0] if step.per is Per.LINE else None,
        rating=rating if letter == "low_rating_follow_up" else None,
        runs_out_at=datetime(2026, 4, 28, 9, tzinfo=UTC) if step.per is Per.LINE else None,
        due=datetime(2026, 3, 1, 9, tzinfo=UTC),
    )


def return_request(letter: str, order: Order) -> SendRequest:
    """What a return asks of `send_message`."""
    changes = {
        "way": "printerless" if letter == "return_approved" else "drop_off",
        "send_by": datetime(2026, 3, 29, 21, tzinfo=UTC),
    }
    return SendRequest(
        order_id=order.order_id,
        key=f"{letter}/r1",
        step=letter,
        letter=letter,
        message_class=MessageClass.TRANSACTIONAL,
        order=order,
        placed_at=datetime(2026, 3, 1, 9, tzinfo=UTC),
        case=specimen_content(order, letter).model_copy(update=changes),
        due=datetime(2026, 3, 8, 9, tzinfo=UTC),
    )


def unsubscribe_url(customer: str) -> str:
    return f"https://shop.example/unsubscribe/{customer}"


def letters(*, own: Sequence[Path] = (), shop: Shop = SHOP) -> Letters:
    return Letters([*own, TEMPLATES], shop, unsubscribe_url=unsubscribe_url)


def letter_to(profile: Profile, name: str, *, order: Order = ORDER, parcel: ParcelContent = PARCEL) -> Letter:
    """A letter as the customer gets it, from a shop that has changed nothing."""
    return OURS.render(request(name, order=order, parcel=parcel), profile)


OURS = letters()
