"""Colours that can be read: contrast as WCAG 2.2 reckons it, and the palette made from a shop's accent."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

READABLE = 4.5
"""The contrast that WCAG 2.2 asks of body text (level AA)."""

HexColour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$"), AfterValidator(str.lower)]


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    parts = [channel / 255 for channel in _channels(colour)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """From 1 (the same) to 21 (black on white)."""
    bright, dim = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """`one` with `share` (0 to 1) of `other` in it."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def readable(colour: str, background: str, *, at_least: float = READABLE) -> str:
    """The colour, moved towards black or white just far enough to be read on the background."""
    goal = max("#000000", "#ffffff", key=lambda end: contrast(end, background))
    shades = (mix(colour, goal, step / 40) for step in range(41))
    return next((shade for shade in shades if contrast(shade, background) >= at_least), goal)


@dataclass(frozen=True)
class Tones:
    """The colours of one mode. No pure black or white: clients that invert by force keep them apart."""

    page: str
    surface: str
    soft: str
    tint: str
    """The ground of a letter's head: the surface with a little of the accent in it."""
    line: str
    text: str
    muted: str
    accent: str
    """Fills: buttons, badges, the progress bar."""
    on_accent: str
    link: str
    warn: str
    """A fill, for what is not as it was promised; the surface can be read on it."""


def _tones(accent: str, share: float, **base: str) -> Tones:
    surface = base["surface"]
    fill = readable(accent, surface, at_least=3.0)
    on_fill = max("#fdfdfd", "#16181d", key=lambda text: contrast(text, fill))
    if contrast(on_fill, fill) < READABLE:
        fill = readable(fill, on_fill)
    grounds = [mix(surface, fill, share * part / 10) for part in range(10, -1, -1)]
    tint = next(each for each in grounds if contrast(base["muted"], each) >= READABLE)
    link = accent
    for ground in (surface, base["soft"], tint, base["page"]):
        link = readable(link, ground)
    return Tones(**base, tint=tint, accent=fill, on_accent=on_fill, link=link)


def light(accent: str) -> Tones:
    """The palette by day."""
    return _tones(
        accent,
        share=0.09,
        page="#f1f2f4",
        surface="#fefefe",
        soft="#f4f5f7",
        line="#e1e4e9",
        text="#1d2129",
        muted="#59616e",
        warn="#8f4f00",
    )


def dark(accent: str) -> Tones:
    """The palette by night."""
    return _tones(
        accent,
        share=0.25,
        page="#0f1115",
        surface="#1a1d23",
        soft="#252931",
        line="#363c47",
        text="#f0f2f5",
        muted="#aab2bf",
        warn="#f3b562",
    )
