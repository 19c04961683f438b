"""How asking a provider can fail. What neither of these says has worked."""


class Refused(Exception):
    """What was asked was certainly not done: 4xx, 429, no connection, no such host.

    `retry_after` is in seconds, where the provider named it; `permanent` means that the same request will
    never be accepted. `reason` holds nothing personal.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, permanent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.permanent = permanent


class Unclear(Exception):
    """Nobody knows whether it was done: a timeout or a reset after it was written, or a 5xx. `reason` holds
    nothing personal."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
