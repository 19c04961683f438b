"""A source's secret that cannot be right is refused when the program starts, not with every post."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from runtime.inputs import InputError
from runtime.settings import Settings, read_settings
from tests.doors import MAIL_PUBLIC, SECRETS, STANDARD

OTHER_CURVE = base64.b64encode(
    ed25519.Ed25519PrivateKey.generate()
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
NO_KEY = base64.b64encode(b"this is base64 and no key").decode()


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("STANDARD_SECRET", "not base64", "whsec_ and then the base64 of 24"),
        ("STANDARD_SECRET", STANDARD.removeprefix("whsec_"), "whsec_ and then the base64 of 24"),
        ("STANDARD_SECRET", "whsec_c2hvcnQ=", "whsec_ and then the base64 of 24"),
        ("STANDARD_SECRET_PREVIOUS", "whsec_%", "whsec_ and then the base64 of 24"),
        ("SENDGRID_SECRET", NO_KEY, "verification key of the Event Webhook"),
        ("SENDGRID_SECRET", OTHER_CURVE, "verification key of the Event Webhook"),
        ("SENDGRID_SECRET_PREVIOUS", "SG.an-api-key", "verification key of the Event Webhook"),
        ("STRIPE_SECRET", "sk_live_planted", "begins with whsec_"),
        ("SHOPIFY_SECRET", "shpat_planted", "not its access token"),
        ("WOOCOMMERCE_SECRET", "cs_planted", "not a key of the REST API"),
        ("EASYPOST_SECRET", "EZAKplanted", "not an API key"),
        ("AFTERSHIP_SECRET", "asat_planted", "not an API key"),
        ("SHOPIFY_SECRET", "planted\n", "no space or line break"),
    ],
)
def test_it_is_named_with_what_would_be_right_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, right: str
) -> None:
    monkeypatch.setenv(f"THEREAFTER_{name}", value)
    with pytest.raises(InputError) as refused:
        read_settings()
    said = str(refused.value)
    assert said.startswith(f"THEREAFTER_{name}: should ")
    assert right in said
    assert value.strip() not in said


def test_what_can_be_right_is_taken_and_nothing_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    right = {name: value for name, value in SECRETS.items() if name.endswith(("_secret", "_previous"))}
    right |= {"stripe_secret": "whsec_planted", "easypost_secret_previous": "", "aftership_secret": ""}
    for name, value in right.items():
        monkeypatch.setenv(f"THEREAFTER_{name.upper()}", value)
    live = read_settings().secrets()
    assert live["sendgrid"] == [MAIL_PUBLIC]
    assert len(live["standard"]) == 2
    assert "aftership" not in live


def test_every_source_s_secret_is_looked_at() -> None:
    names = {name for name in Settings.model_fields if name.split("_", 1)[1:] == ["secret"]}
    assert len(names) == 7
    looked_at = {
        name
        for each in Settings.__pydantic_decorators__.field_validators.values()
        for name in each.info.fields
    }
    assert names | {f"{name}_previous" for name in names} <= looked_at
