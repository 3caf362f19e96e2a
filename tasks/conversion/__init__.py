"""Values in another type: each one whole, or null. Nothing is rounded, cut off or guessed, whatever the types are.

Text is a number, a date or a time where it is written as one, and dates and times are read as ISO 8601, or as the
contract's column says: see `Reading`."""

from tasks.conversion.convert import as_text, converted
from tasks.conversion.reading import Reading
from tasks.conversion.refusal import refusal

__all__ = ["Reading", "as_text", "converted", "refusal"]
