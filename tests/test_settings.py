"""Settings as whoever installs it gets them wrong: one line for each, by the name of the variable."""

import pytest

from runtime import variables
from runtime.inputs import InputError
from runtime.settings import Settings, read_settings

WRONG = {
    "THEREAFTER_SERVICE_PORT": ("http", "should be a valid integer"),
    "THEREAFTER_SMTP_SECURITY": ("ssl", "should be 'none', 'starttls' or 'tls'"),
    "THEREAFTER_PUBLIC_URL": ("post.shop.example", "should be an address such as https://post.shop.example"),
    "THEREAFTER_WAREHOUSE_ADDRESS": ("Street 1", "should be JSON such as"),
    "THEREAFTER_SHOP__URL": ("shop.example", "should be an absolute https:// address"),
    "THEREAFTER_SHOP__LOGO_WIDTH": ("1", "should be greater than or equal to 24"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_told_by_the_name_of_its_variable(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, problem = WRONG[name]
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as told:
        read_settings()
    assert str(told.value).startswith(f"{name}: {problem}")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("THEREAFTER_SHOPIFY_SECRETT", "THEREAFTER_SHOPIFY_SECRET"),
        ("THEREAFTER_LEDGERURL", "THEREAFTER_LEDGER_URL"),
        ("THEREAFTER_SHOP_NAME", "THEREAFTER_SHOP__NAME"),
        ("thereafter_mailr", "THEREAFTER_MAILER"),
    ],
)
def test_a_misspelt_variable_is_not_taken_for_none(
    written: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(written, "x")
    with pytest.raises(InputError) as told:
        read_settings()
    assert str(told.value) == f"{written.upper()}: nobody reads it; did you mean {meant}?"


def test_a_variable_of_somebody_else_is_mentioned_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables._warn.cache_clear()
    monkeypatch.setenv("THEREAFTER_DEPLOYED_BY", "mia")
    read_settings()
    read_settings()
    assert capsys.readouterr().err == "THEREAFTER_DEPLOYED_BY: nobody reads it\n"


@pytest.mark.parametrize(
    "name",
    ["DB_SERVICE_PORT", "UI_SERVICE_HOST", "SERVICE_PORT_WEB", "PORT_8000_TCP", "WEB_PORT_80_TCP_ADDR"],
)
def test_what_kubernetes_sets_for_its_services_stops_nobody(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"THEREAFTER_{name}", "10.0.0.7")
    read_settings()


def test_every_setting_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    names = variables.known_variables(Settings)
    assert {"THEREAFTER_SHOP__OFFER__CODE", "THEREAFTER_SMTP_HOST", "THEREAFTER_LEDGER_URL"} <= names
    variables.check_names(names, Settings)
