"""Needles of many patterns, ready to be looked for in one pass.

Each row has a key: a few bytes of it that are seldom met, by which it is found. What may stand there, in small letters,
is entered into a table of hashes by the compiled helper (`engine/_needles.h`), which compares a row only where its key
is. So a table is quick if keys are rare and no two rows have the same.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, product
from math import prod
from typing import NamedTuple

from detectors.needles import KEY, MOST_KEYS, OFTEN, OUTSIDE, Needles, Row, folded, stands

_LONG_KEY, _SHORT_KEY = 6, 2  # bytes of a key that is better, and of one where there is no other
_SAMPLE = 48  # keys of a row that are looked at to tell how full their places are
_ANYWHERE = 0xFF  # in ``needs``: found everywhere, and no rows have it
_MOST_NEEDED = 7  # needles of one pattern that all have to be there
_SELDOM = 1e-3  # of the places in a text: needles of a pattern at fewer of them tell something
_RUN = 14  # digits in a row
_DIGITS = sum(1 << byte for byte in b"0123456789")
_COMMON = (
    "_the the_ tion ion_ ing_ atio ent_ and_ _com _use name ame_ user _you _dat ser_ _and _for _con for_ _wit with "
    "time ith_ cont data serv ment you_ our_ ess_ _tim com_ ctio ted_ _pro _typ nten his_ ng_t _nam _tha _not ate_ "
    "nts_ ime_ type comm _pri n_th _res _fro tent e_th hat_ _thi onte ting from ype_ e_co rom_ ed_t _app d_to ents "
    "this ght_ e_to _eve acti t_th ient dit_ all_ your sion d_th _wor ount _sta ther e_in that e_re ect_ ase_ ons_ "
    "_int nce_ ers_ _can vent s_th ail_ mail her_ ight he_s _ser _cha ance econ date even inte est_ ions ple_ can_ "
    "ould ole_ s_to uld_ g_th nd_t enti role _rol he_c icat _str _att _cli erva ure_ emen he_p ver_ in_t _key one_ "
    "reat ges_ age_ _hav ave_ port lien clie cati ant_ ice_ work ring ive_ stat _sub have ress mple loca of_t chan "
    "t_in _par tus_ tatu atus f_th ere_ t_to _dev stan cess king _add und_ s_co dent ble_ _new r_th here ange call "
    "_rec to_t _tho ated e_an test nt_i get_ _cre re_t led_ _act e_fo _sec _cou nter stor ter_ ode_ ome_ hang _tes "
    "_get ed_a _rea tota otal _all key_ tes_ ory_ esti now_ will ill_ _wil _non s_of ning _has _goo ease _det _pre "
    "to_s end_ _tra ore_ _sho _his _any has_ ding o_th ata_ _exp any_ e_of are_ form leas _dis ound pass th_t _ass "
    "_are or_t nt_t ard_ valu new_ alue ain_ try_ nder ity_ ary_ aaaa tanc s_in ng_a file vati upda pdat _upd h_th "
    "rvat red_ out_ er_i not_ _out thin ject ort_ ead_ e_ha mber resp e_yo set_ conf word ture spon espo lly_ d_in "
    "ster son_ he_r able _mar at_t to_a _ins ult_ cket _tru s_an ng_i ast_ t_of orma alid _acc prov tive part coun "
    "_per http _htt stri main _cal ages on_t like art_ _hel _rep _car er_t _lik _des nds_ some t_ha es_t es_a der_ "
    "_fin e_pa ust_ _som _man cate over rent ut_t ies_ comp s_be or_a t_co _sch read ike_ nge_ ical sche e_pr _sou "
    "unt_ _val _ope info ext_ ded_ s_re than re_a gent he_f _see _loc iden eed_ e_st e_ca _mon ces_ een_ pres er_a "
    "ile_ dule crea gin_ erve t_fo star it_c he_m is_a agen ough nal_ _whi tate ack_ requ arti _req _net vide e_se "
    "nd_a n_in help amp_ _suc _her eate e_de tial tal_ ite_ t_re ntia ever er_s ork_ t_id s_fo r_id onal _inv nati "
    "sing cred tor_ sure ssio on_i nd_c he_i _lin to_c r_co le_c _pas text emai ecti le_a ber_ tant ampl hedu edul "
    "ched he_d tail _web d_an _exa e_wi cal_ _sup iona been _bee ng_c oper rst_ rmat on_o need _clo acco dres ddre "
    "addr _pos erti deta cted etai _che enta exam env_ sage ine_ coul y_to umen tart _don stra repo on_s arn_ _run "
    "ils_ riva miss als_ sed_ ve_a hank t_an rver ed_f onfi _lea ord_ more _mor sign sic_ line d_co al_s _nee sult "
    "resu esul ails rovi nt_s lue_ e_fi _let late _org plea edit nd_i alle he_h let_ he_e _ver ake_ inat _fir unde "
    "to_m nt_h meth _ret _ple tly_ ery_ s_we r_in les_ he_n eral _spe _def n_co then cces ed_i ault _abo _met essa "
    "on_f is_i _fil ve_t ocat root _roo ques n_of _sur t_yo allo y_th ke_t _was poli illi he_t _tot _pol _mil roce "
    "eren _but ptio ovid ist_ was_ ng_o ng_f but_ urce t_se sour per_ ourc o_se n_re low_ irst firs essi ctor _und "
    "_han t_me ttps ook_ le_i y_co vice _fee rese ssag secu rce_ mess ial_ ecur defa back ace_ _ses _sen _bas redi "
    "l_th e_ch ed_w l_re iver itio e_ne to_p erro proc or_s last _mak rati prod vers _end uest zati izat atte e_la "
    "_pla t_ty roje proj ojec le_t er_c is_c d_wi _cur er_e ved_ sts_ put_ ndin int_ ich_ es_i cons assi ass_ arch "
    "_tri _sig _inf _col _cla look ed_b _loo list ings _thr erat reas ving g_to llow init xamp is_s n_yo curr spec "
    "_rem rece ost_ is_t _rel feel mpor e_is tory lse_ faul evel efau _sto _doc nes_ memb embe este lass ific to_b "
    "ool_ fica trin clas whic ttp_ nt_a mill issi inst ide_ hich er_d e_su d_no ativ ank_ amaz _inc _gra _fun _cor "
    "_ama ays_ enge d_be ling lati ize_ _uni hing _how app_ itle e_no e_ma thou re_i o_co ines en_t omai doma _dom "
    "ccou _mem tain on_d on_a of_s atta tps_ base know _ini e_ar "
)
"""What four bytes are often met in logs and prose, the most frequent first; ``_`` is any byte but a letter."""
_SHARES = {gram.replace("_", " "): 0.003 / (1 + rank / 12) for rank, gram in enumerate(_COMMON.split())}


class Packed(NamedTuple):
    """Rows and whose they are, as bytes, as `engine/_needles.h` reads them.

    ``sets`` are 32 bytes each, a bit for each byte; ``cells`` numbers of sets, ``owners`` what rows stand for, both of
    16 bits. ``rows`` are, of 32 bits each: where its cells and its owners begin, how many of both there are, where its
    key begins and how long that is: 6, 4 or 2, or 0 for a row that is looked for in each long number.
    ``needs`` is a byte for each number: what of it has to be found, a bit for each; 255 for what is found everywhere.
    """

    sets: bytes
    cells: bytes
    owners: bytes
    rows: bytes
    needs: bytes


Find = Callable[[bytes], tuple[int, ...]]
"""From data to the numbers of what is found in it, each once."""
Seeker = Callable[[Packed], Find]


def packed(needles: Sequence[Needles]) -> tuple[Packed, frozenset[int]]:
    """A table of the needles of patterns, and which of the patterns must be asked where their needles are.

    Number n is a pattern that matches for sure; the number of patterns and n, one that may. What has no needles that
    can be looked for may match anywhere.
    """
    count = len(needles)
    whose: dict[Row, list[tuple[int, int]]] = {}
    needs = bytearray(2 * count)
    asked: set[int] = set()
    for number, one in enumerate(needles):
        sure = one.sure if all(map(_costs, one.sure)) else ()
        told = _told(one.maybe) if sure == one.sure else []
        if one.maybe or sure != one.sure:
            asked.add(number)
            needs[count + number] = 0 if told else _ANYWHERE
        for row in sure:
            whose.setdefault(row, []).append((number, 0))
            needs[number] = 1
        for bit, rows in enumerate(told):
            for row in rows:
                whose.setdefault(row, []).append((count + number, bit))
            needs[count + number] |= 1 << bit
    keys = _keys(whose)
    sets: dict[int, int] = {}
    cells, owners, numbers = array("H"), array("H"), array("I")
    for row, some in whose.items():
        width, at = keys[row]
        numbers.extend((len(cells), len(owners) // 2, len(row), len(some), at, width))
        cells.extend([sets.setdefault(bits, len(sets)) for bits in row])
        for number, bit in some:
            owners.extend((number, 1 << bit))
    table = Packed(
        b"".join(bits.to_bytes(32, "little") for bits in sets),
        cells.tobytes(),
        owners.tobytes(),
        numbers.tobytes(),
        bytes(needs),
    )
    return table, frozenset(asked)


def find_pure(table: Packed, data: bytes) -> tuple[int, ...]:
    """What the compiled helper finds, in the slowest way."""
    cells, owners, rows = array("H", table.cells), array("H", table.owners), array("I", table.rows)
    sets = [int.from_bytes(table.sets[at : at + 32], "little") for at in range(0, len(table.sets), 32)]
    seen = [_ANYWHERE if need == _ANYWHERE else 0 for need in table.needs]
    for at in range(0, len(rows), 6):
        first, owner, size, count, _, _ = rows[at : at + 6]
        if _is_in([sets[cell] for cell in cells[first : first + size]], data):
            for place in range(2 * owner, 2 * (owner + count), 2):
                seen[owners[place]] |= owners[place + 1]
    return tuple(number for number, need in enumerate(table.needs) if need and seen[number] == need)


def _is_in(row: Sequence[int], data: bytes) -> bool:
    around = bytes([OUTSIDE]) * len(row)
    padded = around + data + around
    return any(
        all(bits >> padded[at + offset] & 1 for offset, bits in enumerate(row)) for at in range(1, len(data) + len(row))
    )


def _told(maybe: Iterable[tuple[Row, ...]]) -> list[tuple[Row, ...]]:
    """The needles that tell something: those that are seldom met, and the best in any case."""
    costs = [([_costs(row) for row in rows], rows) for rows in maybe]
    known = sorted([(sum(some), rows) for some, rows in costs if some and all(some)], key=lambda one: one[0])
    return [rows for cost, rows in known[:_MOST_NEEDED] if cost <= _SELDOM or cost == known[0][0]]


def _costs(row: Row) -> float:
    """What it costs to look for the row; 0 if it has no key."""
    return min((cost for _, _, cost in _choices(row)), default=0.0)


def _choices(row: Row) -> Iterator[tuple[int, int, float]]:
    """Where in a row its key may be: how long it is, where it begins, and what it costs: at how many places it is."""
    for width in (_LONG_KEY, KEY):
        for at in range(len(row) - width + 1):
            part = row[at : at + width]
            count = prod(len(folded(bits)) for bits in part)
            if count <= MOST_KEYS and _is_inside(part):
                yield width, at, _share(part) + count * 1e-6
    for at in range(len(row) - _SHORT_KEY + 1):
        part = row[at : at + _SHORT_KEY]
        if _share(part) < OFTEN and _is_inside(part):
            yield _SHORT_KEY, at, _share(part)
    if len(row) >= _RUN and all(not bits & ~_DIGITS for bits in row[:_RUN]):
        yield 0, 0, OFTEN


def _is_inside(part: Row) -> bool:
    """Whether it cannot stand all beyond an end, where no key is looked for."""
    return any(not bits >> OUTSIDE & 1 for bits in part)


def _share(part: Row) -> float:
    """At what share of the places in a text a key stands, by its bytes, and by what is often met."""
    letters = ""
    for bits in part:
        some = [byte for byte in folded(bits) if byte < 128 and chr(byte).isalpha()]
        letters += chr(some[0]) if len(some) == 1 else "?" if some else " "
    grams = [_SHARES.get(letters[at : at + KEY], 1e-5) for at in range(len(letters) - KEY + 1)]
    often = _PAIR if letters in _PAIRS else 0.0
    return max(stands(part), min(grams) * 0.5 ** (len(grams) - 1) if grams and max(grams) > 1e-5 else often)


_PAIRS = frozenset(
    "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me ec".split()
)
_PAIR = 0.01


def _keys(rows: Iterable[Row]) -> dict[Row, tuple[int, int]]:
    """The key of each row: rare, and where few others are."""
    load: dict[bytes, int] = {}
    out: dict[Row, tuple[int, int]] = {}
    choices = {row: list(_choices(row)) for row in rows}
    for row in sorted(choices, key=lambda row: len(choices[row])):
        best, least = (0, 0), float("inf")
        for width, at, share in choices[row]:
            words = islice(_words(row[at : at + width]), _SAMPLE if width else 0)
            sample = [load.get(key, 0) for key in words] or [0]
            cost = share * (1 + sum(sample) / len(sample)) ** 2
            if cost < least:
                best, least = (width, at), cost
        width, at = out[row] = best
        if width:
            for key in _words(row[at : at + width]):
                load[key] = load.get(key, 0) + 1
    return out


def _words(part: Row) -> Iterator[bytes]:
    return map(bytes, product(*map(folded, part)))
