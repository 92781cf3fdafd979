/* What `engine/layers` announces: base64, hexadecimal, look-alikes, quoted-printable, quotes that a shell joins over, and
 * single characters in an array. */
#pragma once

#include "ones.h"

enum { RUN = 1 };
static byte traits[256]; /* `RUN` for a character of base64 or hex */
static byte values[256]; /* of base64's characters */

static void fill_traits(void)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int value = 0; value < 64; value++) {
        traits[(byte)alphabet[value]] = RUN;
        values[(byte)alphabet[value]] = (byte)value;
    }
    traits['-'] = traits['_'] = RUN;
    values['-'] = 62;
    values['_'] = 63;
}

enum { SHORTEST = 14, LONGEST = 18 }; /* of what announces base64, or hexadecimal */

/* Of 64 bytes, a bit for each that may be the first, second, third or any character of a group of base64 which spells
 * printable ASCII, as engine/layers says; or the first or any digit of a pair of hexadecimal ones. */
typedef struct {
    uint64_t first, second, third, any, high, hex;
} Spelling;

static Spelling spelling_of(const byte *p)
{
    Spelling marks = {0, 0, 0, 0, 0, 0};
    for (int at = 0; at < 64; at += 16) {
        const Bytes c = bytes_at(p + at);
        const Bytes capital = within(c, 'A', 'Z'), small = within(c, 'a', 'z'), digit = within(c, '0', '9');
        const Bytes plain = capital | small | digit;
        const Bytes sign = (c == each('-')) | (c == each('_')) | (c == each('+')) | (c == each('/'));
        const Bytes value = (c - (capital & each('A')) - (small & each('a' - 26)) + (digit & each(52 - '0'))) | ~plain;
        marks.first |= bits_of(within(value, 8, 31)) << at;
        marks.second |= bits_of(within(value & each(15), 2, 7)) << at;
        marks.third |= bits_of((value & each(2)) == each(0)) << at;
        marks.any |= bits_of(plain | sign) << at;
        marks.high |= bits_of(within(c, '2', '7')) << at;
        marks.hex |= bits_of(digit | within(c | each(0x20), 'a', 'f')) << at;
    }
    return marks;
}

/* Where nine of `bits` begin, each two places behind the one before. */
static uint64_t nine(uint64_t bits)
{
    const uint64_t two = bits & bits >> 2, four = two & two >> 4;
    return four & four >> 8 & bits >> 16;
}

/* Whether 64 bytes may hold what `spells` looks for: a cheaper test, which words and identifiers seldom pass. */
static bool may_spell(const byte *p)
{
    uint64_t first = 0, second = 0, high = 0;
    for (int at = 0; at < 64; at += 16) {
        const Bytes c = bytes_at(p + at), upper = c & each(~0x10); /* of S to X those before: C to H */
        first |= bits_of(within(c, 'I', 'Z') | within(c, 'a', 'f')) << at;
        second |= bits_of(within(upper, 'C', 'H') | within(upper, 'i', 'n') | within(c, '0', '3')) << at;
        high |= bits_of(within(c, '2', '7')) << at;
    }
    const uint64_t both = first & second >> 1;
    return (both & both >> 4 & both >> 8) != 0 || nine(high) != 0;
}

/* Whether three groups and the beginning of one, or nine pairs, that spell printable ASCII stand at the byte `at` or
 * at one of the next, as far as all of them are within 64 bytes. */
static bool spells(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    byte last[64];
    const byte *q = block_at(p, at, size, sizeof last, last);
    if (!may_spell(q))
        return false;
    const Spelling marks = spelling_of(q);
    const uint64_t group = marks.first & marks.second >> 1 & marks.third >> 2 & marks.any >> 3;
    return (group & group >> 4 & group >> 8 & marks.first >> 12 & marks.any >> 13) != 0 ||
           nine(marks.high & marks.hex >> 1) != 0;
}

static bool is_word(byte c)
{
    return (c >= '0' && c <= '9') || (c >= '@' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_joined(byte c)
{
    return is_word(c) || c == '_' || c == '-' || c == '.';
}

/* How many bytes a digit of another script has at `at`; 0 if there is none. */
static int other_digit(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    const byte one = at < size ? p[at] : 0, two = at + 1 < size ? p[at + 1] : 0, three = at + 2 < size ? p[at + 2] : 0;
    if ((one == 0xd9 && two >= 0xa0 && two <= 0xa9) || (one == 0xdb && two >= 0xb0 && two <= 0xb9))
        return 2;
    const bool indic = two >= 0xa5 && two <= 0xb5 && two & 1, eastern = two == 0xb9 || two == 0xbb;
    const bool digit = (indic && three >= 0xa6 && three <= 0xaf) || (eastern && three >= 0x90 && three <= 0x99);
    return one == 0xe0 && digit ? 3 : 0;
}

/* Whether the byte at `at`, beyond ASCII, begins a character that looks like ASCII, or is not seen, or two digits of
 * another script. */
static bool looks_alike(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    byte one = p[at], two = at + 1 < size ? p[at + 1] : 0, three = at + 2 < size ? p[at + 2] : 0;
    byte before = at > 0 ? p[at - 1] : 0;
    switch (one) {
    case 0xc2:
        return two == 0xad || (two == 0xa0 && is_digit(before) && is_digit(three));
    case 0xcd:
        return two == 0x8f && is_joined(before);
    case 0xd8:
        return two == 0x9c && is_joined(before);
    case 0xd9: case 0xdb: case 0xe0: {
        const int digit = other_digit(p, at, size);
        return digit > 0 && other_digit(p, at + digit, size) > 0;
    }
    case 0xe1:
        return ((two == 0xa0 && three == 0x8e) || (two == 0x85 && (three == 0x9f || three == 0xa0))) && is_joined(before);
    case 0xe3:
        return two == 0x85 && three == 0xa4 && is_joined(before);
    case 0xc4:
        return two == 0xb1 && (is_word(before) || is_word(three));
    case 0xc9:
        return (two == 0x91 || two == 0xa1) && (is_word(before) || is_word(three));
    case 0xce: case 0xcf: case 0xd0: case 0xd1: case 0xd2: case 0xd3: case 0xd4:
        return two >= 0x80 && two <= 0xbf && (is_word(before) || is_word(three));
    case 0xe2: {
        bool within = at + 3 < size && is_digit(before) && is_digit(p[at + 3]);
        if (two == 0x80)
            return (three >= 0x8b && three <= 0x8f) || (three >= 0xaa && three <= 0xae) ||
                   (within && ((three >= 0x80 && three <= 0x95) || three == 0xaf));
        return (two == 0x81 && three >= 0xa0 && three <= 0xaf) || (two == 0x92 && three >= 0xb6 && three <= 0xbf) ||
               (two == 0x93 && three >= 0x80 && three <= 0xa9) || (two == 0x88 && three == 0x92 && within);
    }
    case 0xef:
        return (two == 0xb8 && three >= 0x80 && three <= 0x8f && is_joined(before)) || (two == 0xbb && three == 0xbf) || (two == 0xb9 && three >= 0x90 && three <= 0xab) ||
               (two == 0xbd && three >= 0x81 && three <= 0x9a) ||
               (two == 0xbc && (three == 0x8d || three == 0x8e || (three >= 0x90 && three <= 0x99) ||
                                (three >= 0xa0 && three <= 0xba) || three == 0xbf));
    case 0xf0:
        return two == 0x9d && three >= 0x90 && three <= 0x9f;
    case 0xf3:
        return two == 0xa0 && (three == 0x80 || three == 0x81 || (three >= 0x84 && three <= 0x87 && is_joined(before)));
    default:
        return false;
    }
}

/* Whether quoted-printable spells two bytes at `at`. */
static bool is_quoted(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    return at + 5 < size && p[at] == '=' && p[at + 3] == '=' && hex_digit(p[at + 1]) >= 0 &&
           hex_digit(p[at + 2]) >= 0 && hex_digit(p[at + 4]) >= 0 && hex_digit(p[at + 5]) >= 0;
}

enum { MOST_SLASHES = 17, LONGEST_PART = 40, GOES_ON = 2 };

/* Where the backslashes from `at` on end, if they are at most `MOST_SLASHES`, else `at`. */
static Py_ssize_t behind_slashes(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    Py_ssize_t end = at;
    while (end < size && p[end] == '\\')
        end++;
    return end - at <= MOST_SLASHES ? end : at;
}

static bool is_of_number(byte c)
{
    return is_digit(c) || (c >= 'A' && c <= 'Z');
}

/* Whether a word ends before `end` that goes on at `at`; a number may have a space between. */
static bool goes_on(const byte *p, Py_ssize_t end, Py_ssize_t at, Py_ssize_t size)
{
    const byte before = p[end - 1];
    if ((is_joined(before) || before == '=') && is_joined(p[at]))
        return true;
    if (is_digit(before))
        return p[at] == ' ' && at + 1 < size && is_of_number(p[at + 1]);
    return before == ' ' && end > 1 && is_digit(p[end - 2]) && is_of_number(p[at]);
}

/* Whether a shell would join words at the quote at `at`, which ends a part of one and begins the next. */
static bool joins(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    Py_ssize_t head = at, second = at + 1;
    if (p[at] == '"')
        while (head > 0 && p[head - 1] == '\\')
            head--;
    const Py_ssize_t slashes = at - head;
    if (head == 0 || slashes > MOST_SLASHES || second >= size)
        return false;
    const Py_ssize_t next = behind_slashes(p, second, size);
    if (next + 1 >= size || !goes_on(p, head, next + 1, size))
        return false;
    if (p[at] == '\'')
        return p[next] == '"' || (next == second && p[next] == '\'');
    if (next == second)
        return p[next] == '\'' || (slashes == 0 && p[next] == '"');
    return slashes > 0 && p[next] == '"';
}

/* Whether a value behind the equals sign at `at` goes on in quotes that open within it. */
static bool goes_on_quoted(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    Py_ssize_t end = at + 1;
    while (end < size && (is_joined(p[end]) || p[end] == '+' || p[end] == '/'))
        end++;
    if (end - at - 1 < 2 || end - at - 1 > LONGEST_PART)
        return false;
    const Py_ssize_t open = behind_slashes(p, end, size);
    if (open + GOES_ON >= size || !(p[open] == '"' || (open == end && p[open] == '\'')))
        return false;
    if (is_digit(p[end - 1]) && p[open + 1] == ' ' && is_of_number(p[open + 2]))
        return true;
    for (int next = 1; next <= GOES_ON; next++)
        if (!is_joined(p[open + next]))
            return false;
    return true;
}

/* Whether base64 spells a digit, a dot or a dash in each byte of the two groups at `at`. */
static bool spells_digits(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    static const char *const some[] = {"LMNO", "CDSTijyz", "AEIMQUYcgk04", "tuvwxyz012345"};
    if (at + 8 > size)
        return false;
    for (int i = 0; i < 8; i++)
        if (p[at + i] == 0 || strchr(some[i & 3], p[at + i]) == NULL)
            return false;
    return true;
}

/* A bit for each of 64 bytes that may be in a run of base64 or hex, begins the base64 of a digit, is a quote, is a quote
 * or a backslash, is a comma, or is rare: an equals sign, or what begins a character beyond ASCII. */
typedef struct {
    uint64_t run, digits, quotes, edges, commas, rare;
} Marks;

static Marks marks_of(const byte *p)
{
    Marks marks = {0, 0, 0, 0, 0, 0};
    for (int at = 0; at < 64; at += 16) {
        const Bytes c = bytes_at(p + at), quote = (c == each('"')) | (c == each('\''));
        const Bytes run = within(c | each(0x20), 'a', 'z') | (within(c, '-', '9') & ~(c == each('.'))) |
                          (c == each('+')) | (c == each('_'));
        marks.run |= bits_of(run) << at;
        marks.digits |= bits_of(within(c, 'L', 'O')) << at;
        marks.quotes |= bits_of(quote) << at;
        marks.edges |= bits_of(quote | (c == each('\\'))) << at;
        marks.commas |= bits_of(c == each(',')) << at;
        marks.rare |= bits_of((c == each('=')) | (c & (c > each(-65)))) << at;
    }
    return marks;
}

/* Where `bits` are `by` bytes before, in this block or, by `before`, in the one before. */
static uint64_t behind(uint64_t bits, uint64_t before, int by)
{
    return bits << by | before >> (64 - by);
}

/* Whether something in p[:size] announces an encoding. */
static bool is_announced(const byte *p, Py_ssize_t size)
{
    Py_ssize_t tested = 0; /* up to here nothing begins that spells something */
    uint64_t quotes_before = 0, digits_before = 0, run_before = 0; /* of the block before */
    uint64_t two_before = 0, four_before = 0, eight_before = 0; /* and where so many of a run end in it */
    byte last[64];
    for (Py_ssize_t block = 0; block < size; block += 64) {
        const Marks marks = marks_of(block_at(p, block, size, sizeof last, last));
        for (uint64_t left = marks.rare; left; left &= left - 1) {
            const Py_ssize_t at = block + lowest(left);
            if (p[at] == '=' ? is_quoted(p, at, size) || goes_on_quoted(p, at, size) : looks_alike(p, at, size))
                return true;
        }
        for (uint64_t left = marks.edges & behind(marks.quotes, quotes_before, 1); left; left &= left - 1)
            if (joins(p, block + lowest(left) - 1, size))
                return true;
        for (uint64_t left = marks.commas & behind(marks.quotes, quotes_before, 1); left; left &= left - 1)
            if (begins_ones(p, block + lowest(left) - 1, size))
                return true;
        const uint64_t two = marks.run & behind(marks.run, run_before, 1), four = two & behind(two, two_before, 2);
        const uint64_t eight = four & behind(four, four_before, 4);
        const uint64_t digits = behind(marks.digits, digits_before, 7) & behind(marks.digits, digits_before, 3);
        for (uint64_t left = eight & digits; left; left &= left - 1)
            if (spells_digits(p, block + lowest(left) - 7, size))
                return true;
        uint64_t ends = eight & behind(eight, eight_before, SHORTEST - 8); /* where so many of a run end */
        while (ends != 0) {
            const Py_ssize_t start = block + lowest(ends) - (SHORTEST - 1);
            if (start >= tested) {
                if (spells(p, start, size))
                    return true;
                tested = start + 64 - LONGEST + 1;
            }
            const Py_ssize_t next = tested + SHORTEST - 1 - block;
            ends = next < 64 ? ends & ~(uint64_t)0 << next : 0;
        }
        quotes_before = marks.quotes;
        digits_before = marks.digits;
        run_before = marks.run;
        two_before = two;
        four_before = four;
        eight_before = eight;
    }
    return false;
}

static PyObject *announces(PyObject *Py_UNUSED(module), PyObject *given)
{
    if (!PyBytes_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "bytes are needed");
        return NULL;
    }
    return PyBool_FromLong(is_announced((const byte *)PyBytes_AS_STRING(given), PyBytes_GET_SIZE(given)));
}
