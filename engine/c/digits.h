/* What `detectors/gateform.py` does (has_digits). */
#pragma once

#include "blocks.h"

enum { ENOUGH_DIGITS = 6 };

/* A bit for each of 64 bytes that is a digit. */
static uint64_t digits_of(const byte *p)
{
    uint64_t digits = 0;
    for (int at = 0; at < 64; at += 16)
        digits |= bits_of(within(bytes_at(p + at), '0', '9')) << at;
    return digits;
}

/* And for each that is one or may stand between two of a number. */
static uint64_t runs_of(const byte *p)
{
    uint64_t runs = 0;
    for (int at = 0; at < 64; at += 16) {
        const Bytes c = bytes_at(p + at);
        const Bytes sign = (c == each(' ')) | (c == each('\\')) | ((c | each(1)) == each(')')); /* or the other bracket */
        runs |= bits_of(within(c, '-', '9') | sign) << at;
    }
    return runs;
}

/* Whether a run of a block has digits enough; the first one goes on from `count` digits before. */
static bool has_enough(uint64_t digits, uint64_t runs, int count)
{
    for (int low = 0; low < 64 && digits != 0;) {
        const uint64_t gaps = ~runs >> low;
        const int end = gaps ? low + lowest(gaps) : 64;
        count += bit_count(digits & low_bits(end));
        if (count >= ENOUGH_DIGITS)
            return true;
        count = 0;
        digits &= ~low_bits(end);
        low = digits ? lowest(digits) : 64;
    }
    return false;
}

/* Whether p[:size] has digits enough. */
static bool is_numeric(const byte *p, Py_ssize_t size)
{
    int count = 0; /* the digits of the run that reaches up to this block */
    byte last[64];
    for (Py_ssize_t block = 0; block < size; block += 64) {
        const byte *q = block_at(p, block, size, sizeof last, last);
        const uint64_t digits = digits_of(q);
        if (digits == 0 && count == 0)
            continue;
        const uint64_t runs = runs_of(q);
        const int more = bit_count(digits);
        if (count + more >= ENOUGH_DIGITS && has_enough(digits, runs, count))
            return true;
        count = ~runs == 0 ? count + more : bit_count(digits & ~low_bits(64 - __builtin_clzll(~runs)));
    }
    return false;
}
