/* What `detectors/runs.py` does (cut). */
#pragma once

#include "layers.h"

enum { LONG_RUN = 16 };
enum { ENOUGH = 4096 }; /* bytes of most texts */

static bool stretches[256]; /* does a byte stand within a stretch? */

static void fill_stretches(void)
{
    static const char apart[] = " \t\n\v\f\r\"'`,()[]{}<>";
    memset(stretches, true, sizeof stretches);
    for (const char *p = apart; *p; p++)
        stretches[(byte)*p] = false;
}

/* A bit for each of 64 bytes that is a letter, a digit, a dash or an underscore. */
static uint64_t token_bytes_of(const byte *p)
{
    uint64_t bits = 0;
    for (int at = 0; at < 64; at += 16) {
        const Bytes c = bytes_at(p + at);
        bits |= bits_of(within(c | each(0x20), 'a', 'z') | within(c, '0', '9') | (c == each('-')) | (c == each('_'))) << at;
    }
    return bits;
}

/* Puts the stretch around the byte at `at` behind the `length` bytes of `out`, a space between, and gives how many bytes
 * that makes. `from` is where the last one ended, and becomes where this one does. */
static Py_ssize_t put_stretch(const byte *p, Py_ssize_t at, Py_ssize_t size, byte *out, Py_ssize_t length, Py_ssize_t *from)
{
    Py_ssize_t start = at, end = at + 1;
    while (start > *from && stretches[p[start - 1]])
        start--;
    while (end < size && stretches[p[end]])
        end++;
    if (length > 0)
        out[length++] = ' ';
    memcpy(out + length, p + start, (size_t)(end - start));
    *from = end;
    return length + end - start;
}

/* Puts the stretches of p[:size] with a long run into `out`, which has room for `size` bytes, and gives how many bytes
 * that makes. */
static Py_ssize_t put_stretches(const byte *p, Py_ssize_t size, byte *out)
{
    uint64_t one_before = 0, two_before = 0, four_before = 0, eight_before = 0; /* where so many of a run ended in the last block */
    Py_ssize_t from = 0, length = 0;
    byte last[64];
    for (Py_ssize_t block = 0; block < size; block += 64) {
        const uint64_t one = token_bytes_of(block_at(p, block, size, sizeof last, last));
        const uint64_t two = one & behind(one, one_before, 1), four = two & behind(two, two_before, 2);
        const uint64_t eight = four & behind(four, four_before, 4);
        for (uint64_t ends = eight & behind(eight, eight_before, LONG_RUN - 8); ends != 0;) {
            const Py_ssize_t at = block + lowest(ends);
            if (at >= from)
                length = put_stretch(p, at, size, out, length, &from);
            ends = from - block < 64 ? ends & ~(uint64_t)0 << (from - block) : 0;
        }
        one_before = one;
        two_before = two;
        four_before = four;
        eight_before = eight;
    }
    return length;
}

/* The same as bytes. */
static PyObject *stretches_of(const byte *p, Py_ssize_t size)
{
    byte some[ENOUGH];
    if (size <= ENOUGH)
        return PyBytes_FromStringAndSize((const char *)some, put_stretches(p, size, some));
    PyObject *out = PyBytes_FromStringAndSize(NULL, size);
    if (out != NULL)
        _PyBytes_Resize(&out, put_stretches(p, size, (byte *)PyBytes_AS_STRING(out)));
    return out;
}
