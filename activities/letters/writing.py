"""Letters: a request and a profile become a subject, an HTML part and a text part.

A letter NAME is two templates, `letters/NAME.mjml` and `letters/NAME.txt`; the text one also holds its
subject and preheader. Folders are searched in order, so that a shop replaces a template, the frame or a
catalog by dropping a file of the same name into its own folder. `built_in/...` names ours from there.
"""

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from babel import Locale
from jinja2.sandbox import ImmutableSandboxedEnvironment

from activities.letters.catalogs import (
    SOURCE_LANGUAGE,
    catalog_files,
    gaps,
    languages,
    read_catalog,
    spoken,
)
from activities.letters.jsonld import structured
from activities.letters.mjml import to_html
from activities.letters.shop import Page, Pages, Shop, ShopPages
from activities.letters.templates import Sentence, letter_templates, one_line, sentences, what_went_wrong
from activities.letters.view import view
from activities.mailer import Letter, LetterError
from journey.messages import SendRequest
from journey.playbook import MessageClass
from ledger.customers import Profile

HTML_LIMIT = 100_000
"""Bytes of HTML beyond which mail clients clip a letter."""


@dataclass(frozen=True)
class Language:
    """How one locale is written."""

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
        self._environments: dict[str, Language] = {}

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
        try:
            return self._render(self.language(profile.locale), request, profile)
        except Exception as error:  # a shop's own template, catalog or pages may fail in any way
            reason = what_went_wrong(error, request.letter)
            raise LetterError(f"letter {request.letter}: {reason}") from None

    def _render(self, language: Language, request: SendRequest, profile: Profile) -> Letter:
        unsubscribe = self._unsubscribe(request, profile)
        seen = view(request, profile, language.locale)
        context: dict[str, Any] = {each.name: getattr(seen, each.name) for each in fields(seen)}
        context |= {
            "page": lambda name, **answer: self._pages(Page(name), request, **answer),
            "unsubscribe_url": unsubscribe,
            "structured": structured(request, self.shop, self._pages(Page.ORDER, request)),
        }
        text = language.templates.get_template(f"letters/{request.letter}.txt")
        context |= {name: one_line(text, name, context) for name in ("subject", "preheader")}
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

    def language(self, name: str) -> Language:
        """The language for what a profile names. Raises `LetterError` for a bad catalog."""
        locale, chain = spoken(name, self._languages)
        key = str(locale)
        if key not in self._environments:
            templates = letter_templates(self.folders, self.shop, locale, chain)
            self._environments[key] = Language(locale, templates)
        return self._environments[key]

    def missing_translations(self) -> dict[str, tuple[str, ...]]:
        """By language: what its catalogs do not say, or say with other placeholders; shown in English."""
        wanted = list(self.sentences())
        found: dict[str, tuple[str, ...]] = {}
        for language in self._languages:
            if "_" in language or language == SOURCE_LANGUAGE:
                continue
            catalogs = [read_catalog(file) for file in catalog_files(self.folders, language)]
            lists = [set(gaps(wanted, catalog)) for catalog in catalogs]
            if missing := set.intersection(*lists):
                found[language] = tuple(sorted(missing))
        return found

    def sentences(self) -> dict[Sentence, list[tuple[str, int]]]:
        """Every sentence that can be translated, with the places where it stands."""
        found: dict[Sentence, list[tuple[str, int]]] = {}
        for sentence, place in sentences(self.language(SOURCE_LANGUAGE).templates, self.folders):
            found.setdefault(sentence, []).append(place)
        return found


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
