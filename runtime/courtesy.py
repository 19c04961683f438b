"""Who goes first on one machine: the doors, at which somebody waits for an answer."""

import os

BEHIND = 5
"""How much nicer to others than the doors is whoever has no hurry, as in `nice`: a third of their share."""


def step_back() -> None:
    """Let the doors go first, from now on and for every process that is started from here."""
    os.nice(BEHIND)
