"""Validators of values that stand behind a telling name: is this a secret, or a placeholder, a word, some code?"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from operator import eq

from detectors.regex import byte_regex, teller

_NAMES = (
    "pass|passwd|password|passphrase|passcode|pwd|secret|token|key|credentials?|apikey|string|str|text|char|varchar"
    "|int|bool|bytes"
)
_WISHES = "own|new|api|auth|access|secret|token|key|pass|password|pwd|passwd|here|value|me|this|it|client|private"


def _any(*patterns: str) -> Callable[[bytes], bool]:
    """Whether one of these matches all of a value, in linear time: values come from records, and may be hostile."""
    return teller(byte_regex("|".join(f"(?:{p})" for p in patterns)), whole=True)


_USER_WORD = re.compile(rb"(?i)(?:my|the)?_?(?:user(?:_?name|_?id)?|login|name|uid)")
_ALNUM = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

_is_placeholder = _any(
    r"(?s)[$%#@][{(<\[].*|[{(<\[].*[})>\]]\W*",  # ${VAR}, {{ var }}, <password>, $(command), [REDACTED]
    # $VAR: more than two numbers within a name of both cases are those of a password
    r"\${1,2}(?:\d+|(?:[A-Za-z_]+\d{0,3}){1,2}|(?:[A-Z_]+\d{0,3}){3,5}|(?:[a-z_]+\d{0,3}){3,5})(?:[/.:-].*)?",
    r"%\w+%|%[sdrq]\W*|@\w+@|:[a-z_]\w*|!\w+\b.*",  # %VAR%, %s, !Ref
    r"(?i)\W*(?:x+|y{3,}|[*]+|[.]+|-+|_+|#+|[?]+|0+|(?:\xe2[\x80-\xbf]{2})+)\W*",  # xxxxx, *****
    r"(?i)(?:.*[^a-z0-9])?(?:[*]{4,}|x{5,}|[.]{3})\W*",  # sk-xxxxx, abc...
    r"(?i)(?:x{3,}|[*]{3,})[^a-z0-9].*",
    r"(?i)null|nil|none|true|false|undefined|void|n/?a|yes|no|on|off|empty|unset|unknown|optional|required",
    r"(?i)(?:.*[^a-z0-9])?(?:redacted|masked|filtered|removed|hidden|scrubbed|omitted|placeholder|obfuscated)"
    r"(?:[^a-z0-9].*)?",
    r"(?i)(?:your|my|the|some|enter|insert|put|use|replace|change|provide|type|add|paste)[\s_-]?(?:[a-z]+[\s_.-])*"
    rf"(?:{_WISHES})(?:[\s_-]?[a-z]+)*",
    r"(?i)(?:.*[^a-z0-9])?(?:your|example|sample|dummy|fake)[_-](?:.*[^a-z0-9])?(?:key|token|secret|password|value|here|id)",
    r"(?i)(?:api|auth|access|secret|private|client|bearer|user|db|database|root|admin|login|smtp|e?mail|ftp|ssh|redis"
    rf"|mysql|postgres|mongo|ldap)?[\s_-]?(?:{_NAMES})",
)

# A name as programs have them: snake_case, CONSTANT, camelCase, Title. Random letters are seldom one.
_NAME = r"(?:[a-z_$]+|[A-Z_]+|[a-z_$]*(?:[A-Z][a-z]+)+|[a-z]+(?:[A-Z][a-z]+)*[A-Z]{2,4})"
_is_code = _any(
    rf"{_NAME}(?:(?:\.|->|::|\?\.){_NAME})+(?:[(\[](?s:.*))?",  # os.environ[...], $this->key
    r"[A-Za-z_$][\w$]*[(\[](?s:.*)",  # getpass(), str(x), args[0]
    r"[&*]?[A-Za-z_]\w*[)\]}>](?:[^A-Za-z0-9](?s:.*))?",  # name), str]
    r"(?:self|this|process|os|env|config|settings|request|req|args|options|opts|params|credentials)(?:\.|->|\[)(?s:.*)",
    r"[=!<>&|+](?s:.*)|[,;)][\w\s.:$({\[-](?s:.*)",  # an operator, the next argument
    r"[A-Za-z_.#-]*(?:/[A-Za-z_.#@-]+)+|#[a-z-]+|arn:(?s:.*)",  # a path of words, an anchor
)

_is_quoted_code = _any(  # what a quoted value may refer to: a member, a call without arguments, an ARN, a path
    rf"{_NAME}(?:(?:\.|->|::|\?\.){_NAME})+(?:\(\))?",
    r"[A-Za-z_$][\w$]*\(\)",
    r"(?:self|this|process|os|env|config|settings|request|req|args|options|opts|params|credentials)(?:\.|->|\[)(?s:.*)",
    r"[=!<>&|+](?s:.*)|[,;)][\w\s.:$({\[-](?s:.*)|[.]\s{0,2}\$[a-z_](?s:.*)",
    r"[A-Za-z_.#-]*(?:/[A-Za-z_.#@-]+)+|#[a-z-]+|arn:(?s:.*)|(?:/[\w.@~-]+){3,}/?",
)

_IDENTIFIER = re.compile(rb"[A-Za-z]+(?:[_-][A-Za-z]+)*|[a-z]+(?:[A-Z][a-z]+)+|(?:[A-Z][a-z]+)+")
_PATH = re.compile(rb"(?:[A-Za-z]:|~|\.{0,2})[/\\](?:[\w.@ -]+[/\\])+[\w.@ -]*|[a-z][a-z0-9+.-]{1,12}://\S*")
_MEMBER = re.compile(rb"[a-z][a-z0-9_]{1,30}(?:\.[A-Z][A-Za-z]+)+")  # ed25519.PrivateKey
_VERSION = re.compile(rb"[v^~=<>]{0,2}\d+(?:\.\d+){1,3}[\w.+-]{0,40}")
_HOST = re.compile(
    rb"(?i)(?:[a-z0-9-]{1,63}\.){1,6}(?:com|net|org|io|dev|app|cloud|local|internal|edu|gov|example|co|svc)(?:[:/].*)?"
)
_DATE = re.compile(rb"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?|\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?")
_DIGEST = re.compile(rb"(?i)(?:sha(?:1|256|384|512)|md5)[:-].*|arn:.*|urn:.*|pkg:.*")
_NAMES_WITH_DIGITS = _MEMBER, _PATH, _VERSION, _DATE, _DIGEST, _HOST
_JOINT = re.compile(rb"[./\\:-]")
"""What joins the parts of each of these."""


# Compiled here: `re` looks a pattern up in a table each time, which takes as long as these searches.
_DIGIT, _LETTER = re.compile(rb"\d"), re.compile(rb"[A-Za-z]")
_OTHER_SIGN = re.compile(rb"[^\w.:/= -]", re.ASCII)
_HUMP, _WORDS = re.compile(rb"(?<=[a-z])(?=[A-Z])"), re.compile(rb"[A-Za-z0-9]+")
_WORD = re.compile(rb"[A-Za-z]+\d{0,2}|\d{1,10}")


def password(secret: bytes) -> bool:
    """A value that may be a password where one is expected: no placeholder, no reference, no code."""
    value = secret.strip()
    return not (_is_placeholder(value) or _is_code(value))


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


def token(secret: bytes) -> bool:
    """Any value but a placeholder for one: where the prefix says all else."""
    return not _made_up(secret)


def random_letters(secret: bytes) -> bool:
    """A `token` with a digit in it, or of letters whose case is random, as no name in a program has it."""
    capitals = sum(65 <= byte <= 90 for byte in secret)
    letters = capitals + sum(97 <= byte <= 122 for byte in secret)
    return token(secret) and (re.search(rb"\d", secret) is not None or 0.2 <= capitals / max(1, letters) <= 0.8)


_is_shown = _any(
    r"(?s).*(?:EXAMPLE.{0,8}EXAMPLE|PLACEHOLDER|CHANGEME|CHANGE_ME|REDACTED).*",
    r"(?i).*[a-z_-]here",
    r"(?s).*[*#]{4}.*",
    r".*[.]{2,}\W*",
)
_SAME = re.compile(rb"(?i)([a-z0-9])\1{4,}")
_REST = 12  # letters and digits that a secret has at least beside such runs


def _made_up(secret: bytes) -> bool:
    """A placeholder: it says so (``your-key-here``), is cut (``sk-abc...``), or is one character again and again.

    What only looks made up (``abc123…``, the example keys of documentation) is not one: whoever sees such a value left
    alone would not trust the rest.
    """
    if _is_shown(secret):
        return True
    rest = _SAME.sub(b"", secret)
    return len(rest) < len(secret) and sum(byte in _ALNUM for byte in rest) < _REST


_ROWS = (b"0123456789", b"abcdefghijklmnopqrstuvwxyz")
_NEXT = bytes.maketrans(b"".join(_ROWS), b"".join(row[1:] + row[:1] for row in _ROWS))
_NO_ALNUM = bytes(byte for byte in range(256) if byte not in _ALNUM)
_SHAPED = re.compile(rb"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}")
"""A UUID or at least a digest's length of hexadecimal digits: no placeholder takes the trouble."""
_COUNTED = 0.6  # of its letters and digits; random ones reach a tenth of that once in millions


def _counted_up(secret: bytes) -> bool:
    """Mostly runs of three or more that count up, as a person types them: ``abcdef123456``, ``a1b2c3d4``."""
    text = secret.lower().translate(None, _NO_ALNUM)
    if len(text) < 8:
        return False
    # Every character, or every second one: whether the next one follows it.
    follows = [list(map(eq, text.translate(_NEXT), text[step:])) for step in (1, 2)]
    if 1.5 * sum(map(sum, follows)) < _COUNTED * len(text):  # a run of three is two that follow
        return False
    counted = bytearray(len(text))
    for step, pairs in enumerate(follows, 1):
        for at in range(len(text) - 2 * step):
            if pairs[at] and pairs[at + step]:
                counted[at] = counted[at + step] = counted[at + 2 * step] = 1
    return sum(counted) >= _COUNTED * len(text)


def random_value(secret: bytes) -> bool:
    """A value that looks made by a machine to be secret: digits and letters mixed, no name, path, URL or version.

    Without digits, the case of its letters is random.

    What is typed along the alphabet is none, unless it has the shape of a UUID or a digest.
    """
    if _DIGIT.search(secret) is None:
        return _scrambled(secret) and password(secret) and token(secret) and not _counted_up(secret)
    return (
        _LETTER.search(secret) is not None
        and password(secret)
        and not (_JOINT.search(secret) is not None and any(p.fullmatch(secret) for p in _NAMES_WITH_DIGITS))
        and not _wordy(secret)
        and token(secret)
        and (not _counted_up(secret) or _SHAPED.fullmatch(secret) is not None)
    )


_CASES = re.compile(rb"[A-Z]+|[a-z]+")
_VOWELS = frozenset(b"aeiouAEIOU")


def _scrambled(secret: bytes) -> bool:
    """Sixteen letters or more that change their case at every third place or more often, with few vowels.

    One of thirty random values of twenty characters has no digit. Names in programs change it once in three to five
    letters, and every third one or more of theirs is a vowel.
    """
    return (
        len(secret) >= 16
        and secret.isalpha()
        and 3 * (len(_CASES.findall(secret)) - 1) >= len(secret)
        and 3 * sum(byte in _VOWELS for byte in secret) < len(secret)
    )


def random_tail(secret: bytes) -> bool:
    """A prefixed token: what stands behind the last underscore or dash is long, and random as no name is."""
    tail = re.split(rb"[_-]", secret)[-1]
    return len(tail) >= 20 and random_value(tail) and token(secret)


def long_token(secret: bytes) -> bool:
    """A `random_value`, or digits only, at least 24 of them: where a provider's token is expected."""
    return random_value(secret) or (len(secret) >= 24 and secret.isdigit() and token(secret))


def _wordy(secret: bytes) -> bool:
    """Words and short numbers with separators, as in ``my-service-account-2`` or ``user_name_1``."""
    if len(secret) >= 64 or _OTHER_SIGN.search(secret):
        return False
    words = _WORDS.findall(_HUMP.sub(b"_", secret))
    return len(words) > 1 and all(map(_WORD.fullmatch, words))


def _names_something(secret: bytes) -> bool:
    """`_wordy`, but no ``blue-Meadow17``: names with dashes are small, and a password has to have all three."""
    return _wordy(secret) and not (b"-" in secret and mixed(secret))


def quoted_password(secret: bytes) -> bool:
    """A `password` between quotes: whatever stands there is meant as a value, so only what starts as code is code."""
    value = secret.strip()
    return (len(value) > 1 or value.isalnum()) and not (
        _is_placeholder(value) or _is_placeholder(value.strip(b"'\"")) or _is_quoted_code(value)
    )


def uncounted_token(secret: bytes) -> bool:
    """A `token` that is not typed along the alphabet (``AIzaSyabcdefghij…``)."""
    return token(secret) and not _counted_up(secret)


_PUBLISHED_GOOGLE_KEYS = frozenset(
    """
    2037abcaffb2 27a9a42931df 37f8f09bdf12 3a8b61d0f636 3f370c9dd822 49f777db995e 4c98242dcadc
    8731261cb72d a19f89ab3555 a6c814bc555a dc0fcf046c61 e4a5542bb7fd ea9bb1082cf9 eb540d2b6ee2
    """.split()
)
"""Of Google's keys in the samples of Firebase and Android, which stand in thousands of repositories and open nothing:
the first digits of their SHA-256. Source: the allow-list in gitleaks' cmd/generate/config/rules/gcp.go
"""


def google_key(secret: bytes) -> bool:
    """An `uncounted_token` that is none of the keys that Google published in its samples."""
    return uncounted_token(secret) and hashlib.sha256(secret).hexdigest()[:12] not in _PUBLISHED_GOOGLE_KEYS


def shaped_or_random(shape: re.Pattern[bytes]) -> Callable[[bytes], bool]:
    """A prefixed token in its documented ``shape``; one that is not must at least not be typed along the alphabet."""
    return lambda secret: uncounted_token(secret) or (token(secret) and shape.fullmatch(secret) is not None)


def short_secret(secret: bytes) -> bool:
    """A secret that may be short (``s3cr3t``): a digit or punctuation in it, and no name of a stored secret or path."""
    return (
        quoted_password(secret)
        and re.search(rb"[^A-Za-z\s_.:/-]", secret) is not None
        and not any(p.fullmatch(secret) for p in (_IDENTIFIER, _PATH, _VERSION, _DATE, _DIGEST, _HOST))
        and not re.fullmatch(rb"[\w.-]+(?:/[\w.-]+)+", secret)
        and not re.fullmatch(rb"\d{1,3}", secret)
        and not _names_something(secret)
        and not _counted_up(secret)
    )


def plain_field(secret: bytes) -> bool:
    """A value that says something: not empty, no placeholder, no mask."""
    return bool(secret.strip()) and not _is_placeholder(secret.strip())


def person_name(secret: bytes) -> bool:
    """A value that may be a person's name: letters (any script), spaces, dots, hyphens, apostrophes; no placeholder."""
    text = secret.decode("utf-8", "replace").strip()
    letters = sum(char.isalpha() for char in text)
    return (
        2 <= letters <= 80
        and all(char.isalpha() or char in " .,'’-" or not char.isascii() for char in text)
        and len(text.split()) <= 6
        and not _is_placeholder(secret.strip())
    )


def mixed(secret: bytes) -> bool:
    """At least one digit, one capital and one small letter, as a random token of twenty characters has."""
    return all(re.search(kind, secret) for kind in (rb"\d", rb"[A-Z]", rb"[a-z]")) and token(secret)


def mixed_random(secret: bytes) -> bool:
    """A `random_value` that is `mixed`, with two digits: no digest, no UUID, no ``getItem2ByName``."""
    return sum(48 <= byte <= 57 for byte in secret) >= 2 and mixed(secret) and random_value(secret)


def named_key(secret: bytes) -> bool:
    """A `mixed_random` value, or a random one of 24 small letters and digits or more that are not all hexadecimal."""
    return mixed_random(secret) or (
        len(secret) >= 24
        and secret.isalnum()
        and secret.islower()
        and sum(48 <= byte <= 57 for byte in secret) >= 3
        and sum(103 <= byte <= 122 for byte in secret) >= 3
        and random_value(secret)
    )


def mixed_or_bech32(secret: bytes) -> bool:
    """A `mixed` value, or one in small letters behind a prefix such as ``ltc1`` and ``addr1``."""
    return mixed(secret) or re.match(rb"(?:ltc|addr)1", secret) is not None


def has_digits(secret: bytes) -> bool:
    """At least three digits: a document number, not a word in capitals."""
    return sum(48 <= byte <= 57 for byte in secret) >= 3


def header_credential(secret: bytes) -> bool:
    """A credential behind a scheme such as Bearer: no placeholder, no auth-param, and a digit or mixed case in it."""
    if not password(secret) or re.match(rb"[a-z_]{2,20}=", secret):
        return False
    return re.search(rb"\d", secret) is not None or (secret.lower() != secret and len(secret) >= 16)


def cookie_pair(secret: bytes) -> bool:
    """``name=value`` with a value that looks random: a session, not a preference or an attribute such as Path."""
    name, _, value = secret.partition(b"=")
    attributes = (b"path", b"expires", b"max-age", b"domain", b"samesite", b"version")
    return name.lower() not in attributes and len(value) >= 8 and random_value(value)


def url_password(secret: bytes) -> bool:
    """The password of a URL's user information: no placeholder, no port and path."""
    return (secret == b"secret" or password(secret)) and not re.match(rb"\d{2,5}(?:[,;\]]|$)", secret)


def query_secret(secret: bytes) -> bool:
    """The value of a telling query parameter: no placeholder, no word, no number."""
    return password(secret) and len(secret) >= 12 and random_value(secret)


def prose_token(secret: bytes) -> bool:
    """A `random_value` of twenty characters or more, or a `mixed_random` one: it may be any word of a sentence."""
    return mixed_random(secret) or (len(secret) >= 20 and random_value(secret))


def prose_password(secret: bytes) -> bool:
    """A `strong_password` that is no address, path, number, decorator or name of an attribute: it may be any word."""
    core = secret.strip(b".,;:!?'\"`()")
    return (
        strong_password(secret)
        and not core.isdigit()
        and not _PATH.fullmatch(core)
        and not re.fullmatch(rb"[*]{1,3}[a-zA-Z_.]+[*]*|@[a-zA-Z_.]+|[a-zA-Z_:-]+=", core)
        and not re.fullmatch(rb"[\w.+-]+@(?:[\w-]+(?:\.[\w-]+)+|[A-Za-z-]+)|\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?", core)
        and not _names_something(core)
    )


_BETWEEN = re.compile(rb"""[\s"',\\]+(?:-\s+["'\\]*)?""")


def secret_list(secret: bytes) -> bool:
    """Items of a list, each one a `prose_password` with letters and digits: no names of secrets, no words of a text."""
    return all(
        prose_password(item) and _DIGIT.search(item) is not None and _LETTER.search(item) is not None
        for item in _BETWEEN.split(secret)
    )


def pair_password(secret: bytes) -> bool:
    """The second half of ``user / password``: a `prose_password` with letters, digits and no host in it."""
    return secret_list(secret) and not _HOST.fullmatch(secret)


def device_password(secret: bytes) -> bool:
    """A password in a router's configuration: with a digit or punctuation in it, or a hash; no word that follows."""
    return secret.startswith(b"$") or prose_password(secret)


def field_password(secret: bytes) -> bool:
    """The value of a password field: anything but a placeholder, a flag, a number of one digit, a URL or a date."""
    return (
        plain_field(secret)
        and password(secret)
        and not re.fullmatch(
            rb"\d|[a-z]+://\S*|enabled|disabled|set|changed|never|success|failed|failure", secret, re.I
        )
        and not _DATE.fullmatch(secret)
    )


def written_out(secret: bytes) -> bool:
    """A value that is written out: no reference, no mask. Where only a value can stand, ``secret`` is one."""
    return re.search(rb"[A-Za-z0-9]", secret) is not None and not re.fullmatch(
        rb"[$%#@{<\[].*|x+|[*]+.*|.*(?:[*]{4}|x{5,}|REDACTED|MASKED).*", secret, re.DOTALL
    )


def pass_field(secret: bytes) -> bool:
    """The value of a field named ``pass``: a `field_password`, but not the count of a test summary."""
    return field_password(secret) and not re.fullmatch(rb"\d{1,6}|ok|passed", secret, re.I)


def user_name(secret: bytes) -> bool:
    """A user's name in an assignment: no placeholder, and not the word for what it is (``user=user``)."""
    return password(secret) and not _USER_WORD.fullmatch(secret)


def url_user(secret: bytes) -> bool:
    """The user of a URL's user information that also has a password: no placeholder, no scheme-like prefix."""
    return password(secret) or secret.lower() in (b"user", b"username", b"admin", b"root")


def argument_secret(secret: bytes) -> bool:
    """A secret given as an argument of a command: no reference, no option, no path or URL, no port mapping."""
    return (
        password(secret)
        and token(secret)
        and not re.match(rb"-|/|\./|~|@|\d+:\d+(?:\D|$)|\d{1,5}$|[a-z][a-z0-9+]{1,12}://", secret)
    )


_ASSETS = frozenset(
    b"png jpg jpeg gif svg webp ico js ts css html htm php py java rb go rs json yaml yml xml md txt log zip gz tar jar"
    b" service socket timer mount slice scope target device local localdomain".split()
)


def email(secret: bytes) -> bool:
    """An e-mail address by its parts: no file name, no unit of systemd, no local-only domain."""
    local, _, domain = secret.rpartition(b"@")
    suffix = domain.rpartition(b".")[2].lower()
    return 0 < len(local) <= 64 and len(domain) <= 253 and suffix not in _ASSETS and local.strip(b"%$#{}*/=?") != b""


VALIDATORS: Mapping[str, Callable[[bytes], bool]] = {
    "anthropic_key": shaped_or_random(re.compile(rb"sk-ant-[a-z]{3,5}\d\d-[\w-]{93}AA", re.ASCII)),
    "argument_secret": argument_secret,
    "cookie_pair": cookie_pair,
    "device_password": device_password,
    "email": email,
    "field_password": field_password,
    "google_key": google_key,
    "has_digits": has_digits,
    "long_token": long_token,
    "mixed": mixed,
    "mixed_or_bech32": mixed_or_bech32,
    "mixed_random": mixed_random,
    "header_credential": header_credential,
    "named_key": named_key,
    "pair_password": pair_password,
    "pass_field": pass_field,
    "password": password,
    "person_name": person_name,
    "plain_field": plain_field,
    "prose_password": prose_password,
    "prose_token": prose_token,
    "query_secret": query_secret,
    "quoted_password": quoted_password,
    "random_letters": random_letters,
    "random_tail": random_tail,
    "random_value": random_value,
    "secret_list": secret_list,
    "short_secret": short_secret,
    "strong_password": strong_password,
    "token": token,
    "uncounted_token": uncounted_token,
    "url_password": url_password,
    "url_user": url_user,
    "user_name": user_name,
    "written_out": written_out,
}
