"""`/docs`: the API's description for people, with nothing fetched from anybody else."""

from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

ASSETS = "/docs/assets"

router = APIRouter(include_in_schema=False)


def assets() -> StaticFiles:
    """Swagger UI, as the package `fastapi-swagger` brings it."""
    return StaticFiles(directory=str(files("fastapi_swagger") / "resources"))


@router.get("/docs")
async def page(request: Request) -> HTMLResponse:
    """Swagger UI over `/openapi.json`. A key that is typed in is not kept in the browser."""
    base = str(request.scope.get("root_path", "")).rstrip("/")
    parameters: dict[str, Any] = {"tryItOutEnabled": True, "filter": True, "validatorUrl": None}
    return get_swagger_ui_html(
        openapi_url=f"{base}/openapi.json",
        title="Thereafter: the API",
        swagger_js_url=f"{base}{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{base}{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{base}{ASSETS}/favicon-32x32.png",
        swagger_ui_parameters=parameters,
    )
