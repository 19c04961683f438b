"""How Shopify names the topics of its webhooks: its API's `ORDERS_UPDATED` is a header's `orders/updated`."""

_NOT_BY_RULE = {
    name.replace("/", "_").replace(".", "_").upper(): name
    for name in (
        "app/scopes_update",
        "app_subscriptions/approaching_capped_amount",
        "audit_events/admin_api_activity",
        "customers/purchasing_summary",
        "customer.joined_segment",
        "customer.left_segment",
        "customer.tags_added",
        "customer.tags_removed",
        "discounts/redeemcode_added",
        "discounts/redeemcode_removed",
        "fulfillment_orders/cancellation_request_accepted",
        "fulfillment_orders/cancellation_request_rejected",
        "fulfillment_orders/cancellation_request_submitted",
        "fulfillment_orders/fulfillment_request_accepted",
        "fulfillment_orders/fulfillment_request_rejected",
        "fulfillment_orders/fulfillment_request_submitted",
        "fulfillment_orders/fulfillment_service_failed_to_complete",
        "fulfillment_orders/hold_released",
        "fulfillment_orders/line_items_prepared_for_local_delivery",
        "fulfillment_orders/line_items_prepared_for_pickup",
        "fulfillment_orders/manually_reported_progress_stopped",
        "fulfillment_orders/order_routing_complete",
        "fulfillment_orders/placed_on_hold",
        "fulfillment_orders/progress_reported",
        "fulfillment_orders/scheduled_fulfillment_order_ready",
        "inventory_shipments/add_items",
        "inventory_shipments/mark_in_transit",
        "inventory_shipments/receive_items",
        "inventory_shipments/remove_items",
        "inventory_shipments/update_item_quantities",
        "inventory_shipments/update_tracking",
        "inventory_transfers/add_items",
        "inventory_transfers/ready_to_ship",
        "inventory_transfers/remove_items",
        "inventory_transfers/update_item_quantities",
        "orders/link_requested",
        "orders/partially_fulfilled",
        "orders/risk_assessment_changed",
        "orders/shopify_protect_eligibility_changed",
        "product_feeds/full_sync",
        "product_feeds/full_sync_finish",
        "product_feeds/incremental_sync",
        "reverse_deliveries/attach_deliverable",
        "variants/in_stock",
        "variants/out_of_stock",
    )
}
"""Those whose event has several words; of all others, it is the last word. A test compares them with
Shopify's own list."""


def topic(name: str) -> str:
    """A topic's name in the API as a webhook's header has it."""
    resource, _, event = name.lower().rpartition("_")
    return _NOT_BY_RULE.get(name.upper(), f"{resource}/{event}")
