"""CloudEvents 1.0 over HTTP, whatever their mode, as structured ones with `data`.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md. The headers of
binary mode are outside the signature, so that what the body says goes before them.
"""

from typing import Any
from urllib.parse import unquote

from service.sources.source import NotReadable, Post, parsed
from service.sources.values import base64_bytes

_ATTRIBUTES = ("specversion", "id", "type", "source", "subject", "time")


def as_structured(post: Post, data: Any) -> Any:
    """The event with its attributes around it; anything else as it is. Raises `NotReadable`."""
    kind = post.header("content-type").partition(";")[0].strip().lower()
    if kind.startswith("application/cloudevents-batch"):
        raise NotReadable("content-type: a batch of CloudEvents is not taken; post each event by itself")
    if not kind.startswith("application/cloudevents") and post.header("ce-specversion"):
        found = {name: _value(post.header(f"ce-{name}")) for name in _ATTRIBUTES}
        return _checked({name: value for name, value in found.items() if value}) | {"data": data}
    return _with_data(_checked(data)) if isinstance(data, dict) and "specversion" in data else data


def _value(header: str) -> str:
    """RFC 3986 percent-encoding of UTF-8, perhaps within quotation marks."""
    quoted = len(header) > 1 and header[0] == header[-1] == '"'
    return unquote(header[1:-1].replace("\\", "") if quoted else header)


def _checked(event: dict[str, Any]) -> dict[str, Any]:
    if event.get("specversion") != "1.0":
        raise NotReadable("specversion: should be 1.0")
    missing = [name for name in ("id", "source", "type") if not isinstance(event.get(name), str)]
    if missing:
        raise NotReadable(f"{missing[0]}: a CloudEvent should have it, as text")
    return event


def _with_data(event: dict[str, Any]) -> dict[str, Any]:
    if "data_base64" not in event:
        return event
    if "data" in event:
        raise NotReadable("data_base64: should not stand beside data")
    try:
        data = parsed(base64_bytes(event["data_base64"]))
    except Exception:
        raise NotReadable("data_base64: should be JSON in base64") from None
    return {**event, "data": data}
