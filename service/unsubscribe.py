"""One-click unsubscribe (RFC 8058): a POST does it, as often as it comes; a GET only shows a page, since
mail scanners open every link."""

from datetime import UTC, datetime

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import HTMLResponse

from journey.playbook import MessageClass
from service.doors import TheDoors

router = APIRouter(tags=["letters"])

_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }}
main {{ max-width: 32rem; margin: 15vh auto 0; padding: 0 1.25rem }}
button {{ font: inherit; padding: .75rem 1.5rem; border: 0; border-radius: .6rem; cursor: pointer;
  background: #1f5f4a; color: #fff }}
</style></head><body><main><h1>{title}</h1><p>{text}</p>{form}</main></body></html>
"""
_FORM = '<form method="post"><button type="submit">Unsubscribe</button></form>'
_ASK = _PAGE.format(
    title="No more letters of this kind?",
    text="You will still hear what happens to your orders. Surveys, reminders and offers stop.",
    form=_FORM,
)
_DONE = _PAGE.format(
    title="You are unsubscribed",
    text="Surveys, reminders and offers have stopped. What happens to your orders you will still hear.",
    form="",
)


_BROKEN = _PAGE.format(
    title="This link does not work",
    text="It may have been cut on its way. The link at the end of another letter does the same.",
    form="",
)


@router.get("/unsubscribe/{token}", response_class=HTMLResponse, summary="Asks; changes nothing")
async def ask(token: str, doors: TheDoors, request: Request) -> HTMLResponse:
    try:
        _customer(token, doors)
    except HTTPException:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return HTMLResponse(_BROKEN, 404, _HEADERS)
    return HTMLResponse(_ASK, headers=_HEADERS)


@router.post("/unsubscribe/{token}", response_class=HTMLResponse, summary="One-click unsubscribe, RFC 8058")
async def unsubscribe(token: str, doors: TheDoors) -> HTMLResponse:
    customer_id, now = _customer(token, doors), datetime.now(UTC)
    for message_class in (MessageClass.CARE, MessageClass.MARKETING):
        await doors.ledger.opt_out(customer_id, message_class, "one_click", now)
    return HTMLResponse(_DONE, headers=_HEADERS)


def _customer(token: str, doors: TheDoors) -> str:
    customer_id = doors.links.who_unsubscribes(token) if doors.links else None
    if customer_id is None:
        raise HTTPException(404, "this link is not one of ours")
    return customer_id
