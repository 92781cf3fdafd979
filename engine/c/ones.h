/* What `engine/layers/characters.py` announces (ONES): single characters in a row of an array. */
#pragma once

#include "blocks.h"

enum { SEPARATORS = 4, DEEP = 7 }; /* so many between the characters; from so many backslashes before a quote on, any number */
enum { ONE_SLASHES = 15, ONE_ESCAPES = 8, MOST_ENDS = 20 };

static Py_ssize_t behind_backslashes(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    while (at < size && p[at] == '\\')
        at++;
    return at;
}

/* Where `\uXXXX` at `at` ends, with up to `ONE_ESCAPES` backslashes; -1 if there is none. */
static Py_ssize_t escape_end(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    const Py_ssize_t u = behind_backslashes(p, at, size);
    if (u == at || u - at > ONE_ESCAPES || u + 5 > size || p[u] != 'u')
        return -1;
    for (int i = 1; i < 5; i++)
        if (hex_digit(p[u + i]) < 0)
            return -1;
    return u + 5;
}

/* Notes in `ends` where a character at `at`, spelled in one way or another, may end; how many there are. */
static int ends_of_one(const byte *p, Py_ssize_t at, Py_ssize_t size, Py_ssize_t *ends)
{
    int count = 0;
    if (at >= size || p[at] == '"')
        return 0;
    if (p[at] >= 0x80) {
        for (int i = 1; i < 4 && p[at] >= 0xc2 && p[at] <= 0xf4 && at + i < size && p[at + i] >> 6 == 2; i++)
            ends[count++] = at + i + 1;
        return count;
    }
    if (p[at] != '\\') {
        ends[count++] = at + 1;
        if ((p[at] == '=' || p[at] == '%') && at + 2 < size && hex_digit(p[at + 1]) >= 0 && hex_digit(p[at + 2]) >= 0)
            ends[count++] = at + 3;
        return count;
    }
    for (Py_ssize_t i = 1; i <= ONE_SLASHES && at + i < size && p[at + i - 1] == '\\'; i++)
        if (p[at + i] != 0 && strchr("\"\\/nrtbf", p[at + i]) != NULL)
            ends[count++] = at + i + 1;
    const Py_ssize_t first = escape_end(p, at, size), second = first < 0 ? -1 : escape_end(p, first, size);
    if (first >= 0)
        ends[count++] = first;
    if (second >= 0)
        ends[count++] = second;
    return count;
}

/* Whether so many separators and characters stand by turns, the first separator with its comma at `comma`. Before a quote
 * stand so many backslashes: none, one, three, or `DEEP` and more. */
static bool are_ones(const byte *p, Py_ssize_t comma, Py_ssize_t size, Py_ssize_t slashes, int separators)
{
    Py_ssize_t at = comma + 1;
    if (at < size && p[at] == ' ')
        at++;
    const Py_ssize_t quote = behind_backslashes(p, at, size);
    if (quote >= size || p[quote] != '"' || (slashes < DEEP ? quote - at != slashes : quote - at < DEEP))
        return false;
    Py_ssize_t ends[MOST_ENDS];
    const int count = ends_of_one(p, quote + 1, size, ends);
    if (separators == 1)
        return count > 0;
    Py_ssize_t tried = -1; /* a quote behind which no more characters are: all ends in a row of backslashes lead to one */
    for (int i = 0; i < count; i++) {
        const Py_ssize_t next = behind_backslashes(p, ends[i], size), before = next - ends[i];
        if (next == tried || next + 1 >= size || p[next] != '"' || p[next + 1] != ',' ||
            (slashes < DEEP ? before != slashes : before < DEEP))
            continue;
        if (are_ones(p, next + 1, size, slashes, separators - 1))
            return true;
        tried = next;
    }
    return false;
}

/* Whether characters in a row go on behind the quote at `at`, behind which a comma is. */
static bool begins_ones(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    Py_ssize_t next = at + 2;
    if (p[at] != '"' || next >= size)
        return false;
    if (p[next] == ' ')
        next++;
    const Py_ssize_t inner = behind_backslashes(p, next, size) - next;
    Py_ssize_t outer = 0;
    while (outer < inner && at > outer && p[at - 1 - outer] == '\\')
        outer++;
    const bool is_level = inner == 0 || inner == 1 || inner == 3 || inner >= DEEP;
    return is_level && (inner < DEEP ? outer == inner : outer >= DEEP) && are_ones(p, at + 1, size, inner, SEPARATORS);
}
