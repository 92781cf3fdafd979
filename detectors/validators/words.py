"""Validators of values that stand behind a telling name: is this a secret, or a placeholder, a word, some code?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import re2

_NAMES = (
    "pass|passwd|password|passphrase|passcode|pwd|secret|token|key|credentials?|apikey|string|str|text|char|varchar"
    "|int|bool|bytes"
)
_WISHES = "own|new|api|auth|access|secret|token|key|pass|password|pwd|passwd|here|value|me|this|it|client|private"


def _any(*patterns: str) -> Any:
    """One linear-time pattern for all of these, over bytes: values come from records, and may be hostile."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile("|".join(f"(?:{p})" for p in patterns).encode("ascii"), options)


_PLACEHOLDER = _any(
    r"(?s)[$%#@]?[{(<\[].*",  # ${VAR}, {{ var }}, <password>, $(command), [REDACTED]
    r"\$\w+(?:[/.:-].*)?|%\w+%|%[sdrq]\W*|@\w+@|:[a-z_]\w*|!\w+\b.*",  # $VAR, %VAR%, %s, !Ref
    r"(?i)\W*(?:x+|[*]+|[.]+|-+|_+|#+|[?]+|0+|(?:\xe2\x80\xa2)+)\W*",  # xxxxx, *****
    r"(?i)(?:.*[^a-z0-9])?(?:[*]{4,}|x{5,}|[.]{3})\W*",  # sk-xxxxx, abc...
    r"(?i)(?:x{3,}|[*]{3,})[^a-z0-9].*",
    r"(?i)null|nil|none|true|false|undefined|void|n/?a|yes|no|on|off|empty|unset|unknown|optional|required",
    r"(?i)(?:.*[^a-z0-9])?(?:redacted|masked|filtered|removed|hidden|scrubbed|omitted|placeholder|obfuscated)"
    r"(?:[^a-z0-9].*)?",
    r"(?i)(?:your|my|the|some|enter|insert|put|use|replace|change|provide|type|add|paste)[\s_-]?(?:[a-z]+[\s_.-])*"
    rf"(?:{_WISHES})(?:[\s_-]?[a-z]+)*",
    r"(?i)(?:.*[^a-z0-9])?(?:your|example|sample|dummy|fake)[_-](?:.*[^a-z0-9])?(?:key|token|secret|password|value|here|id)",
    rf"(?i)(?:api|auth|access|secret|private|client|bearer|user|db|database)?[\s_-]?(?:{_NAMES})",
)

_CODE = _any(
    r"[A-Za-z_$][\w$]*(?:(?:\.|->|::|\?\.)[A-Za-z_$][\w$]*)+(?:[(\[](?s:.*))?",  # os.environ[...], $this->key
    r"[A-Za-z_$][\w$]*[(\[](?s:.*)",  # getpass(), str(x), args[0]
    r"[&*]?[A-Za-z_]\w*[)\]}>](?s:.*)",  # name), str]
    r"(?:self|this|process|os|env|config|settings|request|req|args|options|opts|params|credentials)(?:\.|->|\[)(?s:.*)",
    r"[=!<>&|+](?s:.*)",  # an operator
)

_IDENTIFIER = re.compile(rb"[A-Za-z]+(?:[_-][A-Za-z]+)*|[a-z]+(?:[A-Z][a-z]+)+|(?:[A-Z][a-z]+)+")
_PATH = re.compile(rb"(?:[A-Za-z]:|~|\.{0,2})[/\\](?:[\w.@ -]+[/\\])+[\w.@ -]*|[a-z][a-z0-9+.-]{1,12}://\S*")
_VERSION = re.compile(rb"[v^~=<>]{0,2}\d+(?:\.\d+){1,3}[\w.+-]*")
_DATE = re.compile(rb"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?|\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?")
_DIGEST = re.compile(rb"(?i)(?:sha(?:1|256|384|512)|md5)[:-].*|arn:.*|urn:.*|pkg:.*")


def password(secret: bytes) -> bool:
    """A value that may be a password where one is expected: no placeholder, no reference, no code."""
    return not (_PLACEHOLDER.fullmatch(secret) or _CODE.fullmatch(secret))


def strong_password(secret: bytes) -> bool:
    """A `password` that also holds a digit or punctuation, so that it is no word of a sentence."""
    core = secret.strip(b".,;:!?'\"`()")
    return (
        password(secret)
        and re.search(rb"[A-Za-z0-9]", core) is not None
        and re.search(rb"[^A-Za-z\s'_.:/-]", core) is not None
        and not _VERSION.fullmatch(core)
        and not _DATE.fullmatch(core)
    )


def random_value(secret: bytes) -> bool:
    """A value that looks made by a machine to be secret: digits and letters mixed, no name, path, URL or version."""
    return (
        re.search(rb"\d", secret) is not None
        and re.search(rb"[A-Za-z]", secret) is not None
        and password(secret)
        and not any(p.fullmatch(secret) for p in (_IDENTIFIER, _PATH, _VERSION, _DATE, _DIGEST))
        and not _wordy(secret)
    )


def _wordy(secret: bytes) -> bool:
    """Words and short numbers with separators, as in ``my-service-account-2`` or ``user_name_1``."""
    parts = re.split(rb"[^A-Za-z0-9]+", re.sub(rb"(?<=[a-z])(?=[A-Z])", b"_", secret))
    words = [p for p in parts if p]
    return len(words) > 1 and all(re.fullmatch(rb"[A-Za-z]+\d{0,2}|\d{1,4}", p) for p in words) and len(secret) < 64


def plain_field(secret: bytes) -> bool:
    """A value that says something: not empty, no placeholder, no mask."""
    return bool(secret.strip()) and not _PLACEHOLDER.fullmatch(secret.strip())


def person_name(secret: bytes) -> bool:
    """A value that may be a person's name: letters (any script), spaces, dots, hyphens, apostrophes; no placeholder."""
    text = secret.decode("utf-8", "replace").strip()
    letters = sum(char.isalpha() for char in text)
    return (
        2 <= letters <= 80
        and all(char.isalpha() or char in " .,'’-" or not char.isascii() for char in text)
        and len(text.split()) <= 6
        and not _PLACEHOLDER.fullmatch(secret.strip())
    )


VALIDATORS: Mapping[str, Callable[[bytes], bool]] = {
    "password": password,
    "person_name": person_name,
    "plain_field": plain_field,
    "random_value": random_value,
    "strong_password": strong_password,
}
