"""Our adapter, our translator, our page on connecting and our fake shop against Shopify's own schema.

npm `@shopify/dev-mcp` ships what the Admin API tells of itself, version by version, and which access scope
each type needs. `make contracts` unpacks it. Of webhooks it knows the topics, and not the bodies.
"""

import gzip
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLEnumType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    NoDeprecatedCustomRule,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_client_schema,
    execute_sync,
    get_named_type,
    parse,
    specified_rules,
    validate,
    visit,
)

from activities.providers.shopify import API_VERSION, ShopifyShop
from activities.providers.shopify_orders import changes_of
from activities.providers.shopify_queries import ORDERS, QUESTIONS
from activities.providers.shopify_tokens import AdminToken
from activities.providers.shopify_topics import topic
from journey.facts import CarrierStatus
from service.sources.all import translate
from tests import payloads
from tests.fakes import shopify
from tests.fakes.graphql import answered, paged, read
from tests.fakes.shopify import Entry, FakeShopify
from tests.test_shops import NOW, SINCE, everything
from tests.test_whole_orders import MORE, More

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "npm" / "node_modules" / ".shopify" / "package" / "dist" / "data"
INTROSPECTION = DATA / f"admin_{API_VERSION}.json.gz"
PAGE = (ROOT / "docs" / "connect-shopify.md").read_text(encoding="utf-8")

NO_SUBSCRIPTION = {"customers/redact", "customers/data_request", "shop/redact"}
"""Topics that the law demands: they stand in an app's configuration, and the API does not know them."""

pytestmark = pytest.mark.skipif(
    not INTROSPECTION.exists(), reason="Shopify's schema (`make contracts`) is not installed"
)


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    with gzip.open(INTROSPECTION) as file:
        whole: dict[str, Any] = json.load(file)
    return whole


@pytest.fixture(scope="module")
def schema(told: dict[str, Any]) -> GraphQLSchema:
    built = build_client_schema(told["data"], assume_valid=True)
    for name, reads in {"DateTime": _moment, "UnsignedInt64": _digits, "Decimal": _decimal}.items():
        scalar = built.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.serialize = reads  # type: ignore[method-assign]
    return built


def _moment(value: Any) -> str:
    assert datetime.fromisoformat(value).tzinfo, value
    return str(value)


def _digits(value: Any) -> str:
    assert isinstance(value, str), value
    assert value.isdigit(), value
    return value


def _decimal(value: Any) -> str:
    assert isinstance(value, str), value
    Decimal(value)
    return value


@pytest.fixture
def fake() -> Iterator[FakeShopify]:
    started = FakeShopify(points=1e9)
    started.start()
    yield started
    started.stop()


@pytest_asyncio.fixture
async def shop(fake: FakeShopify) -> AsyncIterator[ShopifyShop]:
    opened = ShopifyShop(fake.url, AdminToken(shopify.TOKEN))
    yield opened
    await opened.close()


def mistakes(schema: GraphQLSchema, query: str) -> list[str]:
    rules = [*specified_rules, NoDeprecatedCustomRule]
    return [error.message for error in validate(schema, parse(query), rules)]


def operation(query: str) -> str:
    return query.split()[1].partition("(")[0]


@pytest.mark.parametrize("query", QUESTIONS, ids=operation)
def test_each_question_is_one_that_shopify_understands(schema: GraphQLSchema, query: str) -> None:
    assert mistakes(schema, query) == []


def test_the_page_subscribes_as_shopify_understands(schema: GraphQLSchema) -> None:
    [mutation] = re.findall(r'"query": "(mutation [^"]*)"', PAGE)
    assert mistakes(schema, mutation) == []


def test_a_question_that_shopify_would_not_understand_is_noticed(schema: GraphQLSchema) -> None:
    assert mistakes(schema, ORDERS.replace("happenedAt", "happened")) != []
    assert mistakes(schema, ORDERS.replace("$events: Int!", "$events: String!")) != []
    assert "deprecated" in mistakes(schema, "{ webhookSubscriptions(first: 1) { nodes { callbackUrl } } }")[0]


def topics(schema: GraphQLSchema) -> dict[str, tuple[str, str]]:
    """How the API names each topic of a webhook, and the scope that it needs first of all."""
    known = schema.type_map["WebhookSubscriptionTopic"]
    assert isinstance(known, GraphQLEnumType)
    found = {}
    for name, value in known.values.items():
        text = re.sub(r"\s+", " ", value.description or "")
        if header := re.search(r"topic for `([^`]+)`", text):
            scope = re.search(r"Requires .*?\b((?:read|write)_\w+)", text)
            found[header[1]] = (name, scope[1] if scope else "")
    return found


def named(text: str) -> set[str]:
    return set(re.findall(r"`((?:[a-z]+_)*[a-z]+/[a-z_]+)`", text))


def test_each_topic_that_we_name_is_one_of_shopify_s(schema: GraphQLSchema) -> None:
    known = topics(schema)
    sources = (ROOT / "service" / "sources").glob("shopify*.py")
    ours = named(PAGE).union(*(named(file.read_text(encoding="utf-8")) for file in sources))
    assert {"orders/create", "fulfillment_events/create", "returns/request"} <= ours
    assert ours - NO_SUBSCRIPTION <= set(known)
    assert NO_SUBSCRIPTION.isdisjoint(known)


def test_each_topic_of_the_api_is_named_as_its_webhooks_name_it(schema: GraphQLSchema) -> None:
    known = topics(schema)
    assert len(known) > 200
    assert {name: topic(of) for name, (of, _) in known.items()} == {name: name for name in known}


def scopes(told: dict[str, Any], schema: GraphQLSchema) -> set[str]:
    """What our questions need: of several that would do, Shopify names the usual one first."""
    needed = {
        (each["typeName"], each.get("fieldName")): each["offlineScopes"]
        for each in told["offline_scopes"]["items"]
        if each["offlineScopes"]
    }
    touched: set[tuple[str, str | None]] = set()
    for query in QUESTIONS:
        types = TypeInfo(schema)
        visit(parse(query), TypeInfoVisitor(types, _Touched(types, touched)))
    return {needed[place][0] for place in touched if place in needed}


class _Touched(Visitor):
    """The types and fields that a question reaches."""

    def __init__(self, types: TypeInfo, touched: set[tuple[str, str | None]]) -> None:
        super().__init__()
        self._types, self._touched = types, touched

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, returned = self._types.get_parent_type(), get_named_type(self._types.get_type())
        assert parent is not None
        assert returned is not None
        self._touched |= {(parent.name, node.name.value), (returned.name, None)}

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        assert node.type_condition is not None
        self._touched.add((node.type_condition.name.value, None))


def test_the_page_names_the_scopes_that_it_takes_and_no_other(
    told: dict[str, Any], schema: GraphQLSchema
) -> None:
    sentence = re.search(r"The app needs the scopes ([^;]*);", PAGE)
    assert sentence is not None
    known = topics(schema)
    for_webhooks = {known[name][1] for name in named(PAGE) - NO_SUBSCRIPTION}
    assert set(re.findall(r"`(\w+)`", sentence[1])) == scopes(told, schema) | for_webhooks


def values(schema: GraphQLSchema, name: str) -> set[str]:
    enum = schema.type_map[name]
    assert isinstance(enum, GraphQLEnumType)
    return set(enum.values)


def kinds(body: dict[str, Any]) -> list[str]:
    """The facts that a payload becomes."""
    found = list(translate("shopify", json.dumps(body).encode(), NOW))
    assert not [each.problem for each in found if each.problem]
    return [deed.kind for each in found for deed in each.deeds]


CHECKPOINTS = {
    "LABEL_PRINTED": CarrierStatus.LABEL_MADE,
    "LABEL_PURCHASED": CarrierStatus.LABEL_MADE,
    "CONFIRMED": CarrierStatus.LABEL_MADE,
    "CARRIER_PICKED_UP": CarrierStatus.HANDED_OVER,
    "IN_TRANSIT": CarrierStatus.IN_TRANSIT,
    "OUT_FOR_DELIVERY": CarrierStatus.OUT_FOR_DELIVERY,
    "READY_FOR_PICKUP": CarrierStatus.READY_FOR_PICKUP,
    "ATTEMPTED_DELIVERY": CarrierStatus.ATTEMPT_FAILED,
    "DELAYED": CarrierStatus.DELAYED,
    "DELIVERED": CarrierStatus.DELIVERED,
    # It says too little to act on: the request for it may have failed before anything was sent.
    "FAILURE": CarrierStatus.UNKNOWN,
}
SHOWN = CHECKPOINTS | {
    "PICKED_UP": CarrierStatus.DELIVERED,
    # What a parcel is for the shop, and not where it is.
    **dict.fromkeys(("SUBMITTED", "FULFILLED", "MARKED_AS_FULFILLED"), CarrierStatus.UNKNOWN),
    **dict.fromkeys(("CANCELED", "LABEL_VOIDED", "NOT_DELIVERED"), CarrierStatus.UNKNOWN),
}


def statuses(body: dict[str, Any]) -> list[tuple[str, str]]:
    found = translate("shopify", json.dumps(body).encode(), NOW)
    deeds = [deed.body for each in found for deed in each.deeds if deed.kind == "parcel_moved"]
    return [(each["status"], each["raw"]) for each in deeds]


def test_each_checkpoint_is_a_status_or_a_recorded_unknown(schema: GraphQLSchema) -> None:
    assert set(CHECKPOINTS) == values(schema, "FulfillmentEventStatus")
    for word, status in CHECKPOINTS.items():
        assert statuses(payloads.shopify_event(status=word.lower())) == [(status, word.lower())]


def test_each_status_that_is_shown_of_a_parcel_is_a_status_or_a_recorded_unknown(
    schema: GraphQLSchema,
) -> None:
    assert set(SHOWN) == values(schema, "FulfillmentDisplayStatus")
    for word, status in SHOWN.items():
        body = payloads.shopify_fulfillment(shipment_status=word.lower())
        assert statuses(body) == [(status, word.lower())]


def test_only_what_was_sent_is_a_parcel(schema: GraphQLSchema) -> None:
    sent = {"SUCCESS": ["parcel_shipped"], "CANCELLED": ["parcel_moved"]}
    for word in values(schema, "FulfillmentStatus"):
        parcel = sent.get(word, [])
        assert kinds(payloads.shopify_fulfillment(status=word.lower())) == parcel, word


def test_an_order_begins_once_its_payment_is_there_or_certain(schema: GraphQLSchema) -> None:
    begins = {"AUTHORIZED", "PAID", "PARTIALLY_PAID", "PARTIALLY_REFUNDED", "REFUNDED"}
    begins_nothing = {"PENDING", "EXPIRED", "VOIDED"}
    assert begins | begins_nothing == values(schema, "OrderDisplayFinancialStatus")
    for word in begins | begins_nothing:
        placed = ["order_placed"] if word in begins else []
        assert kinds(payloads.shopify_order(financial_status=word.lower())) == placed, word


RETURNS = {
    "REQUESTED": "return_opened",
    "OPEN": "return_opened",
    "CLOSED": "return_closed",
    "CANCELED": "return_closed",
    "DECLINED": "return_closed",
}


def test_each_status_of_a_return_opens_or_closes_it(schema: GraphQLSchema, fake: FakeShopify) -> None:
    assert set(RETURNS) == values(schema, "ReturnStatus")
    for word, told in RETURNS.items():
        body = payloads.SHOPIFY_RETURN | {"status": word.lower()}
        assert kinds(body) == [told], word
        order = payloads.shopify_order()
        fake.orders, fake.returns = {order["id"]: order}, [body]
        [node] = fake.root({})["orders"]
        wanted = answered(node, _of_an_order(), dict.fromkeys(("lines", "events", "parts"), 20))
        bodies = [change.body for change in changes_of(wanted, SINCE)]
        assert [kind for body in bodies for kind in kinds(body)] == ["order_placed", told]


def _of_an_order() -> list[Any]:
    orders = next(each for each in read(ORDERS) if each.name == "orders")
    return next(each.of for each in orders.of if each.name == "nodes")


@pytest.mark.parametrize("name", ["OrderCancelReason", "RefundLineItemRestockType"])
def test_each_other_word_that_is_read_is_no_surprise(schema: GraphQLSchema, name: str) -> None:
    for word in values(schema, name):
        cancelled = payloads.shopify_order(cancelled_at="2026-03-02T10:00:00Z", cancel_reason=word.lower())
        part = {"quantity": 1, "line_item_id": 5, "restock_type": word.lower()}
        refund = payloads.SHOPIFY_REFUND | {"refund_line_items": [part]}
        assert kinds(cancelled) == ["order_placed", "order_cancelled"]
        assert kinds(refund) == ([] if word == "CANCEL" else ["return_closed"])


def executed(schema: GraphQLSchema, root: dict[str, Any], entry: Entry) -> ExecutionResult:
    """What Shopify's schema makes of the fake's data."""
    return execute_sync(
        schema,
        parse(entry.query),
        root_value=root,
        variable_values=entry.variables,
        field_resolver=_field,
        type_resolver=_kind,
    )


def _field(source: dict[str, Any], info: GraphQLResolveInfo[Any], **args: Any) -> Any:
    return paged(source[info.field_name], args)


def _kind(value: dict[str, Any], info: GraphQLResolveInfo[Any], abstract: Any) -> str:
    return "ReturnLineItem" if abstract.name == "ReturnLineItemType" else str(value["id"]).split("/")[3]


def differences(schema: GraphQLSchema, fake: FakeShopify, log: Iterable[Entry]) -> list[str]:
    """Where the fake's answer is none that Shopify could give. Numbers, texts and flags are told apart."""
    found = []
    for entry in log:
        root = fake.root(entry.variables)
        result = executed(schema, root, entry)
        found += [f"{entry.operation}: {error.message}" for error in result.errors or ()]
        answer = answered(root, read(entry.query), entry.variables)
        if json.dumps(answer, sort_keys=True) != json.dumps(result.data, sort_keys=True):
            found.append(f"{entry.operation}: another answer")
    return found


async def test_our_fake_shop_answers_as_shopify_could(
    schema: GraphQLSchema, fake: FakeShopify, shop: ShopifyShop
) -> None:
    fake.orders = {
        1: payloads.shopify_order(id=1),
        2: payloads.shopify_order(id=2, customer=None, phone="+493012345", currency="JPY"),
        3: payloads.shopify_order(
            id=3,
            updated_at="2026-03-02T10:00:00Z",
            cancelled_at="2026-03-02T10:00:00Z",
            cancel_reason="inventory",
            financial_status="refunded",
            billing_address=payloads.shopify_order()["shipping_address"],
        ),
    }
    fake.fulfillments = [payloads.shopify_fulfillment(order_id=1)]
    fake.events = [payloads.shopify_event(order_id=1, estimated_delivery_at="2026-03-05T12:00:00Z")]
    fake.refunds = [payloads.SHOPIFY_REFUND | {"order_id": 3}]
    fake.returns = [payloads.SHOPIFY_RETURN | {"order": {"id": 3}}]
    await everything(shop)
    await shop.subscriptions()
    assert {entry.operation for entry in fake.log} == {"ChangedOrders", "Subscriptions"}
    assert differences(schema, fake, fake.log) == []


@pytest.mark.parametrize("has_more", MORE)
async def test_our_fake_shop_answers_for_long_orders_as_shopify_could(
    schema: GraphQLSchema, fake: FakeShopify, shop: ShopifyShop, has_more: More
) -> None:
    order = payloads.shopify_order(updated_at="2026-03-05T10:00:00Z")
    fake.orders = {order["id"]: order}
    has_more(fake)
    await everything(shop)
    assert len(fake.log) > 1
    assert differences(schema, fake, fake.log) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"cancel_reason": "boredom"},
        {"financial_status": None, "currency": None},
        {"test": "no"},
        {"created_at": "2026-03-01T10:00:00", "processed_at": None},
    ],
    ids=["a word that is none", "nothing where something must be", "a text for a flag", "no moment"],
)
async def test_an_answer_that_shopify_would_never_give_is_noticed(
    schema: GraphQLSchema, fake: FakeShopify, shop: ShopifyShop, changes: dict[str, Any]
) -> None:
    fake.orders = {1: payloads.shopify_order(id=1, **changes)}
    await everything(shop)
    assert differences(schema, fake, fake.log) != []


def test_the_schema_is_that_of_the_version_we_ask(schema: GraphQLSchema) -> None:
    assert isinstance(schema.query_type, GraphQLObjectType)
    assert shopify.VERSION == API_VERSION
