r"""What announces, in base64 and in hexadecimal, texts of a few bytes: e-mail addresses, numbers with dots or dashes.

Of ten bytes on, `base64text.TRIGGER` and `hextext.TRIGGER` announce any text. Of fewer, so little would be left to tell
a text from a word that only these are looked for: an at sign and a dot soon behind it, or nothing but digits. Letters
beside them may be of other scripts.
"""

from __future__ import annotations

_ANY = rb"[\w+/-]"
_AT = (_ANY + rb"Q[A-P]", rb"[L-Za-v][0EUk][A-D]", _ANY * 2 + rb"[159BFJNRVZdhlptx]A")
"""An at sign behind something, as the first, second and third byte of a group."""
_DOT = (rb"L[k-nst]" + _ANY * 2, rb"[CSiy][57]" + _ANY, rb"[048AEIMQUYcgkosw]u[Q-Za-ez0]" + _ANY)
"""A dot before two letters, in the same way."""
_BETWEEN = (
    ((0, 2), (2, 0), (3, 1), (4, 2), (6, 0)),
    ((1, 0), (2, 1), (3, 2), (5, 0), (6, 1)),
    ((1, 1), (2, 2), (4, 0), (5, 1), (6, 2)),
)
"""By the place of the at sign: how many characters, after those that it decides, come before which dot."""


def _mail() -> bytes:
    """An e-mail address whose domain has up to five bytes before its dot."""
    ends = [[_ANY * count + _DOT[place] for count, place in some] for some in _BETWEEN]
    return b"|".join(at + b"(?:" + b"|".join(some) + b")" for at, some in zip(_AT, ends, strict=True))


MAIL_IN_BASE64 = _mail()
DIGITS_IN_BASE64 = rb"(?:[L-O][CDSTijyz][AEIMQUYcgk04][t-z0-5]){2}"
"""Six digits, dots and dashes, from the first place of a group on."""
MAIL_IN_HEX = rb"40(?:[0-9a-fA-F]{2}){1,5}2[eE][4-7cCdD][0-9a-fA-F][4-7cCdD89aAbB]"
DIGITS_IN_HEX = rb"(?:3[0-9]|2[dDeE]){7}"
IN_BASE64 = MAIL_IN_BASE64 + b"|" + DIGITS_IN_BASE64
IN_HEX = MAIL_IN_HEX + b"|" + DIGITS_IN_HEX
