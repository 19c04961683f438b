"""The words of other languages: gettext catalogs, read from `locale/LANGUAGE.po` as they stand."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.support import NullTranslations, Translations

from activities.mailer import LetterError

SOURCE_LANGUAGE = "en"
_PLACE = re.compile(r"%\((\w+)\)[sd]")


def catalog_files(folders: Sequence[Path], language: str) -> list[Path]:
    """The catalogs of a language, our own first, so that those of the shop come later and win."""
    files = (folder / "locale" / f"{language}.po" for folder in reversed(folders))
    return [file for file in files if file.is_file()]


def languages(folders: Iterable[Path]) -> list[str]:
    """The languages that letters can be written in, the one of the templates first."""
    names = {file.stem for folder in folders for file in (folder / "locale").glob("*.po")}
    return [SOURCE_LANGUAGE, *sorted(names - {SOURCE_LANGUAGE})]


def read_catalog(file: Path) -> Catalog:
    """Read a catalog. Raises `LetterError` that names the line."""
    try:
        with file.open("rb") as stream:
            return read_po(stream, locale=file.stem, abort_invalid=True)
    except PoFileError as error:
        raise LetterError(f"locale/{file.name}, line {error.lineno + 1}: cannot be read") from None
    except (ValueError, UnknownLocaleError):
        raise LetterError(f"locale/{file.name}: should be UTF-8, and named after a language") from None


def translations(folders: Sequence[Path], chain: Sequence[str]) -> NullTranslations:
    """What the languages of the chain say, the first of them that says it; otherwise the English source."""
    merged: Translations | None = None
    for language in reversed(chain):
        for file in catalog_files(folders, language):
            compiled = BytesIO()
            write_mo(compiled, read_catalog(file))
            compiled.seek(0)
            layer = Translations(compiled)
            merged = layer if merged is None else merged.merge(layer)
    return merged or NullTranslations()


@lru_cache(maxsize=1024)
def _parsed(name: str) -> Locale | None:
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        return None


def spoken(name: str, available: Sequence[str]) -> tuple[Locale, list[str]]:
    """The locale to write in, and its chain of catalogs, for what a profile names (`de-AT`, `pt_BR`).

    A language that has no catalog is written to in English, dates and prices too: half of a letter in each
    would be worse.
    """
    locale = _parsed(name)
    if locale is not None:
        chain = [each for each in dict.fromkeys((str(locale), locale.language)) if each in available]
        if chain:
            return locale, chain
    return Locale(SOURCE_LANGUAGE), [SOURCE_LANGUAGE]


def gaps(wanted: Iterable[str | tuple[str, ...]], catalog: Catalog) -> Iterator[str]:
    """What a catalog does not say, or says with other placeholders than the source."""
    for msgid in wanted:
        key = msgid if isinstance(msgid, str) else msgid[0]
        message = catalog.get(key)
        if message is None or message.fuzzy or not _complete(message, catalog):
            yield key
        elif not _same_places(message):
            yield f"{key} (its placeholders differ)"


def _complete(message: Message, catalog: Catalog) -> bool:
    texts = message.string
    if texts is None or isinstance(texts, str):
        return bool(texts)
    return len(texts) == catalog.num_plurals and all(texts)


def _same_places(message: Message) -> bool:
    source = message.id if isinstance(message.id, str) else message.id[-1]
    texts = message.string or ""
    target = texts if isinstance(texts, str) else texts[-1]
    return set(_PLACE.findall(source)) == set(_PLACE.findall(target))
