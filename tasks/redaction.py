"""Keeps secrets out of texts: tokens, passwords, signatures and keys, in any spelling.

Errors of ours go through it when they are made (`errors.EtlError`), and so does each text of others that is logged."""

import re

# Each keeps its first group, and what follows of the match is secret.
_SECRETS = tuple(
    re.compile(pattern, re.IGNORECASE | re.VERBOSE)
    for pattern in (
        # A URL's password reaches to the last @: people write theirs with any character, and see it refused.
        r"( :// [^/\s:]* : ) \S{1,1000} (?=@)",
        r"( \b authorization ['\"]? \s* [:=] \s* ['\"]? ) (?! https?: ) [^'\"\r\n]+",
        r"( \b bearer \s+ ) (?! \w+ = ['\"] ) [^\s'\",;]{8,}",
        # In any spelling: api_token=, "accessToken":, X-Api-Key:, AccountKey=, &sig=, and after their escape in a URL.
        r"""( (?: token | secret | passphrase | (?<![a-z]) sig
              | (?: api|access|account|primary|secondary|shared|storage|private|functions|subscription )
                [_-]? (?: access [_-]? )? key )
              ['"]? \s* (?: [=:] | %3[ad] ) \s* )
            (?: "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'? | [^\s&;]+ )""",
        # ODBC puts a password with special characters into braces.
        r"""( (?: password | passwd | pwd ) ['"]? \s* (?: [=:] | %3[ad] ) \s* )
            (?: "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'? | \{ (?: \}\} | [^}\n] )* \}? [^\s;]* | [^\s;]+ )""",
    )
)


def redact(text: str) -> str:
    """The text with the values of tokens, passwords, signatures and keys replaced by `***`."""
    for secret in _SECRETS:
        text = secret.sub(r"\1***", text)
    return text
