"""Every identifier is built, and its form decided, here."""

from typing import Annotated

from pydantic import StringConstraints

OPAQUE_ID = r"^[A-Za-z0-9#][A-Za-z0-9_.:#-]{0,63}$"
LABEL = r"^[^@\x00-\x1f\x7f-\x9f]{1,100}$"
CODE = r"^[a-z][a-z0-9_]{0,63}$"

OpaqueId = Annotated[str, StringConstraints(pattern=OPAQUE_ID)]
"""An identifier that says nothing about a person: no `@`, no spaces, at most 64 characters."""

Label = Annotated[str, StringConstraints(pattern=LABEL)]
"""A shop's or carrier's own name for a thing, in any script, spaces and slashes too; no `@`."""

Code = Annotated[str, StringConstraints(pattern=CODE)]
"""A machine's word such as `changed_mind`; never free text, which may be personal."""

GUEST = "guest-"
"""How the ids of guests begin, of which each order has its own: nobody can tell what else they bought."""

TASK_QUEUE = "thereafter"

RECONCILIATION = "reconciliation"
"""The schedule, and how the ids of what it starts begin."""


def order_workflow_id(order_id: str) -> str:
    return f"order:{order_id}"


def return_workflow_id(order_id: str, return_id: str) -> str:
    return f"return:{order_id}:{return_id}"


def erasure_workflow_id(customer_id: str) -> str:
    return f"erasure:{customer_id}"


def step_key(step: str, subject: str | None) -> str:
    """What a step is remembered by: `survey`, or `shipping_confirmation/p1` for one parcel or line."""
    return f"{step}/{subject}" if subject else step


def send_key(order_id: str, key: str) -> str:
    """The business key under which a message is claimed once and for ever."""
    return f"{order_id}/{key}"


def label_key(return_id: str) -> str:
    """What a return's label is kept by, within its order."""
    return f"{return_id}/label"


def return_of_label(order_id: str, key: str) -> str:
    """The return whose label is kept under this business key."""
    return key.removeprefix(send_key(order_id, "")).removesuffix("/label")
