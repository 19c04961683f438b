"""MJML to HTML. `mrml` lets an unknown tag through in silence, so that a button with a typo is no button;
here it is refused."""

import re

import mrml

from activities.mailer import LetterError

_LEAVES = {
    "mj-accordion-text",
    "mj-accordion-title",
    "mj-button",
    "mj-navbar-link",
    "mj-preview",
    "mj-raw",
    "mj-social-element",
    "mj-style",
    "mj-table",
    "mj-text",
    "mj-title",
}
"""Tags in which HTML may stand."""

_BRANCHES = {
    "mj-accordion",
    "mj-accordion-element",
    "mj-all",
    "mj-attributes",
    "mj-body",
    "mj-breakpoint",
    "mj-carousel",
    "mj-carousel-image",
    "mj-class",
    "mj-column",
    "mj-divider",
    "mj-font",
    "mj-group",
    "mj-head",
    "mj-hero",
    "mj-image",
    "mj-navbar",
    "mj-section",
    "mj-social",
    "mj-spacer",
    "mj-wrapper",
    "mjml",
}
_NO_FONTS = mrml.RenderOptions(fonts={})
"""By default a font that a style names, such as Roboto, is fetched from Google, who is told of whoever opens
the letter. A shop's own `<mj-font>` stays."""

_TAG = re.compile(r"<!--.*?-->|<(/?)([a-zA-Z][\w:-]*)(?:[^>\"']|\"[^\"]*\"|'[^']*')*?(/?)>", re.DOTALL)


def check_tags(source: str) -> None:
    """Raise `LetterError` for a tag that MJML does not know, or one that stands where it cannot."""
    leaf = ""
    for found in _TAG.finditer(source):
        closing, tag, empty = found.groups()
        if tag is None:
            continue
        if leaf:
            if closing and tag == leaf:
                leaf = ""
            elif tag.startswith("mj"):
                raise LetterError(f"<{tag}> cannot stand in <{leaf}>")
            continue
        _check(tag)
        if tag in _LEAVES and not closing and not empty:
            leaf = "" if _in_attributes(source, found.start()) else tag
    if leaf:
        raise LetterError(f"<{leaf}> is not closed")


def _check(tag: str) -> None:
    if tag not in _LEAVES and tag not in _BRANCHES:
        known = (
            "an MJML tag" if tag.startswith("mj") else "allowed outside <mj-text>, <mj-raw> and their like"
        )
        raise LetterError(f"<{tag}> is not {known}")


def _in_attributes(source: str, position: int) -> bool:
    """Whether the tag only sets defaults: `<mj-attributes>` holds leaves that hold nothing."""
    opened = source.rfind("<mj-attributes", 0, position)
    return opened >= 0 and source.find("</mj-attributes", opened, position) < 0


def to_html(source: str) -> str:
    """The HTML of a letter. Raises `LetterError` where the MJML is wrong."""
    check_tags(source)
    try:
        output = mrml.to_html(source, render_options=_NO_FONTS)
    except OSError as error:
        raise LetterError(f"the MJML cannot be read: {error}") from None
    if output.warnings:
        raise LetterError(f"the MJML is doubtful: {output.warnings[0]}")
    return str(output.content)
