/* Bytes looked at 16 or 64 at a time, as masks of bits. */
#pragma once

#include "base.h"

/* 16 bytes, looked at together; of what is said of each, the highest bit counts. */
typedef signed char Bytes __attribute__((vector_size(16)));

static Bytes bytes_at(const byte *p)
{
    Bytes c;
    memcpy(&c, p, sizeof c);
    return c;
}

static Bytes each(signed char c)
{
    return (Bytes){c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c};
}

/* Which bytes are from `first` to `last`, both ASCII. */
static Bytes within(Bytes c, signed char first, signed char last)
{
    return (c > each(first - 1)) & (c < each(last + 1));
}

/* A bit for each byte, the first one lowest. */
static uint64_t bits_of(Bytes c)
{
#ifdef __SSE2__
    return (uint64_t)_mm_movemask_epi8((__m128i)c);
#else
    uint64_t bits = 0;
    for (int at = 0; at < 16; at++)
        bits |= (uint64_t)(c[at] < 0) << at;
    return bits;
#endif
}

/* How many bits are set. */
static int bit_count(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
    return (int)(((bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0Fu) * 0x0101010101010101u >> 56);
}

/* The `width` bytes at `block`; of the last ones, with zeros behind them, a copy in `last`. */
static const byte *block_at(const byte *p, Py_ssize_t block, Py_ssize_t size, size_t width, byte *last)
{
    if (block + (Py_ssize_t)width <= size)
        return p + block;
    memset(last, 0, width);
    memcpy(last, p + block, (size_t)(size - block));
    return last;
}
