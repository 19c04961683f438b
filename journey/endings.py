"""How journeys end, and what is kept of them."""

from enum import StrEnum

from journey.facts import Model
from journey.names import OpaqueId
from journey.state import JourneyState
from journey.times import Instant


class Ending(StrEnum):
    """Why a journey is over."""

    COMPLETED = "completed"
    ORDER_CANCELLED = "order_cancelled"
    STOPPED = "stopped"


class JourneyEnding(Model):
    """The final state, which outlives the server's retention. Nothing personal is in it."""

    order_id: OpaqueId
    ending: Ending
    closed_at: Instant
    state: JourneyState
