"""The application: every route, and what holds for all of them."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service import (
    api_page,
    customers_api,
    health,
    orders_api,
    refunds_api,
    returns_api,
    unsubscribe,
    webhooks,
)
from service.answers import answer_invalid, answer_problem
from service.doors import Doors
from service.middleware import Requests

_ABOUT = """
The doors of Thereafter: orders, facts about them, and customers come in here; what is acknowledged is kept
until it has had its effect, once.

Make a key with `starter.py keys create "shop back-end"` and send it as `Authorization: Bearer ...`.
"""


def build_app(doors: Doors) -> FastAPI:
    """The service over what it stands on."""
    app = FastAPI(
        title="Thereafter",
        version="1",
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.doors = doors
    apis = (orders_api, returns_api, refunds_api, customers_api, webhooks, unsubscribe, health, api_page)
    for api in apis:
        app.include_router(api.router)
    app.mount(api_page.ASSETS, api_page.assets())
    app.add_exception_handler(HTTPException, answer_problem)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_middleware(Requests, largest_body=doors.largest_body)
    return app
