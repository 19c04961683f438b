"""Whether a source's secret can be right: a wrong one would be a silent 401 for ever."""

import base64
import binascii

_OTHER_KEYS = {
    "shopify": (("shpat_", "shpca_", "shppa_"), "the app's client secret, not its access token"),
    "woocommerce": (("ck_", "cs_"), "the webhook's own secret, not a key of the REST API"),
    "easypost": (("EZAK", "EZTK"), "the webhook's own secret, not an API key"),
    "aftership": (("asat_",), "the webhook's own secret, not an API key"),
}
"""How the keys begin that are taken for the secret, as both come from the same place."""

_LEAST = 24
"""Bytes, by the specification of Standard Webhooks."""


def checked(source: str, secret: str) -> str:
    """The secret. Raises `ValueError` with what would be right, and nothing of the secret in it."""
    if not secret:
        return secret
    # WooCommerce makes secrets up in which any character may stand at the end, but none that ends a line.
    if secret != secret.strip("\r\n\t" if source == "woocommerce" else None):
        raise ValueError("should have no space or line break around it")
    match source:
        case "standard":
            return _standard(secret)
        case "stripe" if not secret.startswith("whsec_"):
            raise ValueError("should be the endpoint's signing secret, which begins with whsec_")
        case "sendgrid":
            return _sendgrid(secret)
    prefixes, right = _OTHER_KEYS.get(source, ((), ""))
    if secret.startswith(prefixes):
        raise ValueError(f"should be {right}")
    return secret


def _standard(secret: str) -> str:
    key = _decoded(secret.removeprefix("whsec_"))
    if not secret.startswith("whsec_") or key is None or len(key) < _LEAST:
        raise ValueError(f"should be whsec_ and then the base64 of {_LEAST} or more random bytes")
    return secret


def _sendgrid(secret: str) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    der = _decoded("".join(secret.split()))
    try:
        key = load_der_public_key(der) if der else None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise ValueError(
            "should be the verification key of the Event Webhook, in base64 as SendGrid shows it: "
            "an elliptic curve's public key, which begins with MF"
        )
    return secret


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
