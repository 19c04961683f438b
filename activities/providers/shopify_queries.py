"""The questions that Shopify is asked. What they select is what `shopify_orders.py` reads, and no more.

How much of each list is asked for is a variable; `shopify_asking.py` names them.
"""

_ADDRESS = """
    name firstName lastName company address1 address2 city zip provinceCode country countryCodeV2 phone
"""

_MORE = "pageInfo { hasNextPage endCursor }"

_NODES = {
    "lineItems": """
      id sku title name quantity currentQuantity
      originalUnitPriceSet { shopMoney { amount } }
      variant { legacyResourceId }
    """,
    "fulfillmentLineItems": "quantity lineItem { id }",
    "events": "id status happenedAt estimatedDeliveryAt",
    "refundLineItems": "quantity restockType lineItem { id }",
    "returnLineItems": "... on ReturnLineItem { quantity fulfillmentLineItem { lineItem { id } } }",
}


def _list(field: str, arguments: str) -> str:
    return f"{field}({arguments}) {{ nodes {{ {_NODES[field]} }} {_MORE} }}"


_FULFILLMENT = f"""
    id legacyResourceId status createdAt updatedAt
    trackingInfo(first: 1) {{ company number url }}
    {_list("fulfillmentLineItems", "first: $lines")}
    {_list("events", "first: $events")}
"""

_REFUND = f"""
    id legacyResourceId createdAt
    return {{ id }}
    {_list("refundLineItems", "first: $lines")}
"""

_NODES["returns"] = f"""
    id status
    {_list("returnLineItems", "first: $lines")}
"""

ORDERS = f"""
query ChangedOrders(
  $query: String!, $after: String, $counted: Boolean!,
  $orders: Int!, $lines: Int!, $events: Int!, $parts: Int!
) {{
  ordersCount(query: $query) @include(if: $counted) {{ count }}
  orders(first: $orders, after: $after, query: $query, sortKey: UPDATED_AT) {{
    nodes {{
      id legacyResourceId createdAt processedAt updatedAt cancelledAt cancelReason
      displayFinancialStatus currencyCode email phone customerLocale test
      customer {{
        legacyResourceId firstName lastName numberOfOrders
        defaultEmailAddress {{ emailAddress marketingState marketingUpdatedAt }}
        defaultPhoneNumber {{ phoneNumber }}
      }}
      shippingAddress {{ {_ADDRESS} }}
      billingAddress {{ {_ADDRESS} }}
      {_list("lineItems", "first: $lines")}
      fulfillments(first: $parts) {{ {_FULFILLMENT} }}
      refunds(first: $parts) {{ {_REFUND} }}
      {_list("returns", "first: $parts")}
    }}
    {_MORE}
  }}
}}
"""


def _node(operation: str, variables: str, of: str, selected: str) -> str:
    return f"""
query {operation}($id: ID!, {variables}) {{
  node(id: $id) {{ ... on {of} {{ {selected} }} }}
}}
"""


def _rest(field: str, of: str, size: str = "lines", also: str = "") -> str:
    name = f"RestOf{field[0].upper()}{field[1:]}"
    selected = _list(field, f"first: ${size}, after: $after")
    return _node(name, f"$after: String, ${size}: Int!{also}", of, selected)


REST_OF = {
    "lineItems": _rest("lineItems", "Order"),
    "returns": _rest("returns", "Order", "parts", ", $lines: Int!"),
    "fulfillmentLineItems": _rest("fulfillmentLineItems", "Fulfillment"),
    "events": _rest("events", "Fulfillment", "events"),
    "refundLineItems": _rest("refundLineItems", "Refund"),
    "returnLineItems": _rest("returnLineItems", "Return"),
}
"""What follows in a list that broke off, by the list's name."""

IDS_OF = {
    field: _node(f"IdsOf{field.title()}", "$most: Int!", "Order", f"{field}(first: $most) {{ id }}")
    for field in ("fulfillments", "refunds")
}
"""All of a list that has no pages, by the list's name."""

EACH_OF = {
    "fulfillments": _node("OneFulfillment", "$lines: Int!, $events: Int!", "Fulfillment", _FULFILLMENT),
    "refunds": _node("OneRefund", "$lines: Int!", "Refund", _REFUND),
}
"""One of such a list."""

SUBSCRIPTIONS = f"""
query Subscriptions($after: String) {{
  webhookSubscriptions(first: 100, after: $after) {{
    nodes {{ topic uri }}
    {_MORE}
  }}
}}
"""

QUESTIONS = (ORDERS, *REST_OF.values(), *IDS_OF.values(), *EACH_OF.values(), SUBSCRIPTIONS)
"""All that Shopify is ever asked."""
