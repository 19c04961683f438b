"""Labels for demo and rehearsal: made here, carried by nobody."""

import hashlib

from activities.labels import Made, Wanted
from activities.papers import PDF, label_pdf, qr_png
from journey.return_policy import Way

_TITLES = {
    Way.PICKUP: "Return: we pick it up",
    Way.DROP_OFF: "Return: drop it off",
    Way.PRINTERLESS: "Return: show the code",
    Way.BOXLESS: "Return: no box needed",
}


class DemoLabels:
    """The same reference is the same label."""

    name = "demo"

    async def reserve(self, wanted: Wanted) -> str:
        return hashlib.sha256(wanted.reference.encode()).hexdigest()[:12].upper()

    async def make(self, reservation: str, wanted: Wanted) -> Made:
        tracking = f"DEMO{reservation}"
        title = _TITLES.get(wanted.way, "Return")
        return Made(
            provider_id=reservation,
            carrier="Demo Post",
            tracking_number=tracking,
            media_type=PDF,
            content=label_pdf(wanted.reference, tracking, wanted.sender, wanted.receiver, title),
            code=qr_png(tracking),
        )
