"""What is asked of those who write the letters and of those who carry them, and how each of them ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from journey.messages import SendRequest
from journey.playbook import MessageClass
from ledger.customers import Profile


@dataclass(frozen=True)
class Letter:
    """A letter, ready to go: both parts are always there."""

    subject: str
    html: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)


class LetterError(Exception):
    """A letter cannot be written. `reason` is shown to operators and holds nothing personal."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Letters(Protocol):
    """Writes letters."""

    def render(self, request: SendRequest, profile: Profile) -> Letter:
        """Raises `LetterError` with a reason that holds nothing personal."""
        ...


@dataclass(frozen=True)
class Mail:
    """A letter in its envelope."""

    to: str
    to_name: str | None
    from_: str
    subject: str
    html: str
    text: str
    headers: dict[str, str]
    message_class: MessageClass


@dataclass(frozen=True)
class Accepted:
    """The provider has taken the mail; `provider_id` is its own name for it, if it gave one."""

    provider_id: str | None = None


@dataclass(frozen=True)
class Unknown:
    """The provider cannot be asked what became of a mail."""


class Mailer(Protocol):
    """Carries mail."""

    name: str
    """Under which the ledger notes who carried a letter."""

    async def send(self, mail: Mail, reference: str) -> Accepted:
        """Hand the mail over, with the reference in its metadata. Raises `Refused` or `Unclear`."""
        ...

    async def find(self, reference: str) -> Accepted | Unknown | None:
        """What became of an earlier `send`: taken, certainly not taken (`None`), or nobody can tell."""
        ...


@runtime_checkable
class Forgetting(Protocol):
    """What a mailer may be able to do as well: have the provider forget people."""

    async def forget(self, addresses: Sequence[str]) -> str:
        """Have everything deleted that the provider keeps of these addresses; what it answered, in a few
        words without anything personal. May be repeated. Raises `Refused` or `Unclear`."""
        ...
