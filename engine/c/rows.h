/* What `engine/layers/rows.py` has tables of: rows of base64's characters. */
#pragma once

#include "layers.h"

enum { THREE_CHARS = 3, ROW_WORDS = 3, ROW_GROUPS = 4, ROW_HEAD = 4 };
enum { GROUP_TABLES = ROW_GROUPS * THREE_CHARS * 32, ROW_MASKS = THREE_CHARS * 64 * ROW_WORDS * 8 };

/* A table of `engine.layers.rows`: tables of groups; for each of a row's three rarest characters, and each character of
 * the alphabet, a bit for each row that may have it there; and the rows, see `row_around`. */
typedef struct {
    const byte *groups, *masks, *rows;
    Py_ssize_t size; /* of the rows */
} Rows;

/* Whether the row `number` stands in a text with its three characters at `at`. At four bytes for each, `rows` has how
 * long it is, where the three begin in it, and where its characters are: 64 bits for each. */
static bool row_around(const Rows *rows, int number, const byte *p, Py_ssize_t size, Py_ssize_t at)
{
    if ((number + 1) * ROW_HEAD > rows->size)
        return false;
    const byte *row = rows->rows + number * ROW_HEAD;
    uint16_t place;
    memcpy(&place, row + 2, sizeof place);
    const Py_ssize_t start = at - row[1];
    if (start < 0 || start + row[0] > size || place + 8 * row[0] > rows->size)
        return false;
    for (int i = 0; i < row[0]; i++) {
        uint64_t class;
        memcpy(&class, rows->rows + place + 8 * i, sizeof class);
        if (!(traits[p[start + i]] & RUN) || !(class >> values[p[start + i]] & 1))
            return false;
    }
    return true;
}

/* Whether a row stands in a text with its three characters at `at`, of which at least three bytes are there. */
static bool any_row_around(const Rows *rows, const byte *p, Py_ssize_t size, Py_ssize_t at)
{
    if (!(traits[p[at]] & traits[p[at + 1]] & traits[p[at + 2]] & RUN))
        return false;
    for (int word = 0; word < ROW_WORDS; word++) {
        uint64_t left = ~(uint64_t)0, mask;
        for (int place = 0; place < THREE_CHARS; place++) {
            memcpy(&mask, rows->masks + ((place * 64 + values[p[at + place]]) * ROW_WORDS + word) * 8, sizeof mask);
            left &= mask;
        }
        for (; left != 0; left &= left - 1)
            if (row_around(rows, 64 * word + lowest(left), p, size, at))
                return true;
    }
    return false;
}

#ifdef HAVE_AVX2
/* A bit for each of the 32 bytes at `p` where the three characters of a row may begin; 34 bytes are read. */
__attribute__((target("avx2"))) static uint32_t rows_may_begin(const byte *groups, const byte *p)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i lower[THREE_CHARS], upper[THREE_CHARS], any = _mm256_setzero_si256();
    for (int place = 0; place < THREE_CHARS; place++) {
        const __m256i c = _mm256_loadu_si256((const __m256i *)(p + place));
        lower[place] = _mm256_and_si256(c, nibble);
        upper[place] = _mm256_and_si256(_mm256_srli_epi16(c, 4), nibble);
    }
    for (int group = 0; group < ROW_GROUPS; group++) {
        __m256i left = _mm256_set1_epi8(-1);
        for (int place = 0; place < THREE_CHARS; place++, groups += 32) {
            const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)groups));
            const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(groups + 16)));
            left = _mm256_and_si256(left, _mm256_shuffle_epi8(low, lower[place]));
            left = _mm256_and_si256(left, _mm256_shuffle_epi8(high, upper[place]));
        }
        any = _mm256_or_si256(any, left);
    }
    return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(any, _mm256_setzero_si256()));
}
#endif

/* Whether `given` is a table, which `rows` then is. */
static bool read_rows(Rows *rows, PyObject *given)
{
    if (!PyBytes_Check(given) || PyBytes_GET_SIZE(given) < GROUP_TABLES + ROW_MASKS)
        return false;
    const byte *table = (const byte *)PyBytes_AS_STRING(given);
    *rows = (Rows){table, table + GROUP_TABLES, table + GROUP_TABLES + ROW_MASKS,
                   PyBytes_GET_SIZE(given) - GROUP_TABLES - ROW_MASKS};
    return true;
}

/* Whether one of `rows` stands in p[:size]. */
static bool any_row(const Rows *rows, const byte *p, Py_ssize_t size)
{
    Py_ssize_t at = 0;
#ifdef HAVE_AVX2
    if (has_avx2)
        for (; at + 32 + 2 <= size; at += 32)
            for (uint32_t left = rows_may_begin(rows->groups, p + at); left != 0; left &= left - 1)
                if (any_row_around(rows, p, size, at + lowest(left)))
                    return true;
#endif
    for (; at + 2 < size; at++)
        if (any_row_around(rows, p, size, at))
            return true;
    return false;
}

static PyObject *has_row(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Rows rows;
    if (count != 2 || !PyBytes_Check(args[1]) || !read_rows(&rows, args[0]))
        return PyErr_Format(PyExc_TypeError, "has_row takes a table of engine.layers.rows and bytes");
    return PyBool_FromLong(any_row(&rows, (const byte *)PyBytes_AS_STRING(args[1]), PyBytes_GET_SIZE(args[1])));
}
