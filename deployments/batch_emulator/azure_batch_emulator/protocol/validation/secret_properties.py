"""Properties that the service takes and never tells again."""

from typing import TypeVar

SECRETS = frozenset({"password", "accountKey", "sasKey", "sshPrivateKey", "protectedSettings"})

Json = TypeVar("Json")


def without_secrets(value: Json) -> Json:
    """The same document without them; itself, not a copy, where there are none."""
    if isinstance(value, dict):
        return _of_object(value)  # type: ignore[return-value] # a dict of the same kind
    if isinstance(value, list):
        items = [without_secrets(item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value  # type: ignore[return-value]
    return value


def _of_object(value: dict[str, object]) -> dict[str, object]:
    changed = {}
    for name, item in value.items():
        if isinstance(item, dict | list):
            cleaned = without_secrets(item)
            if cleaned is not item:
                changed[name] = cleaned
    if not changed and not SECRETS & value.keys():
        return value
    return {name: changed.get(name, item) for name, item in value.items() if name not in SECRETS}
