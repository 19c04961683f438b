"""What the doors answer."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import Request

from journey.facts import KINDS, Model
from journey.return_facts import FACTS
from journey.wording import is_short_of_good_ones, located, what_would_be_right


class Problem(Model):
    """What is wrong, by the name of the field, and without any value."""

    error: str = Field(examples=["lines.0.quantity: should be greater than or equal to 1"])
    request_id: str = Field(default="", examples=["9f1c22ab0d3e4f51"])


class Accepted(Model):
    """It is safe in the inbox, and will have its effect once. `repeated`: it had been there before."""

    result: str = Field(examples=["accepted"], description="accepted, repeated or ignored")


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer, for OpenAPI."""
    words = {
        400: "The body is not JSON.",
        401: "No valid key or signature.",
        403: "The key does not open this.",
        404: "Not known here.",
        408: "The body did not arrive in time.",
        409: "The id was used before for something else.",
        413: "The body is too large.",
        422: "A field is wrong; the answer names it.",
        503: "Temporal is away; ask again.",
    }
    return {status: {"model": Problem, "description": words[status]} for status in statuses}


async def answer_problem(request: Request, error: Exception) -> JSONResponse:
    """An HTTPException as JSON."""
    assert isinstance(error, HTTPException)
    return problem(request, error.status_code, str(error.detail), dict(error.headers or {}))


async def answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """What a body, path or query lacks, field by field. Values are left out: they may be personal."""
    assert isinstance(error, RequestValidationError)
    if not _is_json(request) and any(item["loc"] == ("body",) for item in error.errors()):
        return problem(request, 422, "body: should be sent with Content-Type: application/json")
    told = [_wrong(item) for item in error.errors() if not is_short_of_good_ones(item)]
    return problem(request, 422, "; ".join(told)[:2000])


def _wrong(item: ErrorDetails) -> str:
    loc, said = located(item)
    place = [str(part) for part in loc[1:] if part not in _TAGS]
    where = ".".join(place)[:100] or "body"
    return f"{where}: {what_would_be_right(item, loc, said)}"


_TAGS = KINDS | FACTS.keys()
"""Kinds of facts stand in the location of what is wrong with one, and are no fields."""


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def problem(request: Request, status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    body = {"error": text, "request_id": getattr(request.state, "request_id", "")}
    return JSONResponse(body, status_code=status, headers=headers)
