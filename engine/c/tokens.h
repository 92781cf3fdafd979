/* The tokens of JSON. */
#pragma once

#include "base.h"

static Py_ssize_t skip_blank(const byte *data, Py_ssize_t at, Py_ssize_t size)
{
    while (at < size && (data[at] == ' ' || data[at] == '\n' || data[at] == '\t' || data[at] == '\r'))
        at++;
    return at;
}

/* Is one of the eight bytes of `word` the byte that is repeated in `pattern`? (Mycroft's test for a zero byte.) */
static bool holds(uint64_t word, uint64_t pattern)
{
    uint64_t x = word ^ pattern;
    return ((x - 0x0101010101010101u) & ~x & 0x8080808080808080u) != 0;
}

/* Where the closing quote of the string stands whose text begins at `at`; -1 if there is none. */
static Py_ssize_t string_end(const byte *data, Py_ssize_t at, Py_ssize_t size)
{
    while (at < size) {
        for (uint64_t word; size - at >= 8; at += 8) {
            memcpy(&word, data + at, 8);
            if (holds(word, 0x2222222222222222u) || holds(word, 0x5C5C5C5C5C5C5C5Cu))
                break;
        }
        while (at < size && data[at] != '"' && data[at] != '\\')
            at++;
        if (at < size && data[at] == '"')
            return at;
        at += 2; /* an escape, whatever it is */
    }
    return -1;
}

static Py_ssize_t skip_digits(const byte *data, Py_ssize_t at, Py_ssize_t size)
{
    while (at < size && data[at] >= '0' && data[at] <= '9')
        at++;
    return at;
}

/* The end of `word` at `at`; -1 if it does not stand there. */
static Py_ssize_t word_end(const byte *data, Py_ssize_t at, Py_ssize_t size, const char *word)
{
    Py_ssize_t length = (Py_ssize_t)strlen(word);
    return size - at >= length && memcmp(data + at, word, (size_t)length) == 0 ? at + length : -1;
}

/* The end of the number, NaN, Infinity, true, false or null that begins at `at` < size; -1 if there is none. */
static Py_ssize_t scalar_end(const byte *data, Py_ssize_t at, Py_ssize_t size)
{
    switch (data[at]) {
    case 't': return word_end(data, at, size, "true");
    case 'f': return word_end(data, at, size, "false");
    case 'n': return word_end(data, at, size, "null");
    case 'N': return word_end(data, at, size, "NaN");
    case '-': at++;
    }
    if (at < size && data[at] == 'I')
        return word_end(data, at, size, "Infinity");
    Py_ssize_t end = skip_digits(data, at, size);
    if (end == at)
        return -1;
    if (data[at] == '0')
        end = at + 1;
    if (end < size && data[end] == '.') {
        Py_ssize_t fraction = skip_digits(data, end + 1, size);
        if (fraction > end + 1)
            end = fraction;
    }
    if (end < size && (data[end] == 'e' || data[end] == 'E')) {
        Py_ssize_t digits = end + 1;
        if (digits < size && (data[digits] == '+' || data[digits] == '-'))
            digits++;
        Py_ssize_t exponent = skip_digits(data, digits, size);
        if (exponent > digits)
            end = exponent;
    }
    return end;
}
