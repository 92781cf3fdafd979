"""What a value of a JSON record is called where its own key does not say: the name beside it, or that of its container.

``{"name": "DB_PASSWORD", "value": "…"}``, ``{"label": "SSN", "value": "…"}``,
``{"documentType": "PASSPORT", "documentNumber": "…"}``, ``["--password", "…"]``, ``["password", "…"]``,
``{"selector": "#password", "text": "…"}``,
``{"password": {"value": "…"}}`` and ``{"kind": "Secret", "data": {…}}``: rules on keys read such a value under the name
that tells. `NAMED_SIGNS` and `PROGRAM_SIGN` are what the gate looks for in raw bytes, at any depth of JSON in strings:
a record without one needs none of this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from detectors.regex import byte_regex, teller
from engine.views import View

_WORDS = r"passw|passphrase|pwd|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|authorization|cookie"
_PERSONAL = (
    r"ssn|social[ _-]?security|passport|national[ _-]?id|tax[ _-]?id|phone|mobile|date[ _-]?of[ _-]?birth|\bdob|iban"
    r"|\bdni|cpf|cnpj|aadhaa?r|bank[ _-]?account|identity[ _-]?card|driv(?:er|ing)s?[ _-]?licen[cs]e|us-(?:npi|mbi)"
    r"|nhs[ _-]?number|kvid-|medicare[ _-]?number"
)
_PERSON_NAMES = r"name|key|field|label|system|type"
_PERSON_VALUES = r"val(?:ue)?|number|numero"
_FORM_NAMES = r"selector|element|locator|label|placeholder|xpath|css"
_FORM_VALUES = r"text|input|keys"
_HOLDERS = r"password|passwd|passphrase|secret|api[_-]?key"
_PROGRAMS = r"curl|mysql(?:dump|admin)?|mariadb|sshpass|redis-cli|smbclient|sqlcmd|psexec(?:64)?(?:\.exe)?"

TELLING_WORDS = rf"(?i){_WORDS}|{_PERSONAL}".replace(r"\b", "").encode()
"""A word that stands wherever one of `NAMED_SIGNS` does: most records have none, and it costs next to nothing."""
NAMED_SIGNS = tuple(
    sign.encode()
    for sign in (
        # Without bounds, which take Hyperscan three times as long: a text ends somewhere.
        rf'(?i)(?:name|key|header|{_FORM_NAMES})\\*"\s*:\s*\\*"[^"\\]*(?:\\+")?(?:{_WORDS})',
        rf'(?i)(?:{_PERSON_NAMES})\\*"\s*:\s*\\*"(?:[^"\\]|\\+/)*(?:{_PERSONAL})',
        rf'(?i)[\[,]\s*\\*"[\w.-]*(?:{_WORDS})[\w.-]*\\*"\s*,\s*\\*"',
        rf'(?i)(?:{_HOLDERS})s?\\*"\s*:\s*(?:\\*")?[\[{{]',
        rf'(?i)(?:{_PERSONAL})\\*"\s*:\s*(?:\\*")?\{{',
        r'kind\\*"\s*:\s*\\*"Secret\\*"',
    )
)
PROGRAM_SIGN = rf'(?:"|/)(?:{_PROGRAMS})\\*"\s*,'.encode()

_TELLING = re.compile(rf"[^\"\\]{{0,60}}(?:{_WORDS})[\w .-]{{0,20}}".encode(), re.IGNORECASE)
_TELLING_PERSON = re.compile(rf"[^\"\\]{{0,40}}(?:{_PERSONAL})[\w .-]{{0,20}}".encode(), re.IGNORECASE)
_PERSON_NAME = re.compile(rf"(?:{_PERSON_NAMES})\Z".encode())
_FORM_NAME = re.compile(rf"(?:.*[_.-])?(?:{_FORM_NAMES})".encode())
_FORM_VALUE = re.compile(rf"{_FORM_VALUES}|val(?:ue)?".encode())
_FIELD = re.compile(
    rb"(?s).{0,120}?\b(passw(?:or)?d|passwd|passphrase|passcode|pwd|secret|(?:access|auth)[_ -]?token|api[_ -]?key)"
    rb"""(?:[ _-]?(?:field|input|box|textbox|entry))?["'\])\\ ]*""",
    re.IGNORECASE,
)
"""The place of a field in a page, by its selector or in words, that ends with what is typed there."""
_OPTION = re.compile(rf"-{{1,2}}[\w.-]{{0,58}}(?:{_WORDS})[\w.-]{{0,20}}".encode(), re.IGNORECASE)
_FILE = re.compile(rb"(?:file|path|stdin|policy|env|name|id|type|ttl)$", re.IGNORECASE)
_HOLDER = re.compile(rf"(?:[\w.-]*[_.-])?[a-z0-9]*?({_HOLDERS})(s?)".encode(), re.IGNORECASE)
_PERSONAL_HOLDER = re.compile(rf"(?:[\w.-]*[_.-])?[a-z0-9]*?(?:{_PERSONAL})".encode(), re.IGNORECASE)
_PROGRAM = re.compile(rf"(?s:.*/)?({_PROGRAMS})".encode())
_ASKED = {b"curl": (b"-u", b"--user", b"-U", b"--proxy-user"), b"redis-cli": (b"-a", b"--pass")}
"""The options of programs behind which a password stands; ``-p`` and ``-P`` of all others."""
_VALUES = frozenset((b"value", b"val", b"data", b"text", b"plain", b"plaintext", b"raw", b"string", b"content"))
_NUMBERS = frozenset((b"number", b"num", b"no"))

_ANY = r"(?:[^\"\\]|\\+[^\"\\])"
_OPENS = r'(?:\\*"(?:[^"]|\\")*)?[\[{]'
"""An object or an array begins, perhaps in a string."""
_NAMING = tuple(
    teller(byte_regex(pattern))
    for pattern in (
        rf'(?i)"-{{1,2}}[\w.-]{{0,58}}(?:{_WORDS})',
        r'"-(?:[pPauU]|-pass|-user|-proxy-user)',
        rf'(?i)\[\s*\\*"{_ANY}{{0,60}}(?:{_WORDS})[\w .-]{{0,20}}\\*"\s*,\s*[^\s\[{{]',
        rf'(?i)(?:{_HOLDERS})s\\*"\s*:\s*{_OPENS}',
        NAMED_SIGNS[-1].decode(),
    )
)
_NAMING_TOGETHER = tuple(
    (teller(byte_regex(one)), teller(byte_regex(other)))
    for one, other in (
        (
            rf'(?i)(?:{_PERSON_VALUES}|{_FORM_VALUES})\\*"\s*:',
            rf'(?i)(?:{_PERSON_NAMES}|header|{_FORM_NAMES})\\*"\s*:\s*\\*"{_ANY}{{0,60}}(?:\\+")?'
            rf"(?:{TELLING_WORDS.decode()[4:]})",
        ),
        (
            r'(?i)"(?:value|val|data|text|plain|plaintext|raw|string|content|number|num|no)\\*"\s*:',
            rf'(?i)(?:{_HOLDERS}|{_PERSONAL})\\*"\s*:\s*{_OPENS}',
        ),
    )
)

Members = dict[bytes | int, bytes]
Path = tuple[bytes | int, ...]
Scalar = tuple[int, Path, bytes]
"""A value: which text it stands in, as a number, its path there, which is not empty, and its text."""


def may_name(data: bytes) -> bool:
    """Whether `keys_of` may give a scalar of a JSON record another key than its own, if nothing hides in it.

    Most records with one of the signs have no value for what these name, no option behind the program, and so on.
    """
    return any(tells(data) for tells in _NAMING) or any(one(data) and other(data) for one, other in _NAMING_TOGETHER)


def keys_of(views: Sequence[View]) -> list[bytes]:
    """The key that each of ``views`` is read under: its own, or one that tells more of it."""
    names = names_of(
        [
            None
            if view.kind == "key" or view.step is None or _is_pair(view)
            else (id(view.parent), view.step.names(), view.text)
            for view in views
        ]
    )
    return [name or view.key for view, name in zip(views, names, strict=True)]


def names_of(scalars: Iterable[Scalar | None]) -> list[bytes]:
    """What each of ``scalars`` is called by what stands beside or above it; empty where nothing tells."""
    neighbours = _Neighbours()
    held = [(one, neighbours.add(one)) if one is not None else None for one in scalars]
    return [neighbours.name(*one) if one is not None else b"" for one in held]


def _is_pair(view: View) -> bool:
    """Whether this is the value of a ``key=value`` pair: the signs say nothing of those, nor of a text as a whole."""
    return view.member is None and view.parent is not None and view.parent.parent is None


class _Neighbours:
    """What stands beside and above the values of a record. What is found out of a container or key is kept:
    a thousand values may stand in one.
    """

    __slots__ = ("_holders", "_members", "_names", "_personal", "_programs")

    def __init__(self) -> None:
        self._members: dict[tuple[int, Path], Members] = {}
        self._names: dict[int, bytes] = {}
        self._programs: dict[int, list[bytes]] = {}
        self._holders: dict[bytes, tuple[bytes, bytes] | None] = {}
        self._personal: dict[bytes, bool] = {}

    def add(self, scalar: Scalar) -> Members:
        """Adds a scalar to those that its container holds."""
        owner, path, text = scalar
        beside = self._members.setdefault((owner, path[:-1]), {})
        beside[path[-1]] = text
        return beside

    def name(self, scalar: Scalar, beside: Members) -> bytes:
        """What a value is called by what stands around it; empty if nothing tells."""
        owner, path, text = scalar
        own = path[-1]
        if isinstance(own, int):
            before = beside.get(own - 1, b"")
            if _OPTION.fullmatch(before) and not _FILE.search(before):
                return before.lstrip(b"-")
            if self._is_argument(own, text, before, beside):
                return b"password"
            if own == 1 and len(beside) == 2 and _TELLING.fullmatch(before):
                return before
            return self._held(owner, path)
        return self._beside(own.lower(), beside) or self._held(owner, path)

    def _beside(self, own: bytes, beside: Members) -> bytes:
        """What a member of the object calls the value or the number under ``own``; empty if none tells."""
        if own.endswith((b"value", b"val")) and (told := self._told(beside)):
            return told
        if _FORM_VALUE.fullmatch(own):
            return _field(beside)
        told = self._told(beside) if own.endswith((b"number", b"numero")) else b""
        return told if _TELLING_PERSON.fullmatch(told) else b""

    def _told(self, beside: Members) -> bytes:
        """The name that a member of the object gives the value beside it."""
        told = self._names.get(id(beside))
        if told is None:
            names = [text for name, text in beside.items() if isinstance(name, bytes) and _tells(name.lower(), text)]
            secrets = (text.rpartition(b"/")[2] for text in names if _TELLING.fullmatch(text))
            told = self._names[id(beside)] = next(secrets, names[0] if names else b"")
        return told

    def _is_argument(self, number: int, text: bytes, before: bytes, beside: Members) -> bool:
        """Whether this element of an argument list is the password that a known program is given by a short option."""
        programs = self._programs.get(id(beside))
        if programs is None:  # behind sudo, env or the like
            found = [_PROGRAM.fullmatch(beside.get(place, b"")) for place in range(3)]
            programs = self._programs[id(beside)] = [one[1] if one is not None else b"" for one in found]
        for program in filter(None, programs[:number]):
            if program.startswith((b"mysql", b"mariadb")):
                return text.startswith(b"-p") and len(text) > 2
            return before in _ASKED.get(program, (b"-p", b"-P")) and (program != b"curl" or b":" in text)
        return False

    def _held(self, owner: int, path: Path) -> bytes:
        """The name of what holds the value; empty if it tells nothing."""
        last = path[-1]
        own = last.lower() if isinstance(last, bytes) else b""
        at = len(path) - 2
        while at >= 0 and isinstance(path[at], int):
            at -= 1
        above = path[at] if at >= 0 else b""
        if at < 0 or not isinstance(above, bytes):
            return b""
        if above in (b"data", b"stringData") and own:
            top = self._members.get((owner, path[:at]), {})
            return b"password" if top.get(b"kind") == b"Secret" else b""
        if (own in _VALUES or own in _NUMBERS) and self._is_personal(above):
            return above
        if above not in self._holders:
            found = _HOLDER.fullmatch(above)
            self._holders[above] = (found[1], found[2]) if found is not None else None
        holder = self._holders[above]
        return b"" if holder is None or not (holder[1] or own in _VALUES) else holder[0]

    def _is_personal(self, name: bytes) -> bool:
        known = self._personal.get(name)
        if known is None:
            known = self._personal[name] = _PERSONAL_HOLDER.fullmatch(name) is not None
        return known


def _field(beside: Members) -> bytes:
    """What is typed into the field that a member of the object locates; empty if none does."""
    located = (text for name, text in beside.items() if isinstance(name, bytes) and _FORM_NAME.fullmatch(name.lower()))
    return next((found[1] for text in located if (found := _FIELD.fullmatch(text)) is not None), b"")


def _tells(name: bytes, text: bytes) -> bool:
    """Whether ``text``, which stands under ``name``, is the name of a value beside it."""
    if name.endswith((b"name", b"key", b"header")) and _TELLING.fullmatch(text):
        return True
    return _PERSON_NAME.search(name) is not None and _TELLING_PERSON.fullmatch(text) is not None
