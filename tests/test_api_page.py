"""The page that describes the API, for somebody without the internet."""

import re

from ledger import Ledger
from tests.doors import open_world


async def test_the_apis_page_fetches_nothing_from_anybody_else(ledger: Ledger) -> None:
    async with open_world(ledger) as world:
        page = await world.http.get("/docs")
        assert page.status_code == 200
        fetched = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)""", page.text)
        assert "/openapi.json" in fetched
        assert len(fetched) >= 4
        for path in fetched:
            assert path.startswith("/"), path
            answer = await world.http.get(path)
            assert (answer.status_code, len(answer.content) > 500) == (200, True), path
