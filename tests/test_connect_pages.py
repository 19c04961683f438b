"""The pages that tell how to connect a shop: every command on them is run, from top to bottom."""

import asyncio
import os
import re
import signal
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import worker
from activities.providers.shopify import API_VERSION
from activities.providers.shopify_topics import topic
from ledger import Ledger
from ledger.inbox import InboxState
from tests.doors import SECRET, STANDARD, STRIPE, open_world, until
from tests.fakes.shopify import FakeShopify
from tests.fakes.woocommerce import FakeWooCommerce
from tests.lost_webhooks import shop_of
from tests.test_readme import PAGES
from tests.world import dev_world, short_playbook

ROOT = Path(__file__).parent.parent
DOCS = {
    "connect-your-own": ["order_placed", "parcel_shipped", "parcel_moved"],
    "connect-shopify": ["order_placed", "order_placed"],
    "connect-woocommerce": ["order_placed"],
    "connect-providers": [
        *("order_placed", "parcel_shipped", "parcel_moved", "parcel_moved", "capture_reported"),
    ],
}

PREAMBLE = ". .venv/bin/activate"

EXAMPLE = "1005"
"""The order of `examples/orders/consumable`."""

PATIENCE = 240
"""Seconds that a page may take, on a machine that is busy with other tests too."""


@pytest_asyncio.fixture
async def shops(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, dict[str, str]]]:
    """The shops that the pages ask, and the variables by which they are reached."""
    shopify, woo = FakeShopify(), FakeWooCommerce()
    asked = {}
    for fake, source in ((shopify, "shopify"), (woo, "woocommerce")):
        fake.start()
        asked[source] = shop_of(source, fake.url)
    monkeypatch.setattr(worker, "build_shops", lambda _: asked)
    yield {
        "connect-shopify": {
            "THEREAFTER_SHOPIFY_URL": shopify.url,
            "THEREAFTER_SHOPIFY_ACCESS_TOKEN": "shpat_of_the_tests",
        },
        "connect-woocommerce": {
            "THEREAFTER_WOOCOMMERCE_URL": woo.url,
            "THEREAFTER_WOOCOMMERCE_CONSUMER_KEY": "ck_of_the_tests",
            "THEREAFTER_WOOCOMMERCE_CONSUMER_SECRET": "cs_of_the_tests",
        },
    }
    for shop in asked.values():
        await shop.close()
    for fake in (shopify, woo):
        fake.stop()


def _blocks(page: str) -> list[tuple[str, str]]:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(r"```(sh|python)\n(.*?)```", text, flags=re.DOTALL)


HEARD = """until curl --silent "$THEREAFTER/v1/orders/A-1001" --header "Authorization: Bearer $TOKEN" \\
  | grep --quiet parcel_shipped; do sleep 0.2; done
"""
"""A person takes longer than the inbox to go on to the next block; what was not shipped cannot come back."""

ASKS_BACK = 'curl --fail-with-body --silent --retry 10 "$THEREAFTER/v1/orders/A-1001/returns"'


def _script(page: str) -> str:
    """The page as one script of the shell."""
    parts = [code if kind == "sh" else _python(code) for kind, code in _blocks(page)]
    return "set -eu\n" + "\n".join(parts)


def _checkout(folder: Path) -> Path:
    """A checkout as a newcomer has it: the program's files, and `.venv` among them."""
    checkout = folder / "checkout"
    checkout.mkdir(exist_ok=True)
    for path in [path for path in ROOT.iterdir() if not path.name.startswith(".")]:
        (checkout / path.name).symlink_to(path)
    (checkout / ".venv").symlink_to(sys.prefix)
    return checkout


def _python(code: str) -> str:
    # A process that used the SDK can abort while the interpreter exits, after all its work is done.
    end = "import os, sys\nsys.stdout.flush()\nos._exit(0)\n"
    return f"python - <<'END_OF_PYTHON'\n{code}{end}END_OF_PYTHON\n"


async def _run(script: str, checkout: Path, environment: dict[str, str]) -> str:
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", script),
        cwd=checkout,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        told, _ = await asyncio.wait_for(shell.communicate(), PATIENCE)
    except TimeoutError:
        os.killpg(shell.pid, signal.SIGKILL)
        raise
    assert shell.returncode == 0, told.decode()
    return told.decode()


@pytest.mark.parametrize("page", DOCS)
async def test_every_command_of_a_page_works(  # type: ignore[no-untyped-def]
    page: str, server, tmp_path: Path, shops: dict[str, dict[str, str]]
) -> None:
    async with (
        # A block of the page may take longer than a journey of thirty fast days stays open.
        dev_world(server, tmp_path, short_playbook(close="20000 days")) as shop,
        open_world(shop.ledger, lambda: shop.client, shop.playbook) as world,
    ):
        shop.orders += ["A-1001", "P-1001", "820982911946154508", "727", EXAMPLE]
        script, checkout = _script(page), _checkout(tmp_path)
        if "temporal workflow signal" in script:
            # A person takes longer than the inbox to go on to the next block.
            script, _, last = script.partition("temporal workflow signal")
            last = f"temporal workflow signal{last}"
        else:
            last = "true"
        script = script.replace(ASKS_BACK, f"{HEARD}{ASKS_BACK}")
        environment = {
            "THEREAFTER": str(world.http.base_url).rstrip("/"),
            "THEREAFTER_HOME": str(tmp_path),
            "THEREAFTER_STANDARD_SECRET": STANDARD,
            "THEREAFTER_SHOPIFY_SECRET": SECRET,
            "THEREAFTER_WOOCOMMERCE_SECRET": SECRET,
            "THEREAFTER_EASYPOST_SECRET": SECRET,
            "THEREAFTER_AFTERSHIP_SECRET": SECRET,
            "THEREAFTER_STRIPE_SECRET": STRIPE,
            "TEMPORAL_ADDRESS": server.address,
            **shops.get(page, {}),
        }
        told = await _run(script, checkout, environment)
        assert (HEARD in script) == (page == "connect-your-own")
        assert told.count('"result":"accepted"') == len(DOCS[page])
        switched_on = ["easypost", "aftership", "stripe", "sendgrid"] if page == "connect-providers" else []
        assert re.findall(r"(\w+) 401\n", told) == switched_on

        async def delivered() -> bool:
            return await _dispatched(shop.ledger) == len(DOCS[page])

        assert await until(delivered)
        await _run(f"{PREAMBLE}\n{last}", checkout, environment)


async def _dispatched(ledger: Ledger) -> int:
    rows = await ledger.inbox_rows(InboxState.DISPATCHED)
    return len([row for row in rows if row.deeds])


@pytest.mark.parametrize("page", DOCS)
def test_every_page_begins_with_the_same_shell(page: str) -> None:
    _, first = _blocks(page)[0]
    assert first.splitlines()[0] == PREAMBLE
    assert first == _blocks("connect-your-own")[0][1]


@pytest.mark.parametrize("page", DOCS)
def test_what_a_sample_tells_of_happened_just_now(page: str) -> None:
    code = "".join(code for _, code in _blocks(page))
    assert re.findall(r"20\d\d-\d\d-\d\dT", code) == []


def test_the_pages_are_among_those_whose_links_are_followed() -> None:
    assert {f"docs/{page}.md" for page in DOCS} <= set(PAGES)


def test_shopify_s_configuration_on_the_page_subscribes_to_all_that_becomes_something() -> None:
    text = (ROOT / "docs" / "connect-shopify.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    webhooks = tomllib.loads(block)["webhooks"]
    subscribed = {name for each in webhooks["subscriptions"] for name in each.get("topics", ())}
    demanded = {name for each in webhooks["subscriptions"] for name in each.get("compliance_topics", ())}
    rows = re.findall(r"^\| (`[a-z_]+/.*?) \|", text, flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert subscribed | demanded == named | {"shop/redact"}
    assert demanded == {"customers/redact", "customers/data_request", "shop/redact"}
    [loop] = re.findall(r"for TOPIC in (.*?); do", text, flags=re.DOTALL)
    assert {topic(name) for name in loop.replace("\\", " ").split()} == subscribed
    assert webhooks["api_version"] == API_VERSION
    assert {each for each in re.findall(r"/admin/api/([^/]+)/", text)} == {API_VERSION}
    assert {each["uri"] for each in webhooks["subscriptions"]} == {"https://your.host/webhooks/shopify"}
