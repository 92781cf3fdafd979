/* What all parts of the helper use. */
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_AVX2 1
#endif
static bool has_avx2; /* does the processor? */

#define STRING_OF(token) #token
#define STRING(macro) STRING_OF(macro)
#ifndef SOURCE_DIGEST
#define SOURCE_DIGEST xunknown
#endif

typedef unsigned char byte;

typedef struct {
    PyObject *budget_exceeded; /* the exception */
    PyObject *string, *number, *key; /* the kinds of places */
    PyObject *empty; /* bytes */
    PyObject *programs[2]; /* the last ones of detectors/shapes.py that were found to be some; NULL before */
} State;

static int hex_digit(byte c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_digit(byte c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(byte c)
{
    const byte letter = c | 0x20;
    return is_digit(c) || (letter >= 'a' && letter <= 'z');
}

static byte small_letter(byte c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static uint32_t number_at(const byte *p)
{
    uint32_t number;
    memcpy(&number, p, 4);
    return number;
}

/* The place of the lowest bit that is set; there is one. */
static int lowest(uint64_t bits)
{
#ifdef __GNUC__
    return __builtin_ctzll(bits);
#endif
    int at = 0;
    while (!(bits & 1)) {
        bits >>= 1;
        at++;
    }
    return at;
}

/* The lowest `count` bits. */
static uint64_t low_bits(int count)
{
    return count >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1;
}
