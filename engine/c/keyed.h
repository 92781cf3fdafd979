/* What `engine/actions/keyed.py` has tables of: words behind their keys. */
#pragma once

#include "words.h"

enum { GROUPS = 32, HEADS = 4 * (256 + GROUPS), MOST_KEYS = 64 };
enum { THREES = 1 << 12, HEADER = 16, BY_LETTER = HEADER + THREES, RECORD = BY_LETTER + 4 * 33 };
enum { ANYWHERE = 1, ALONE = 1, ENDS = 128 };

/* One record of a table of engine/actions/keyed.py: a key, or none, and its words. */
typedef struct {
    const byte *record, *key, *words;
    Py_ssize_t size, key_size, words_size;
} Keyed;

typedef struct {
    const byte *p;
    Py_ssize_t size;
    Py_ssize_t inner_end; /* where the string in a string that was read last ends: one that begins before ends there too */
    Py_ssize_t done[MOST_KEYS]; /* up to where the words of a key were looked for */
    uint32_t groups; /* of which there were words */
} Values;

/* The record at `at` of a table; whether there is one. */
static bool read_keyed(Keyed *keyed, const byte *table, Py_ssize_t at, Py_ssize_t size)
{
    if (at < HEADS || at > size - RECORD)
        return false;
    const byte *record = table + at;
    const Py_ssize_t whole = number_at(record), words = number_at(record + 4), key = record[8];
    *keyed = (Keyed){record, record + RECORD, record + RECORD + key, whole, key, words};
    return whole <= size - at && RECORD + key + words == whole;
}

static bool is_space(byte c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_escaped_space(byte c)
{
    return c == 'n' || c == 'r' || c == 't' || c == 'f';
}

/* Where the name of the key before the colon at `colon` ends; -1 if there is none. */
static Py_ssize_t key_end(const byte *p, Py_ssize_t colon)
{
    Py_ssize_t at = colon - 1;
    while (at > 0) {
        if (is_space(p[at]))
            at--;
        else if (is_escaped_space(p[at]) && p[at - 1] == '\\')
            for (at--; at >= 0 && p[at] == '\\';)
                at--;
        else
            break;
    }
    if (at < 1 || p[at] != '"')
        return -1;
    for (at--; at >= 0 && p[at] == '\\';)
        at--;
    return at + 1;
}

static bool is_key(const Keyed *keyed, const byte *p, Py_ssize_t end)
{
    const Py_ssize_t start = end - keyed->key_size;
    if (start < 1 || p[start - 1] != '"')
        return false;
    for (Py_ssize_t at = 0; at < keyed->key_size; at++)
        if (small_letter(p[start + at]) != keyed->key[at])
            return false;
    return true;
}

/* The quote from `at` on before which there are fewer than `slashes` backslashes in a row, or the end. */
static Py_ssize_t closing_quote(const byte *p, Py_ssize_t at, Py_ssize_t size, int slashes)
{
    for (const Py_ssize_t begin = at; at < size; at++) {
        const byte *quote = memchr(p + at, '"', size - at);
        if (quote == NULL)
            return size;
        at = quote - p;
        int before = 0;
        while (before < slashes && at - 1 - before >= begin && p[at - 1 - before] == '\\')
            before++;
        if (before < slashes)
            return at;
    }
    return size;
}

/* Where the scalar behind the colon before `at` ends. */
static Py_ssize_t value_end(Values *values, Py_ssize_t at)
{
    const byte *p = values->p;
    const Py_ssize_t size = values->size;
    Py_ssize_t slash = at;
    for (;;) {
        while (at < size && is_space(p[at]))
            at++;
        slash = at;
        while (slash < size && p[slash] == '\\')
            slash++;
        if (slash == at || slash == size || !is_escaped_space(p[slash]))
            break;
        at = slash + 1;
    }
    if (at < size && p[at] == '"')
        return closing_quote(p, at + 1, size, 1);
    if (slash > at && slash < size && p[slash] == '"') {
        if (values->inner_end <= slash)
            values->inner_end = closing_quote(p, slash + 1, size, 3);
        return values->inner_end;
    }
    while (at < size && p[at] != '"' && !is_space(p[at]))
        at++;
    return at;
}

/* Whether `c` may stand behind the end of a scalar, quotes in quotes and white space before it included. */
static bool may_end(byte c)
{
    return c <= ' ' || c == '"' || c == ',' || c == '}' || c == ']' || c == '\\';
}

/* The groups of the words that stand at `at`, before `stop`. */
static uint32_t words_of(const Keyed *keyed, const byte *p, Py_ssize_t at, Py_ssize_t stop, Py_ssize_t size)
{
    const byte *begin = keyed->record + BY_LETTER + 4 * (p[at] & 31);
    const Py_ssize_t end = number_at(begin + 4);
    uint32_t groups = 0;
    for (Py_ssize_t word = number_at(begin); word + 5 <= end && end <= keyed->words_size;) {
        const byte *text = keyed->words + word + 5;
        const Py_ssize_t length = text[-1] & ~ENDS;
        word += 5 + length;
        if (word > end || length > stop - at || (text[-1] & ENDS && at + length < size && !may_end(p[at + length])))
            continue;
        Py_ssize_t same = 0;
        while (same < length && small_letter(p[at + same]) == text[same])
            same++;
        if (same == length)
            groups |= number_at(text - 5);
    }
    return groups;
}

/* The groups of the words in p[at:end]; only some of them, if one of them is enough. */
static uint32_t groups_in(const Keyed *keyed, const byte *p, Py_ssize_t at, Py_ssize_t end, Py_ssize_t size)
{
    const byte *bits = keyed->record + HEADER;
    uint32_t groups = 0;
    int three = at + 1 < end ? p[at] << 5 | (p[at + 1] & 31) : 0;
    for (; at + 1 < end && !(groups & ALONE); at++) {
        three = (three << 5 | (at + 2 < end ? p[at + 2] & 31 : 0)) & (8 * THREES - 1);
        if (bits[three >> 3] >> (three & 7) & 1)
            groups |= words_of(keyed, p, at, end, size);
    }
    return groups;
}

/* Notes the groups of the words in the value behind the colon at `colon`, by its key, which ends at `end`. */
static void read_value(Values *values, const byte *table, Py_ssize_t table_size, Py_ssize_t end, Py_ssize_t colon)
{
    const byte last = small_letter(values->p[end - 1]);
    Py_ssize_t at = number_at(table + 4 * last);
    Keyed keyed;
    for (int number = 0; number < MOST_KEYS && read_keyed(&keyed, table, at, table_size); number++, at += keyed.size) {
        if (keyed.key_size == 0 || keyed.key[keyed.key_size - 1] != last)
            break;
        if (!is_key(&keyed, values->p, end))
            continue;
        const bool anywhere = keyed.record[9] & ANYWHERE;
        const Py_ssize_t start = colon + 1, stop = anywhere ? values->size : value_end(values, start);
        Py_ssize_t *done = &values->done[keyed.record[10] % MOST_KEYS];
        values->groups |= number_at(keyed.record + 12); /* of the empty word */
        values->groups |= groups_in(&keyed, values->p, start > *done ? start : *done, stop, values->size);
        *done = stop > *done ? stop : *done;
    }
}

/* Whether one of the words beside those of a group, its bit in `groups`, stands somewhere. */
static bool has_beside(const Values *values, const byte *table, Py_ssize_t table_size)
{
    Keyed beside;
    for (int group = 1; group < GROUPS; group++)
        if (values->groups >> group & 1 && read_keyed(&beside, table, number_at(table + 4 * (256 + group)), table_size) &&
            groups_in(&beside, values->p, 0, values->size, values->size) != 0)
            return true;
    return false;
}

/* Whether a word of a table stands behind its key in p[:size]. */
static bool is_told(const byte *table, Py_ssize_t table_size, const byte *p, Py_ssize_t size)
{
    Values values = {.p = p, .size = size};
    for (const byte *colon = p; (colon = memchr(colon, ':', size - (colon - p))) != NULL; colon++) {
        const Py_ssize_t end = key_end(p, colon - p);
        if (end > 0 && number_at(table + 4 * small_letter(p[end - 1])) != 0) {
            read_value(&values, table, table_size, end, colon - p);
            if (values.groups & ALONE)
                return true;
        }
    }
    return values.groups != 0 && has_beside(&values, table, table_size);
}

static bool is_keyed_table(PyObject *given)
{
    return PyBytes_Check(given) && PyBytes_GET_SIZE(given) >= HEADS;
}
