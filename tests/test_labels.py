"""Labels and papers: real PDFs, bought once."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from temporalio.exceptions import ApplicationError

from activities.labels import Address, LabelDesk, LabelRequest, NoLabel, Wanted
from activities.papers import Insert, insert_pdf
from activities.providers.demo_labels import DemoLabels
from activities.providers.easypost import EasyPostLabels
from journey.return_policy import Way
from ledger import Ledger
from ledger.orders import OrderPointer
from tests.sending import ANN, NOON

WAREHOUSE = Address("Koffie & Co", ("Warehouse 1", "12345 Shoptown"), "DE")
SENDER = Address("Ann Lee", ("Rosenweg 4", "10115 Berlin"), "DE")
WANTED = Wanted("1001-r1", Way.PRINTERLESS, SENDER, WAREHOUSE)
REQUEST = LabelRequest(order_id="1001", return_id="r1", way=Way.PRINTERLESS)


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)


@pytest.mark.parametrize("name", ["Ann Lee", "佐藤 結衣"])
async def test_the_demo_s_label_is_a_pdf_that_can_be_read(name: str) -> None:
    sender = Address(name, SENDER.lines, "DE")
    labels = DemoLabels()
    wanted = Wanted("1001-r1", Way.DROP_OFF, sender, WAREHOUSE)
    made = await labels.make(await labels.reserve(wanted), wanted)
    text = text_of(made.content)
    assert made.tracking_number in text
    assert "Rosenweg 4" in text and "Shoptown" in text and name in text


def test_the_packer_s_sheet_has_the_how_to_the_gift_note_and_the_code() -> None:
    sheet = Insert("Koffie & Co", "1001", "How to use it", ("Rinse it first.",), "Happy birthday!", "r-1001")
    text = text_of(insert_pdf(sheet))
    for words in ("Koffie & Co", "Order 1001", "Rinse it first.", "Happy birthday!", "r-1001"):
        assert words in text


@dataclass
class FakeEasyPost:
    """Shipments, as far as a return label needs them, with a log of what was bought."""

    bought: list[str] = field(default_factory=list)
    lose_answer: bool = False
    refuse: bool = False

    def __post_init__(self) -> None:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                if self.path.startswith("/files/"):
                    return self._send(200, b"%PDF-1.4 label")
                return self._send(200, fake.shipment())

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                if fake.refuse:
                    error = {"error": {"code": "ADDRESS.VERIFY.FAILURE", "message": "Rosenweg 4 is odd"}}
                    return self._send(422, error)
                if self.path.endswith("/buy"):
                    fake.bought.append(json.loads(raw)["rate"]["id"])
                    if fake.lose_answer:
                        fake.lose_answer = False
                        return self._send(500, {"error": {"code": "INTERNAL", "message": "lost"}})
                return self._send(200, fake.shipment())

            def _send(self, status: int, body: Any) -> None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def shipment(self) -> dict[str, Any]:
        rates = [
            {"id": "rate_dear", "object": "Rate", "rate": "9.90", "carrier": "UPS"},
            {"id": "rate_cheap", "object": "Rate", "rate": "4.10", "carrier": "DHL"},
        ]
        url = f"{self.host}/files/label.pdf"
        label = {"object": "PostageLabel", "label_url": url} if self.bought else None
        return {
            "id": "shp_1",
            "object": "Shipment",
            "rates": rates,
            "postage_label": label,
            "selected_rate": rates[1] if self.bought else None,
            "tracking_code": "TRACK1" if self.bought else None,
            "forms": [{"object": "Form", "form_type": "label_qr_code", "form_url": f"{self.host}/files/q"}],
        }

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def easypost() -> Iterator[FakeEasyPost]:
    fake = FakeEasyPost()
    yield fake
    fake.stop()


async def known(ledger: Ledger) -> None:
    await ledger.keep_customer(ANN)
    pointer = OrderPointer(order_id="1001", customer_id="c_ann", placed_at=NOON, address=SENDER.lines)
    await ledger.keep_order(pointer)


async def test_the_cheapest_label_is_bought_and_kept_with_its_code(
    ledger: Ledger, easypost: FakeEasyPost
) -> None:
    await known(ledger)
    desk = LabelDesk(ledger, EasyPostLabels("key", easypost.host), WAREHOUSE)
    labels = [await desk.make_label(REQUEST) for _ in range(2)]
    assert labels[0] == labels[1]
    assert (labels[0].carrier, labels[0].tracking_number) == ("DHL", "TRACK1")
    assert easypost.bought == ["rate_cheap"]
    paper = await ledger.paper("1001", "r1/label")
    assert paper is not None and paper.content == b"%PDF-1.4 label" and paper.code


async def test_a_label_whose_answer_was_lost_is_not_bought_twice(
    ledger: Ledger, easypost: FakeEasyPost
) -> None:
    await known(ledger)
    easypost.lose_answer = True
    desk = LabelDesk(ledger, EasyPostLabels("key", easypost.host), WAREHOUSE)
    with pytest.raises(ApplicationError, match="easypost answered 500"):
        await desk.make_label(REQUEST)
    assert (await desk.make_label(REQUEST)).tracking_number == "TRACK1"
    assert easypost.bought == ["rate_cheap"]


async def test_a_refusal_names_no_address(easypost: FakeEasyPost) -> None:
    easypost.refuse = True
    with pytest.raises(NoLabel) as refusal:
        await EasyPostLabels("key", easypost.host).reserve(WANTED)
    assert refusal.value.reason == "easypost answered 422: ADDRESS.VERIFY.FAILURE"
    assert refusal.value.permanent


async def test_without_a_known_customer_there_is_no_label(tmp_path: Path) -> None:
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
    with pytest.raises(ApplicationError, match="does not know the customer"):
        await LabelDesk(ledger, DemoLabels(), WAREHOUSE).make_label(REQUEST)
    await ledger.close()
