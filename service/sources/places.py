"""Where a customer's clock is: from the province, the phone or the country, in this order."""

import phonenumbers
from babel.core import get_global
from phonenumbers import timezone as phone_zones

_US = {
    "America/New_York": "CT DC DE FL GA IN KY MA MD ME MI NC NH NJ NY OH PA RI SC VA VT WV",
    "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
    "America/Denver": "CO ID MT NM UT WY",
    "America/Phoenix": "AZ",
    "America/Los_Angeles": "CA NV OR WA",
    "America/Anchorage": "AK",
    "Pacific/Honolulu": "HI",
}
_CA = {
    "America/Toronto": "ON QC",
    "America/Halifax": "NB NS PE",
    "America/St_Johns": "NL",
    "America/Winnipeg": "MB",
    "America/Regina": "SK",
    "America/Edmonton": "AB NT",
    "America/Vancouver": "BC",
    "America/Whitehorse": "YT",
    "America/Iqaluit": "NU",
}
_AU = {
    "Australia/Sydney": "ACT NSW",
    "Australia/Melbourne": "VIC",
    "Australia/Brisbane": "QLD",
    "Australia/Adelaide": "SA",
    "Australia/Darwin": "NT",
    "Australia/Hobart": "TAS",
    "Australia/Perth": "WA",
}
_PROVINCES = {
    country: {code: zone for zone, codes in zones.items() for code in codes.split()}
    for country, zones in (("US", _US), ("CA", _CA), ("AU", _AU))
}
"""Of a province with two clocks, the one that most people there live by."""

_MAIN = {
    **{"US": "America/New_York", "CA": "America/Toronto", "AU": "Australia/Sydney"},
    **{"BR": "America/Sao_Paulo", "MX": "America/Mexico_City", "RU": "Europe/Moscow"},
    **{"ES": "Europe/Madrid", "PT": "Europe/Lisbon", "DE": "Europe/Berlin", "NZ": "Pacific/Auckland"},
    **{"CL": "America/Santiago", "ID": "Asia/Jakarta", "CN": "Asia/Shanghai", "FR": "Europe/Paris"},
    **{"UA": "Europe/Kyiv", "AR": "America/Argentina/Buenos_Aires", "KZ": "Asia/Almaty"},
}
"""The zone of most people, in countries that have several."""


def zone_of(country: str | None, province: str | None = None, phone: str | None = None) -> str:
    """The IANA zone to reckon with; `UTC` when nothing is known."""
    code = (province or "").upper().rpartition("-")[2]
    if zone := _PROVINCES.get(country or "", {}).get(code):
        return zone
    zones = get_global("territory_zones").get(country or "", [])
    if len(zones) == 1:
        return str(zones[0])
    by_phone = _of_phone(phone, country)
    if by_phone and (not zones or by_phone in zones):
        return by_phone
    return _MAIN.get(country or "") or (str(zones[0]) if zones else "UTC")


def _of_phone(phone: str | None, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(phone or "", country)
    except phonenumbers.NumberParseException:
        return None
    zones = phone_zones.time_zones_for_number(number)
    return zones[0] if len(zones) == 1 and "/" in zones[0] and not zones[0].startswith("Etc/") else None
