"""Keeps the secrets that the launcher knows out of what it prints: their values, wherever they stand."""

import re
from collections.abc import Iterable, Mapping

_CALLED_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "AUTH")
_SHORTEST = 6  # characters; shorter values are words such as `true`, which a sentence needs
# To the last @ of an address: people write their passwords with any character. Also where `http://` is missing.
_PASSWORD_IN_ADDRESS = re.compile(r":(?!//)\S+@")


def redact(text: str, environment: Mapping[str, str], resolved: Iterable[str] = ()) -> str:
    """The text with `***` for the passwords of addresses, for the values of the variables whose names say that they
    are secret, and for what was `resolved`, whatever its variable is called."""
    named = (value for name, value in environment.items() if any(word in name.upper() for word in _CALLED_SECRET))
    for value in sorted({*named, *resolved}, key=len, reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, "***")
    return _PASSWORD_IN_ADDRESS.sub(":***@", text)
