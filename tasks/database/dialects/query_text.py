"""The text of a query as its author writes it: what in it is a parameter, and that it is one statement."""

import re
from collections.abc import Iterator

from tasks.errors import ConfigurationError

# What is quoted or a comment comes first, so that nothing in it is taken for anything else.
_TOKEN = re.compile(
    r"""(?P<comment> --[^\n]* | /\*.*?\*/)
    | (?P<quoted> \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`
        | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
    | (?P<parameter> (?<!:):[^\W\d]\w*)
    | (?P<end> ;)
    | (?P<mark> \?)
    | (?P<other> ::|\w+|.)""",
    re.VERBOSE | re.DOTALL,
)


def one_statement(sql: str, *, marks: bool) -> str:
    """The query without its end, in which SQLAlchemy finds a `:name` only where it is a parameter.

    `marks`: a ? would be taken for a parameter by the driver. Raises ConfigurationError for no query, for several
    statements, and for such a ?."""
    found = list(_pieces(sql, marks=marks))
    if not any(text.strip() for _, text in found):
        raise ConfigurationError("The query is empty. Give a SELECT.")
    return "".join(text for _, text in found)


def _pieces(sql: str, *, marks: bool) -> Iterator[tuple[str, str]]:
    is_over = False
    for match in _TOKEN.finditer(sql):
        kind, text = str(match.lastgroup if match.lastgroup != "tag" else "quoted"), match[0]
        if kind == "comment":
            yield kind, " "
            continue
        if is_over and kind != "end" and not text.isspace():
            raise ConfigurationError("The query has more than one statement. Give a single SELECT.")
        is_over |= kind == "end"
        if kind == "mark" and marks:
            raise ConfigurationError(
                "The query has a ? outside quotes, which this driver takes for a parameter. Write parameters as :name, "
                "and PostgreSQL's operator ? as jsonb_exists(column, 'name')."
            )
        if kind != "end":
            yield kind, text if kind == "parameter" else text.replace(":", r"\:")
