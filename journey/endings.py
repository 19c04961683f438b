"""How a journey ended, for the time when the server has forgotten it."""

from journey.facts import Model
from journey.names import Code, OpaqueId
from journey.state import JourneyState
from journey.times import Instant


class JourneyEnding(Model):
    """A journey that is over, with its final state. Nothing personal is in it."""

    order_id: OpaqueId
    ending: Code
    closed_at: Instant
    state: JourneyState
