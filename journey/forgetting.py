"""What is asked of those who forget a customer."""

from pydantic import Field

from journey.facts import Model
from journey.names import OpaqueId
from journey.times import Instant


class ErasureRequest(Model):
    """Forget this customer."""

    customer_id: OpaqueId


class Emptied(Model):
    """The rows are empty."""

    busy_until: Instant | None = Field(
        default=None, description="Until then a letter to them may still be under way to the provider."
    )
