"""What slots of templates are filled with."""

from __future__ import annotations

import random
import re
import string
from functools import cached_property

from models.ner.sources import Sources, gate_words, plain

_SPEAKS = {
    "de": ("de_DE", "de_AT", "de_CH"),
    "es": ("es_ES", "es_MX", "es_AR", "es_CO", "es_CL"),
    "fr": ("fr_FR", "fr_CH", "fr_CA"),
}
_LOREM = {
    "de": "de_DE",
    "es": "es_ES",
    "fr": "fr_FR",
    "it": "it_IT",
    "pt": "es_MX",
    "nl": "nl_NL",
    "pl": "pl_PL",
    "cs": "cs_CZ",
    "da": "da_DK",
}
_PATTERNS = (
    "d n v", "v d n", "d a n p d n", "v b", "p d n", "j d n v", "b v d n", "n p n", "v p d n", "a j a", "d n", "d n v b a",
    "v d n p n", "b b v", "n j n", "v d a n", "j v b", "p n", "d n p d n v",
)  # fmt: skip
"""How phrases of other languages go, by the first letters of kinds of words; b stands for adverbs."""
_NATIONS = "American British German French Indian Chinese Spanish Italian Polish Dutch Swedish Turkish Brazilian Nigerian Korean".split()
_TITLES = "Mr. Mrs. Ms. Dr. Prof. Mr Mrs Ms Dr Miss Sir Herr Frau".split()
_SHORT = frozenset("a i an as at be by do go he if in is it me my no of on or so to up us we am".split())
_SHORTENED = "don't can't it's I'm they're we'll won't isn't I've that's you're weren't shouldn't aren't wasn't".split()
_PREFIXES = "O’ O' Mc Mac D'".split()
_LEVELS = "INFO WARN ERROR DEBUG TRACE WARNING FATAL info warn error debug [INFO] [ERROR] [notice] I W E".split()
_DOMAINS = "com org net io dev de fr es co.uk internal local cloud app edu example.com".split()
_ACCOUNTS = (
    "root admin test guest oracle postgres mysql www-data nobody ubuntu ec2-user jenkins deploy git support info user "
    "webmaster ftp uucp operator service backup nagios zabbix tomcat hadoop hdfs yarn spark kafka redis ansible default "
    "administrator sysadmin system daemon mail news bin pi monitor demo student staff sales office ftpuser pgadmin "
    "svc_backup ci-bot build-agent api_user superuser anonymous uucp cyrus squid games cloud vagrant dev qa stage prod"
).split()
_NAME_KEYS = (
    "name full_name fullName customer_name customerName display_name displayName user_name contact_name patient_name "
    "employee_name owner_name author assignee recipient sender passenger_name guest_name cardholder holder reporter "
    "manager contact customer client patient attendee traveler signer approver requested_by approved_by assigned_to "
    "realName cn commonName billing_name shipping_name account_holder beneficiary emergency_contact from to Name Customer"
).split()
_KEYS = (
    "id status type amount total count price date created_at updated_at region zone version level code size color "
    "request_id session_id order_id reservation_id payment_id method path url host port action event source target role "
    "duration_ms retries attempt timeout limit offset page format currency quantity category priority channel device os "
    "cabin origin destination flight_number item_id product_id available options state success reason error exit_code"
).split()


class Filler:
    """Fills slots, by ``rng``. `begin` is called before each template, `speak` names its language."""

    def __init__(self, sources: Sources, rng: random.Random) -> None:
        self._s = sources
        self._r = rng
        self._language = ""
        self._locales = [one for one in sources.people.given if one in sources.people.last]
        self.begin()

    @cached_property
    def _common(self) -> list[str]:
        """Words that are more often that than a name."""
        names = set(gate_words(self._s)[0])
        return [word for word in self._s.words[:30_000] if word not in names and (len(word) > 2 or word in _SHORT)]

    @cached_property
    def _usable(self) -> frozenset[str]:
        return frozenset(self._common)

    @cached_property
    def _starts(self) -> list[str]:
        return [word for word in self._s.pairs if word in self._usable]

    def begin(self) -> None:
        """The next template."""
        self._locale = ""

    def speak(self, language: str) -> None:
        """The language of the next template; "" for English."""
        self._language = language

    # ---- people

    def _people(self) -> tuple[str, str]:
        """The locales of a given name and a surname."""
        if self._language in _SPEAKS and self._r.random() < 0.8:
            locale = self._r.choice(_SPEAKS[self._language])
            if locale in self._s.people.given and locale in self._s.people.last:
                return locale, locale
        roll = self._r.random()
        if roll < 0.3:
            return self._r.choice(("census", "en_US", "en_US", "en_GB")), self._r.choice(("census", "census", "en_US"))
        locale = self._r.choice(self._locales)
        return (locale, locale) if roll < 0.75 else (locale, self._r.choice(self._locales))

    def first1(self) -> str:
        """A given name."""
        return self._r.choice(self._s.people.given[self._people()[0]])

    def last1(self) -> str:
        """A surname."""
        return self._r.choice(self._s.people.last[self._people()[1]])

    def first(self) -> str:
        """A given name, as people call each other."""
        return self._ascii(self.first1())

    def last(self) -> str:
        """A surname, as people call each other."""
        return self._ascii(self.last1())

    def person(self) -> str:
        """A person, in one of the ways in which people are named."""
        if self._r.random() < 0.03 and not self._language:
            return self._foreign()
        where_first, where_last = self._people()
        first = self._r.choice(self._s.people.given[where_first])
        last = self._r.choice(self._s.people.last[where_last])
        roll = self._r.random()
        if roll < 0.58:
            name = f"{first} {last}"
        elif roll < 0.76:
            name = first
        elif roll < 0.82:
            name = last
        elif roll < 0.87:
            name = f"{first} {self._r.choice(string.ascii_uppercase)}{self._r.choice(('.', '.', ''))} {last}"
        elif roll < 0.9:
            name = f"{first} {self._r.choice(self._s.people.given[where_first])} {last}"
        elif roll < 0.925:
            other = self._r.choice(self._s.people.last[where_last])
            name = f"{first} {last}{self._r.choice((' ', '-'))}{other}"
        elif roll < 0.945:
            name = f"{first[0]}. {last}"
        elif roll < 0.96:
            name = f"{first} {self._r.choice(('van', 'de', 'von', 'van der', 'de la', 'al', 'bin', 'del', 'di', 'da', 'dos', 'ter', 'ben'))} {last}"
        elif roll < 0.975:
            name = f"{first}-{self._r.choice(self._s.people.given[where_first])} {last}"
        elif roll < 0.985:
            name = self._r.choice(_PREFIXES) + last
        else:
            name = f"{first} {last} {self._r.choice(('Jr.', 'Sr.', 'III', 'II', 'PhD', 'MD', 'DDS', 'DVM', 'Jr'))}"
        return self._ascii(name)

    def lperson(self) -> str:
        """A person in lower case."""
        return self.person().lower()

    def lfirst(self) -> str:
        """A given name in lower case."""
        return self.first().lower()

    def llast(self) -> str:
        """A surname in lower case."""
        return self.last().lower()

    def upperson(self) -> str:
        """A person in capitals."""
        return self.person().upper()

    def title(self) -> str:
        """What stands before a name."""
        return self._r.choice(_TITLES)

    def user(self) -> str:
        """A login made of a name."""
        first, last = (plain(re.sub(r"[^\w]", "", name)).lower() for name in (self.first1(), self.last1()))
        number = self._r.choice(("", "", str(self._r.randrange(100)), str(self._r.randrange(10_000))))
        form = self._r.choice(
            (f"{first}.{last}{number}", f"{first}_{last}_{self._r.randrange(10_000)}", f"{first}_{last}", f"{first[:1]}{last}{number}",
             f"{first}{last}{number}", f"{first}-{last}", f"{last}.{first}", f"{first[:1]}.{last}", f"{last}{first[:1]}{number}")
        )  # fmt: skip
        return form if self._r.random() < 0.9 else form.title()

    def _foreign(self) -> str:
        locale = self._r.choice([one for one in self._s.foreign.given if one in self._s.foreign.last])
        first, last = self._r.choice(self._s.foreign.given[locale]), self._r.choice(self._s.foreign.last[locale])
        if locale[:2] in ("zh", "ja", "ko"):
            return last + first
        return self._r.choice((f"{first} {last}", f"{first} {last}", first))

    def _ascii(self, name: str) -> str:
        return plain(name) if self._r.random() < 0.25 else name

    # ---- places and organizations

    def city(self) -> str:
        """A city."""
        return self._r.choice(self._s.large if self._r.random() < 0.45 else self._s.cities)

    def country(self) -> str:
        """A country."""
        return self._r.choice(self._s.countries)

    def place(self) -> str:
        """A city or a country, or a part of the world."""
        roll = self._r.random()
        if roll < 0.12:
            return f"{self._r.choice(('North', 'South', 'East', 'West', 'New', 'Northern', 'Southern', 'San', 'Lake', 'Fort', 'Mount', 'Port'))} {self.city()}"
        return self.city() if roll < 0.65 else self.country()

    def airport(self) -> str:
        """An airport."""
        middle = self._r.choice(
            ("", f" {self.last()}", f" {self.first()} {self.last()}", f" Metropolitan {self.last()} County")
        )
        return f"{self.city()}{middle} {self._r.choice(('International', '', 'Regional'))} Airport".replace("  ", " ")

    def org(self) -> str:
        """A company or institution."""
        roll, last = self._r.random(), self.last()
        if roll < 0.3:
            return f"{last} {self._r.choice(self._s.suffixes) or 'Ltd'}"
        if roll < 0.4:
            return f"{last}{self._r.choice((' & ', '-', ' + '))}{self.last()}"
        if roll < 0.6:
            return f"{self.Title()} {self._r.choice(('Inc', 'Inc.', 'LLC', 'Group', 'Corp', 'Ltd', 'GmbH', 'Holdings', 'Partners', 'Labs', 'Bank', 'Foundation', 'Club', 'Orchestra'))}"
        if roll < 0.75:
            return f"{self._r.choice(('University', 'Bank', 'Museum', 'City', 'Ministry', 'College'))} of {self.city()}"
        if roll < 0.88:
            return f"{self.city()} {self._r.choice(('University', 'Hospital', 'United', 'City', 'Airlines', 'Post', 'Times', 'FC', 'High School', 'Council', 'Police', 'Bank', 'Hotel'))}"
        return self.Word() + self._r.choice(
            ("ix", "ora", "soft", "tech", "ly", "io", "net", "corp", "", "works", "gen", "ment")
        )

    def street(self) -> str:
        """A street with a number."""
        name = self._r.choice((self.last(), self.Word(), self.first(), self.city()))
        number = self._r.randrange(1, 3000)
        roll = self._r.random()
        kind = self._r.choice(
            (
                "Street",
                "St",
                "St.",
                "Ave",
                "Avenue",
                "Road",
                "Rd",
                "Lane",
                "Drive",
                "Dr",
                "Blvd",
                "Way",
                "Court",
                "Place",
                "Terrace",
                "Highway",
            )
        )
        if roll < 0.55:
            street = f"{number} {name} {kind}"
        elif roll < 0.7:
            street = f"{name}{self._r.choice(('straße', 'strasse', 'str.', 'gasse', 'weg', 'gatan', 'vej', 'straat', 'laan', 'katu', 'tie'))} {number % 200}"
        elif roll < 0.85:
            street = f"{self._r.choice(('Rue', 'rue de', 'Calle', 'Avenida', 'Via', 'Rua', 'ul.', 'Plaza', 'Boulevard', 'Piazza', 'Carrera'))} {name} {number % 300}"
        else:
            street = f"{number % 200} {self._r.choice(('rue', 'rue de', 'avenue', 'boulevard', 'Via'))} {name}"
        if self._r.random() < 0.25:
            street += f"{self._r.choice((' Apt. ', ', Apt ', ' Suite ', ', Suite ', ' Unit ', ' #'))}{self._r.randrange(1000)}"
        return street

    def address(self) -> str:
        """A street, perhaps with more."""
        out = self.street()
        if self._r.random() < 0.5:
            out += f"{self._r.choice((', ', ' ', chr(10)))}{self.city()}"
            if self._r.random() < 0.6:
                out += f"{self._r.choice((', ', ' '))}{self._r.choice((self.zip(), self.code2() + ' ' + self.zip(), self.country()))}"
        return out

    # ---- words

    def word(self) -> str:
        """A word, common ones more often."""
        return self._common[int(len(self._common) * self._r.random() ** 3)]

    def Word(self) -> str:  # noqa: N802 - as it is written
        """A word with a capital."""
        return self.word().capitalize()

    def clause(self) -> str:
        """Three to nine words that follow each other in English."""
        return self._chain(self._r.randrange(3, 10))

    def Clause(self) -> str:  # noqa: N802
        """The same with a capital."""
        text = self._chain(self._r.randrange(3, 12))
        if self._r.random() < 0.1:
            text = text.title()
        return text[:1].upper() + text[1:]

    def phrase(self) -> str:
        """Two to five words."""
        return self._chain(self._r.randrange(2, 6))

    def _chain(self, count: int) -> str:
        word = self._r.choice(self._starts) if self._r.random() < 0.5 else self.word()
        out = [word]
        while len(out) < count:
            following = [w for w in self._s.pairs.get(word, ()) if w in self._usable]
            word = self._r.choice(following) if following and self._r.random() < 0.93 else self.word()
            out.append(word)
            roll = self._r.random()
            if roll < 0.012:
                out.append(self._r.choice(_SHORTENED))
            elif roll < 0.05:
                out[-1] += ","
            elif roll < 0.065:
                out.append(
                    self._r.choice(
                        (self.code, self.number, self.Camel, self.snake, self.Word, self.host, self.upper, self.Title)
                    )()
                )
        return " ".join(out)

    def Title(self) -> str:  # noqa: N802
        """One to three words with capitals."""
        return " ".join(self.Word() for _ in range(self._r.choice((1, 2, 2, 2, 3))))

    def title2(self) -> str:
        """The title of a work."""
        return self._chain(self._r.randrange(1, 5)).title()

    def lorem(self) -> str:
        """Words of another language."""
        if self._language in self._s.languages:
            return self._phrase()
        locale = _LOREM.get(self._language) or self._r.choice(
            ("de_DE", "es_ES", "fr_FR", "it_IT", "nl_NL", "pl_PL", "cs_CZ", "da_DK", "la")
        )
        words = self._s.lorem.get(locale) or self._s.lorem["la"]
        return " ".join(self._r.choice(words) for _ in range(self._r.randrange(2, 8)))

    def _phrase(self) -> str:
        kinds = {"b" if kind == "adverbs" else kind[0]: words for kind, words in self._spoken.items()}
        pattern = self._r.choice(_PATTERNS)
        return " ".join(self.noun() if kind == "n" else self._r.choice(kinds[kind]) for kind in pattern.split())

    @property
    def _spoken(self) -> dict[str, list[str]]:
        """Words of the language that is spoken, by kind."""
        return self._s.languages[self._language]

    def Sentence(self) -> str:  # noqa: N802
        """A sentence without names, of the language that is spoken."""
        start = self._r.choice(self._spoken["starts"]) + " " if self._r.random() < 0.6 else ""
        text = start + self._phrase()
        if self._r.random() < 0.4:
            text += self._r.choice((", ", " ")) + self._phrase()
        end = "?" if start.startswith("¿") else self._r.choice((".", ".", ".", "!", "?", ":", ""))
        return text[:1].upper() + text[1:] + end

    def noun(self) -> str:
        """A noun of the language that is spoken; in German often a compound."""
        nouns = self._spoken["nouns"]
        word = self._r.choice(nouns)
        if self._language == "de" and self._r.random() < 0.35:
            word += self._r.choice(("", "", "s", "n", "en")) + self._r.choice(nouns).lower()
        return word

    def Noun(self) -> str:  # noqa: N802
        """The same with a capital."""
        word = self.noun()
        return word[:1].upper() + word[1:]

    def verb(self) -> str:
        """A verb of the language that is spoken."""
        return self._r.choice(self._spoken["verbs"])

    def job(self) -> str:
        """A job."""
        return self._r.choice(self._s.jobs).split(",")[0]

    def joblc(self) -> str:
        """A job in lower case."""
        return self.job().lower()

    def nationality(self) -> str:
        """What people of a country are called."""
        return self._r.choice(_NATIONS)

    def order(self) -> str:
        """What customers talk of."""
        return f"{self._r.choice(('my order', 'the reservation', 'my booking', 'order', 'reservation ID', 'my flight', 'the invoice', 'case', 'ticket'))} {self._r.choice(('', '#'))}{self.code()}"

    # ---- code and machines

    def snake(self) -> str:
        """An identifier like this_one."""
        return self._r.choice(("_", "_", "_", "-", ".")).join(self.word() for _ in range(self._r.randrange(2, 5)))

    def camel(self) -> str:
        """An identifier likeThis."""
        text = self.Camel()
        return text[:1].lower() + text[1:]

    def Camel(self) -> str:  # noqa: N802
        """An identifier LikeThis."""
        return "".join(self.Word() for _ in range(self._r.randrange(2, 5)))

    def upper(self) -> str:
        """A word in capitals."""
        return self.word().upper()

    def UPPER(self) -> str:  # noqa: N802
        """An identifier LIKE_THIS."""
        return self.snake().upper().replace("-", "_").replace(".", "_")

    def class_(self) -> str:
        """A class of Java."""
        return ".".join(
            [
                self._r.choice(("org", "com", "io", "net")),
                *(self.word() for _ in range(self._r.randrange(1, 4))),
                self.Camel(),
            ]
        )

    def func(self) -> str:
        """A tool."""
        return self._r.choice(
            (f"{self.word()}_{self.word()}", self.camel(), f"get_{self.word()}_details", f"find_{self.word()}")
        )

    def host(self) -> str:
        """A host or address of one."""
        return self._r.choice(
            (f"{self.word()}-{self._r.randrange(100)}", f"{self.word()}.{self.word()}.{self._r.choice(_DOMAINS)}", self.ip(),
             f"{self.word()}{self._r.randrange(10)}", f"ip-{self.ip().replace('.', '-')}", f"{self.first().lower()}-{self.word()}-{self._r.randrange(10)}",
             f"{self.word()}-{self.word()}-{self.hex()[:9]}-{self.hex()[:5]}")
        )  # fmt: skip

    def proc(self) -> str:
        """A program."""
        return self._r.choice(
            (
                "kernel",
                "systemd",
                "dhclient",
                "cron",
                "postfix/smtpd",
                "named",
                "dockerd",
                "kubelet",
                "ntpd",
                self.word(),
                self.word() + "d",
            )
        )

    def comp(self) -> str:
        """A part of a system."""
        return self._r.choice(
            (self.word(), self.snake(), self.Camel(), self.class_(), f"[{self.word()}]", self.Camel() + "Service")
        )

    def thread(self) -> str:
        """A thread."""
        return self._r.choice(
            (
                "main",
                f"{self.word()}-{self._r.randrange(30)}",
                f"{self.Camel()}Thread-{self._r.randrange(9)}",
                f"IPC Server handler {self._r.randrange(30)} on {self._r.randrange(70000)}",
                f"{self.Camel()}:{self._r.randrange(99)}",
            )
        )

    def level(self) -> str:
        """The level of a log line."""
        return self._r.choice(_LEVELS)

    def account(self) -> str:
        """A login that is nobody's name."""
        return self._r.choice(_ACCOUNTS)

    def handle(self) -> str:
        """A handle or hashtag."""
        return self._r.choice(
            (
                self.word() + self.word(),
                self.Camel(),
                self.word() + self.number(),
                self.first().lower() + self.word(),
                self.user(),
            )
        )

    def key(self) -> str:
        """The name of a field."""
        return self._r.choice(_KEYS)

    def namekey(self) -> str:
        """The name of a field that may hold a person."""
        return self._r.choice(_NAME_KEYS)

    def value(self) -> str:
        """What a field may hold."""
        return self._r.choice(
            (
                self.word,
                self.code,
                self.number,
                self.snake,
                self.hex,
                self.camel,
                self.upper,
                self.date,
                self.host,
                self.version,
                self.path,
            )
        )()

    def table(self) -> str:
        """A table."""
        return self._r.choice(
            (
                "users",
                "customers",
                "orders",
                "employees",
                "accounts",
                "patients",
                "contacts",
                self.word() + "s",
                self.snake(),
            )
        )

    def path(self) -> str:
        """A path."""
        return (
            "/"
            + "/".join(self.word() for _ in range(self._r.randrange(1, 5)))
            + self._r.choice(("", "", ".py", ".log", ".json", ".txt", "?id=1"))
        )

    def url(self) -> str:
        """A link."""
        return f"{self._r.choice(('https', 'http'))}://{self._r.choice(('t.co', 'www.' + self.word() + '.com', self.word() + '.io', 'bit.ly'))}/{self.hex()[:8]}"

    def email(self) -> str:
        """An e-mail address."""
        return f"{self._r.choice((self.user(), self.word()))}@{self.word()}.{self._r.choice(_DOMAINS)}"

    def ip(self) -> str:
        """An IP address."""
        return ".".join(str(self._r.randrange(256)) for _ in range(4))

    def hex(self) -> str:
        """Hexadecimal digits."""
        return f"{self._r.getrandbits(64):016x}"

    def version(self) -> str:
        """A version."""
        return f"{self._r.randrange(20)}.{self._r.randrange(30)}.{self._r.randrange(10)}"

    def code(self) -> str:
        """An identifier of an order, a flight, a ticket."""
        letters = string.ascii_uppercase + string.digits
        return self._r.choice((
            "".join(self._r.choice(letters) for _ in range(6)),
            f"#{self._r.choice(string.ascii_uppercase)}{self._r.randrange(10**7)}",
            f"{''.join(self._r.choice(string.ascii_uppercase) for _ in range(3))}{self._r.randrange(1000):03d}",
            f"{self.word()}_{self._r.randrange(10**6)}",
            f"{self.upper()[:4]}-{self._r.randrange(10_000)}",
            str(self._r.randrange(10**9)),
        ))  # fmt: skip

    def code6(self) -> str:
        """Six capitals and digits, or capitals alone."""
        letters = string.ascii_uppercase if self._r.random() < 0.4 else string.ascii_uppercase + string.digits
        return "".join(self._r.choice(letters) for _ in range(6))

    def code3(self) -> str:
        """Three capitals."""
        return "".join(self._r.choice(string.ascii_uppercase) for _ in range(3))

    def code2(self) -> str:
        """Two capitals."""
        return self.code3()[:2]

    # ---- numbers and times

    def number(self) -> str:
        """A number."""
        return str(self._r.randrange(10 ** self._r.randrange(1, 8)))

    def zip(self) -> str:
        """A postal code."""
        return f"{self._r.randrange(100_000):05d}"

    def money(self) -> str:
        """An amount."""
        return f"{self._r.choice(('$', '€', '£', 'USD '))}{self._r.randrange(5000)}{self._r.choice(('', '.50', '.99'))}"

    def phone(self) -> str:
        """A phone number."""
        return (
            self._r.choice(("+1 555 ", "(0", "030 ", "", "+49 "))
            + f"{self._r.randrange(100, 999)}-{self._r.randrange(1000, 9999)}"
        )

    def year(self) -> str:
        """A year."""
        return str(self._r.randrange(1900, 2030))

    def day(self) -> str:
        """A day."""
        return self._r.choice(
            (
                "Monday",
                "Tuesday",
                "Wednesday",
                "Thursday",
                "Friday",
                "Saturday",
                "Sunday",
                "May 3",
                "12 June",
                "today",
                "tomorrow",
            )
        )

    def date(self) -> str:
        """A date."""
        year, month, day = self._r.randrange(1940, 2027), self._r.randrange(1, 13), self._r.randrange(1, 29)
        return self._r.choice(
            (
                f"{year}-{month:02d}-{day:02d}",
                f"{day}.{month}.{year}",
                f"{month}/{day}/{year}",
                f"{self._month()} {day}, {year}",
                f"{day} {self._month()} {year}",
            )
        )

    def _month(self) -> str:
        return self._r.choice(
            (
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "Nov",
                "Dec",
                "Jan",
            )
        )

    def time(self) -> str:
        """A time of day."""
        return f"{self._r.randrange(24)}:{self._r.randrange(60):02d}{self._r.choice(('', ' pm', ':00'))}"

    def ts(self) -> str:
        """What a log line begins with."""
        year, month, day = self._r.randrange(2000, 2027), self._r.randrange(1, 13), self._r.randrange(1, 29)
        clock = f"{self._r.randrange(24):02d}:{self._r.randrange(60):02d}:{self._r.randrange(60):02d}"
        name = self._r.choice(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"))
        week = self._r.choice(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
        return self._r.choice((
            f"{year}-{month:02d}-{day:02d} {clock},{self._r.randrange(1000):03d}", f"{year}-{month:02d}-{day:02d}T{clock}Z", f"{name} {day} {clock}",
            f"{week} {name} {day:02d} {clock} {year}", f"{day:02d}/{name}/{year}:{clock} +0000", f"{year % 100:02d}{month:02d}{day:02d} {clock.replace(':', '')} {self._r.randrange(999)}",
            f"{year}{month:02d}{day:02d}-{clock}:{self._r.randrange(999)}", f"[{clock}]",
        ))  # fmt: skip
