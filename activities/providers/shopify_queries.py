"""The questions that Shopify is asked. What they select is what `shopify_orders.py` reads, and no more."""

_ADDRESS = """
    name firstName lastName company address1 address2 city zip provinceCode country countryCodeV2 phone
"""

_LINES = """
    nodes {
      id sku title name quantity currentQuantity
      originalUnitPriceSet { shopMoney { amount } }
      variant { legacyResourceId }
    }
    pageInfo { hasNextPage endCursor }
"""

_ORDER = f"""
  id legacyResourceId createdAt processedAt updatedAt cancelledAt cancelReason
  displayFinancialStatus currencyCode email phone customerLocale test
  customer {{
    legacyResourceId firstName lastName numberOfOrders
    defaultEmailAddress {{ emailAddress marketingState marketingUpdatedAt }}
    defaultPhoneNumber {{ phoneNumber }}
  }}
  shippingAddress {{ {_ADDRESS} }}
  billingAddress {{ {_ADDRESS} }}
  fulfillments(first: 20) {{
    legacyResourceId status createdAt updatedAt
    trackingInfo(first: 1) {{ company number url }}
    fulfillmentLineItems(first: $lines) {{
      nodes {{ quantity lineItem {{ id }} }}
      pageInfo {{ hasNextPage }}
    }}
    events(first: 20) {{
      nodes {{ id status happenedAt estimatedDeliveryAt }}
    }}
  }}
  refunds(first: 20) {{
    legacyResourceId createdAt
    refundLineItems(first: 50) {{ nodes {{ quantity restockType lineItem {{ id }} }} }}
  }}
  returns(first: 10) {{
    nodes {{
      id status
      returnLineItems(first: 50) {{
        nodes {{ ... on ReturnLineItem {{ quantity fulfillmentLineItem {{ lineItem {{ id }} }} }} }}
      }}
    }}
  }}
"""

ORDERS = f"""
query ChangedOrders($query: String!, $after: String, $orders: Int!, $lines: Int!, $counted: Boolean!) {{
  ordersCount(query: $query) @include(if: $counted) {{ count }}
  orders(first: $orders, after: $after, query: $query, sortKey: UPDATED_AT) {{
    nodes {{
      {_ORDER}
      lineItems(first: $lines) {{ {_LINES} }}
    }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""

ONE_ORDER = f"""
query WholeOrder($id: ID!, $after: String, $lines: Int!) {{
  order(id: $id) {{
    {_ORDER}
    lineItems(first: $lines, after: $after) {{ {_LINES} }}
  }}
}}
"""

SUBSCRIPTIONS = """
query Subscriptions {
  webhookSubscriptions(first: 100) {
    nodes { topic uri }
  }
}
"""
