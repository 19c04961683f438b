"""Links that customers get, signed so that nobody can make one up."""

from collections.abc import Sequence

from itsdangerous import BadData, URLSafeSerializer

from runtime.settings import Settings


class Links:
    """Makes links and reads them. `keys`: the oldest first; the last one signs, all are believed."""

    def __init__(self, public_url: str, keys: Sequence[str]) -> None:
        self._public_url = public_url.rstrip("/")
        self._unsubscribe = URLSafeSerializer(list(keys), salt="unsubscribe")

    def unsubscribe(self, customer_id: str) -> str:
        """The one-click address of RFC 8058. It works as long as its key is believed: mail clients keep
        letters for years."""
        return f"{self._public_url}/unsubscribe/{self._unsubscribe.dumps(customer_id)}"

    def who_unsubscribes(self, token: str) -> str | None:
        """The customer's id, or None for a token that is not ours."""
        try:
            return str(self._unsubscribe.loads(token))
        except BadData:
            return None


def links_of(settings: Settings) -> Links | None:
    """The customers' links, where the settings say where the doors are and by which key to sign."""
    keys = [key.get_secret_value() for key in (settings.link_key_previous, settings.link_key) if key]
    return Links(settings.public_url, keys) if settings.public_url and keys else None
