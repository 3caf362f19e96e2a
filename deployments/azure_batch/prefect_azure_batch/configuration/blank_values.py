"""What the UI's form and `prefect.yaml` leave empty: an empty string means that nothing was given."""

from typing import Any


def without_blank(cls: type, values: Any) -> Any:  # noqa: ANN401, ARG001 - `cls` is how pydantic knows its kind
    """For pydantic's `model_validator(mode="before")`: the model's defaults stand where a string is empty."""
    if not isinstance(values, dict):
        return values
    return {name: value for name, value in values.items() if value != ""}
