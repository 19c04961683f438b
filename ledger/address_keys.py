"""What an address is compared by once it may not be kept: a keyed hash. Without the key nobody can try
addresses out on it, as they can on a plain one."""

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256


class AddressKeys:
    """Hashes addresses. The first of the secrets hashes; what was hashed with the others is still known."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [secret.encode() for secret in secrets]

    def of(self, email: str) -> str:
        """The hash under which an address is written down."""
        return keyed(self._secrets[0], plain_hash(email))

    def earlier(self, email: str) -> tuple[str, ...]:
        """Those under which it may have been written down before."""
        return tuple(keyed(secret, plain_hash(email)) for secret in self._secrets[1:])


def plain_hash(email: str) -> str:
    """Never kept: whoever has it can try out addresses."""
    return sha256(email.strip().lower().encode()).hexdigest()


def keyed(secret: bytes, hashed: str) -> str:
    """Over the plain hash, so that ledgers which kept those could be cured without the addresses."""
    mac = hmac.new(secret, hashed.encode(), sha256).digest()
    return f"1.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
