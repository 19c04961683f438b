"""Letters: a request and a profile become a subject, an HTML part and a text part.

A letter NAME is two templates, `letters/NAME.mjml` and `letters/NAME.txt`; the text one also holds its
subject and preheader. Folders are searched in order, so that a shop replaces a template, the frame or a
catalog by dropping a file of the same name into its own folder. `built_in/...` names ours from there.
"""

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from babel import Locale
from jinja2 import (
    ChoiceLoader,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from activities.letter_catalogs import catalog_files, gaps, languages, read_catalog, spoken, translations
from activities.letter_colours import dark, light
from activities.letter_formats import plain
from activities.letter_jsonld import structured
from activities.letter_mjml import to_html
from activities.letter_shop import Page, Pages, Shop, ShopPages
from activities.letter_view import view
from activities.mailer import Letter, LetterError
from journey.messages import SendRequest
from journey.playbook import MessageClass
from ledger.customers import Profile

HTML_LIMIT = 100_000
"""Bytes of HTML beyond which mail clients clip a letter."""


@dataclass(frozen=True)
class _Language:
    locale: Locale
    templates: ImmutableSandboxedEnvironment


class Letters:
    """Renders letters. Thread-safe after construction; templates and catalogs are read when first used."""

    def __init__(
        self,
        folders: Sequence[Path],
        shop: Shop,
        *,
        pages: Pages | None = None,
        unsubscribe_url: Callable[[str], str] | None = None,
    ) -> None:
        """`folders`: the shop's own first, ours last. `unsubscribe_url`: the one-click address for a
        customer id; without it no letter carries the headers."""
        self.folders = tuple(folders)
        self.shop = shop
        self._pages = pages or ShopPages(shop)
        self._unsubscribe_url = unsubscribe_url
        self._languages = languages(self.folders)
        self._environments: dict[str, _Language] = {}

    @property
    def languages(self) -> list[str]:
        """The languages that letters can be written in."""
        return list(self._languages)

    def names(self) -> list[str]:
        """The letters there are, without those that miss a part."""
        parts = [
            {file.stem for folder in self.folders for file in (folder / "letters").glob(f"*.{kind}")}
            for kind in ("mjml", "txt")
        ]
        return sorted(set.intersection(*parts))

    def render(self, request: SendRequest, profile: Profile) -> Letter:
        """The letter. Raises `LetterError`, which names the template and never the customer."""
        language = self._language(profile.locale)
        try:
            return self._render(language, request, profile)
        except LetterError as error:
            raise LetterError(f"letter {request.letter}: {error}") from None
        except TemplateNotFound as error:
            raise LetterError(f"letter {request.letter}: there is no template {error.name}") from None
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise LetterError(f"letter {request.letter}: {_without_values(error)}") from error

    def _render(self, language: _Language, request: SendRequest, profile: Profile) -> Letter:
        unsubscribe = self._unsubscribe(request, profile)
        seen = view(request, profile, language.locale)
        context: dict[str, Any] = {each.name: getattr(seen, each.name) for each in fields(seen)}
        context |= {
            "page": lambda name, **answer: self._pages(Page(name), request, **answer),
            "unsubscribe_url": unsubscribe,
            "structured": structured(request, self.shop, self._pages(Page.ORDER, request)),
        }
        text = language.templates.get_template(f"letters/{request.letter}.txt")
        context |= {name: _block(text, name, context) for name in ("subject", "preheader")}
        mjml = language.templates.get_template(f"letters/{request.letter}.mjml")
        return Letter(
            subject=context["subject"],
            html=_small_enough(to_html(mjml.render(context))),
            text=_tidy(text.render(context)),
            headers=_unsubscribe_headers(unsubscribe),
        )

    def _unsubscribe(self, request: SendRequest, profile: Profile) -> str | None:
        if self._unsubscribe_url is None or request.message_class is MessageClass.TRANSACTIONAL:
            return None
        return self._unsubscribe_url(profile.customer_id)

    def _language(self, name: str) -> _Language:
        locale, chain = spoken(name, self._languages)
        key = str(locale)
        if key not in self._environments:
            self._environments[key] = _Language(locale, self._environment(locale, chain))
        return self._environments[key]

    def _environment(self, locale: Locale, chain: Sequence[str]) -> ImmutableSandboxedEnvironment:
        environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader(
                [
                    *(FileSystemLoader(folder) for folder in self.folders),
                    PrefixLoader({"built_in": FileSystemLoader(self.folders[-1])}),
                ]
            ),
            extensions=["jinja2.ext.i18n"],
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".mjml"),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        words = translations(self.folders, chain)
        environment.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]
        rtl = locale.text_direction == "rtl"
        environment.globals |= {
            "shop": self.shop,
            "lang": str(locale).replace("_", "-"),
            "dir": "rtl" if rtl else "ltr",
            "start": "right" if rtl else "left",
            "end": "left" if rtl else "right",
            "light": light(self.shop.accent),
            "dark": dark(self.shop.accent),
        }
        return environment

    def missing_translations(self) -> dict[str, tuple[str, ...]]:
        """By language: what its catalogs do not say, or say with other placeholders; shown in English."""
        wanted = sorted(self._sentences(), key=str)
        found: dict[str, tuple[str, ...]] = {}
        for language in self._languages:
            if "_" in language or language == "en":
                continue
            catalogs = [read_catalog(file) for file in catalog_files(self.folders, language)]
            lists = [set(gaps(wanted, catalog)) for catalog in catalogs]
            if missing := set.intersection(*lists):
                found[language] = tuple(sorted(missing))
        return found

    def _sentences(self) -> Iterable[str | tuple[str, ...]]:
        environment = self._language("en").templates
        return {sentence for folder in self.folders for sentence in sentences(environment, folder)}


def sentences(environment: ImmutableSandboxedEnvironment, folder: Path) -> Iterable[str | tuple[str, ...]]:
    """Every translatable sentence of the templates in a folder; a tuple where it has a plural."""
    for file in sorted(folder.rglob("*.mjml")) + sorted(folder.rglob("*.txt")):
        source = file.read_text(encoding="utf-8")
        for _, _, sentence in environment.extract_translations(source):  # type: ignore[attr-defined]
            yield sentence if isinstance(sentence, str) else tuple(part for part in sentence if part)


def _block(template: Template, name: str, context: dict[str, Any]) -> str:
    """One line of a text template; Jinja2 documents `blocks` for this use."""
    if name not in template.blocks:
        raise LetterError(f"{template.name} has no block {name}")
    line = plain("".join(template.blocks[name](template.new_context(context))))
    if not line:
        raise LetterError(f"{template.name}: its block {name} is empty")
    return line


def _unsubscribe_headers(url: str | None) -> dict[str, str]:
    """RFC 8058."""
    if url is None:
        return {}
    if not url.isprintable() or re.search(r"[\s<>]", url):
        raise LetterError("unsubscribe_url: should be one address without spaces")
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _small_enough(html: str) -> str:
    size = len(html.encode())
    if size > HTML_LIMIT:
        raise LetterError(f"the HTML part has {size} bytes; mail clients clip beyond {HTML_LIMIT}")
    return html


def _without_values(error: Exception) -> str:
    """A template's error may quote a value, and a value may be personal; Jinja2's own words about the
    template's text (a syntax error, a name that is not defined) quote none."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name}, line {error.lineno}: {error.message}"
    if isinstance(error, UndefinedError):
        return f"UndefinedError: {error.message}"
    return type(error).__name__


def _tidy(text: str) -> str:
    """Lines of 72 characters, addresses in one piece, never two empty lines."""
    wrapped = []
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        wrapped += textwrap.wrap(
            line.strip(),
            width=72,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(wrapped)).strip() + "\n"
