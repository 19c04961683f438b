"""Templates: where they are looked for, what they may do, and what is said when one fails."""

import re
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from babel import Locale
from jinja2 import (
    ChoiceLoader,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    Template,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from activities.letters.catalogs import translations
from activities.letters.colours import dark, light
from activities.letters.formats import plain
from activities.letters.shop import Shop
from activities.mailer import LetterError

_TEMPLATES = (".mjml", ".txt", ".css")

Sentence = str | tuple[str, ...]
"""A sentence of a template; a tuple where it has a plural."""


def letter_templates(
    folders: Sequence[Path], shop: Shop, locale: Locale, chain: Sequence[str]
) -> ImmutableSandboxedEnvironment:
    """The templates in one language: sandboxed, strict about what is not defined, and escaping what stands
    in MJML. `folders` are searched in order; `built_in/...` names those of the last."""
    environment = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader(
            [
                *(FileSystemLoader(folder) for folder in folders),
                PrefixLoader({"built_in": FileSystemLoader(folders[-1])}),
            ]
        ),
        extensions=["jinja2.ext.i18n"],
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith(".mjml"),
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    words = translations(folders, chain)
    environment.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {"shop": shop, **_direction(locale)}
    environment.globals |= {"light": light(shop.accent), "dark": dark(shop.accent)}
    return environment


def _direction(locale: Locale) -> dict[str, str]:
    start, end = ("right", "left") if locale.text_direction == "rtl" else ("left", "right")
    language = str(locale).replace("_", "-")
    return {"lang": language, "dir": locale.text_direction, "start": start, "end": end}


def one_line(template: Template, name: str, context: dict[str, Any]) -> str:
    """One line of a text template; Jinja2 documents `blocks` for this use."""
    if name not in template.blocks:
        raise LetterError(f"{template.name} has no block {name}")
    try:
        line = plain("".join(template.blocks[name](template.new_context(context))))
    except Exception:
        template.environment.handle_exception()  # raises it again, with the template's own line numbers
    if not line:
        raise LetterError(f"{template.name}: its block {name} is empty")
    return line


def sentences(
    environment: ImmutableSandboxedEnvironment, folders: Sequence[Path]
) -> Iterator[tuple[Sentence, tuple[str, int]]]:
    """Every sentence that can be translated, each time with the file and line where it stands."""
    for folder in folders:
        for file in sorted(file for kind in ("mjml", "txt") for file in folder.rglob(f"*.{kind}")):
            source = file.read_text(encoding="utf-8")
            for line, _, words in environment.extract_translations(source):  # type: ignore[attr-defined]
                texts = (words,) if isinstance(words, str) else tuple(word for word in words if word)
                yield texts if len(texts) > 1 else texts[0], (file.relative_to(folder).as_posix(), line)


def _not_found(error: TemplateNotFound, letter: str) -> str:
    own = {f"letters/{letter}.{kind}" for kind in ("mjml", "txt")}
    return (
        f"there is no template {error.name}" if error.name in own else "it uses a template that is not there"
    )


def what_went_wrong(error: Exception, letter: str) -> str:
    """What went wrong and on which line, without the error's own words: those may quote a value, and a
    value may be personal. Only a template's syntax errors quote nothing but the template."""
    if isinstance(error, LetterError):
        return error.reason
    if isinstance(error, TemplateNotFound):
        return _not_found(error, letter)
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name}, line {error.lineno}: {error.message}"
    missing = re.fullmatch(r"'(\w+)' is undefined", str(error)) if isinstance(error, UndefinedError) else None
    what = f"{missing[1]} is not defined" if missing else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    places = [frame for frame in frames if frame.filename.endswith(_TEMPLATES)]
    if not places:
        return what
    return f"{what}, {Path(places[-1].filename).name}, line {places[-1].lineno}"
