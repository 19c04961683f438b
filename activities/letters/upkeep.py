"""Bring catalogs up to date with the templates: `python -m activities.letters.upkeep [LANGUAGE ...]`.

A new sentence gets an empty entry, one that is gone is kept as obsolete. `--folder` names a shop's own
templates, whose catalogs hold their sentences and those of ours that it words in its own way. `--check`
lists what is not translated, and so is shown in English.
"""

from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from activities.letters.catalogs import SOURCE_LANGUAGE, read_catalog
from activities.letters.shop import Shop
from activities.letters.writing import Letters

OURS = Path(__file__).parents[2] / "templates"
_HEADER = "# The letters in the language that the file is named after."
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
"""Catalogs carry no date of their own: they are in version control, and a date in each is noise."""


def source_catalog(folders: Iterable[Path]) -> Catalog:
    """Every sentence of the templates, untranslated."""
    catalog = Catalog(header_comment=_HEADER, creation_date=_FIRST)
    letters = Letters(list(folders), Shop(name="any", url="https://shop.example"))
    for sentence, places in letters.sentences().items():
        catalog.add(sentence, locations=places)
    return catalog


def update_catalog(folder: Path, language: str, source: Catalog) -> Path:
    """Write `folder/locale/LANGUAGE.po` with what it said before and entries for what it does not say."""
    file = folder / "locale" / f"{language}.po"
    if file.is_file():
        catalog = read_catalog(file)
    else:
        catalog = Catalog(locale=language, creation_date=_FIRST, revision_date=_FIRST)
    catalog.update(source, no_fuzzy_matching=True)
    catalog.header_comment, catalog.fuzzy = _HEADER, False
    catalog.creation_date = catalog.revision_date = _FIRST
    catalog.project, catalog.version = "Thereafter", "letters"
    catalog.msgid_bugs_address = catalog.last_translator = catalog.language_team = "nobody in particular"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        write_po(stream, catalog, width=110, sort_by_file=True, include_lineno=False)
    return file


def _check(folder: Path) -> int:
    """List what would be shown in English."""
    folders = list(dict.fromkeys((folder.resolve(), OURS)))
    missing = Letters(folders, Shop(name="any", url="https://shop.example")).missing_translations()
    for language, sentences in missing.items():
        for sentence in sentences:
            print(f"{language}: {sentence}")  # noqa: T201
    return 1 if missing else 0


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE", help="By default those that there are.")
    parser.add_argument("--folder", type=Path, default=OURS, help="A shop's own templates.")
    parser.add_argument("--check", action="store_true", help="Only list what is not translated; 1 if any.")
    asked = parser.parse_args()
    if asked.check:
        raise SystemExit(_check(asked.folder))
    source = source_catalog(dict.fromkeys((asked.folder.resolve(), OURS)))
    known = {file.stem for file in (asked.folder / "locale").glob("*.po")} - {SOURCE_LANGUAGE}
    for language in asked.languages or sorted(known):
        print(update_catalog(asked.folder, language, source))  # noqa: T201


if __name__ == "__main__":
    main()
