/* What `detectors/shapes.py` has programs of. */
#pragma once

#include "blocks.h"

#ifdef HAVE_AVX2

enum { CHUNK = 63, ZEROS = 5, ROOM = CHUNK + 1 + ZEROS, TABLE = 32, LONGEST_ROW = 12, SHAPE = 8 + 2 * LONGEST_ROW, DEEPEST = 8 };
enum { MOST_ROW_CLASSES = 48, MOST_SHAPES = 255 };
enum { TAKE, BEGIN, FORK, OR, JOIN, MAYBE }; /* as `detectors.shapes` numbers them */

typedef unsigned __int128 window; /* a bit for each of the 64 bytes of a block, and of the block behind */

/* A program of `detectors.shapes`: tables of classes of bytes, those of rows first; shapes; instructions. */
typedef struct {
    const byte *tables, *shapes, *code;
    int class_count, row_class_count, shape_count, code_size;
} Program;

/* Some blocks of 64 bytes of a text, and for each class of a row the bits of its bytes. */
typedef struct {
    const byte *data; /* of the first block */
    Py_ssize_t left; /* bytes from there on */
    int blocks; /* one more is looked at, since shapes may reach into it */
    bool first; /* does the text begin here? */
    uint64_t bits[MOST_ROW_CLASSES][ROOM];
    uint64_t met[MOST_ROW_CLASSES]; /* a bit for each block in which there is a byte of the class */
} Chunk;

/* The bits of a class: by a byte's lower half its table tells the upper halves, 0 to 7 and 8 to 15. `bit` is that of the
 * upper half of each byte of `c`, `above` is `c` with the highest bit the other way round. */
__attribute__((target("avx2"))) static inline uint32_t in_class(
    const byte *table, __m256i c, __m256i above, __m256i bit)
{
    const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(table + 16)));
    const __m256i row = _mm256_or_si256(_mm256_shuffle_epi8(low, c), _mm256_shuffle_epi8(high, above));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_and_si256(row, bit), bit));
}

/* The bits of `count` classes in the 64 bytes at `p`, of which `left` are there. */
__attribute__((target("avx2"))) static void mark_classes(
    const byte *p, Py_ssize_t left, const byte *tables, int count, uint64_t *bits, size_t step)
{
    const __m256i powers = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128, /* twice */
                                            1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
    const __m256i nibble = _mm256_set1_epi8(15), top = _mm256_set1_epi8(-128);
    const __m256i c = _mm256_loadu_si256((const __m256i *)p), d = _mm256_loadu_si256((const __m256i *)(p + 32));
    const __m256i c_above = _mm256_xor_si256(c, top), d_above = _mm256_xor_si256(d, top);
    const __m256i c_bit = _mm256_shuffle_epi8(powers, _mm256_and_si256(_mm256_srli_epi16(c, 4), nibble));
    const __m256i d_bit = _mm256_shuffle_epi8(powers, _mm256_and_si256(_mm256_srli_epi16(d, 4), nibble));
    const uint64_t there = left >= 64 ? ~(uint64_t)0 : low_bits((int)left);
    for (int class = 0; class < count; class++, tables += TABLE, bits += step)
        *bits = there & (in_class(tables, c, c_above, c_bit) | (uint64_t)in_class(tables, d, d_above, d_bit) << 32);
}

/* Works out the bits of the rows' classes in all blocks and the one behind them. */
static void mark_rows(Chunk *chunk, const Program *program)
{
    const int count = program->row_class_count;
    byte last[64];
    int block = 0;
    for (Py_ssize_t at = 0; block <= chunk->blocks && at < chunk->left; block++, at += 64) {
        const byte *p = block_at(chunk->data, at, chunk->left, sizeof last, last);
        mark_classes(p, chunk->left - at, program->tables, count, &chunk->bits[0][block], ROOM);
    }
    for (int class = 0; class < count; class++) {
        uint64_t *bits = chunk->bits[class], met = 0;
        for (int i = 0; i < block; i++)
            met |= (uint64_t)(bits[i] != 0) << i;
        memset(bits + block, 0, ZEROS * sizeof *bits); /* four blocks are read at a time, and those behind them */
        chunk->met[class] = met;
    }
}

/* The bits of a class in a block and the one behind. */
static window window_of(const Chunk *chunk, const Program *program, int class, int block)
{
    if (class < program->row_class_count)
        return chunk->bits[class][block] | (window)chunk->bits[class][block + 1] << 64;
    uint64_t bits[2] = {0};
    byte last[64];
    for (int part = 0; part < 2; part++) {
        const Py_ssize_t at = (block + part) * 64;
        if (at < chunk->left)
            mark_classes(block_at(chunk->data, at, chunk->left, sizeof last, last), chunk->left - at,
                         program->tables + class * TABLE, 1, bits + part, 1);
    }
    return bits[0] | (window)bits[1] << 64;
}

/* Whether the shape whose instructions are `code` begins in a block. */
static bool shape_begins(const Chunk *chunk, const Program *program, const byte *code, const byte *end, int block)
{
    struct {
        window before, others; /* where a fork began, where its branches so far ended */
    } forks[DEEPEST];
    int depth = 0;
    window at = ~(uint64_t)0; /* a bit wherever what is read so far may end, that is, before that byte */
    while (code < end) {
        switch (*code++) {
        case TAKE: {
            const window class = window_of(chunk, program, code[0], block);
            int count = 0;
            for (; count < code[1] && at != 0; count++)
                at = (at & class) << 1;
            for (window last = at; count < code[2] && last != 0; count++)
                at |= last = (last & class) << 1;
            if (at == 0 && depth == 0)
                return false;
            code += 3;
            break;
        }
        case BEGIN: at &= chunk->first && block == 0; break;
        case FORK:
            forks[depth].before = at;
            forks[depth++].others = 0;
            break;
        case OR:
            forks[depth - 1].others |= at;
            at = forks[depth - 1].before;
            break;
        case JOIN: at |= forks[--depth].others; break;
        case MAYBE: at |= forks[--depth].before; break;
        }
    }
    return at != 0;
}

/* Whether these are instructions, and forks end where they began. */
static bool are_instructions(const Program *program, const byte *code, const byte *end)
{
    int depth = 0;
    while (code < end) {
        switch (*code++) {
        case TAKE:
            if (end - code < 3 || code[0] >= program->class_count)
                return false;
            code += 3;
            break;
        case BEGIN: break;
        case FORK:
            if (++depth > DEEPEST)
                return false;
            break;
        case OR:
            if (depth == 0)
                return false;
            break;
        case JOIN:
        case MAYBE:
            if (--depth < 0)
                return false;
            break;
        default: return false;
        }
    }
    return depth == 0;
}

/* A shape of a program: its id, where its instructions begin and end, its row. */
typedef struct {
    uint16_t id, start, end, length; /* of the row */
    const byte *row; /* pairs of an offset and a class */
} Shape;

static Shape shape_of(const Program *program, int number)
{
    Shape shape;
    const byte *p = program->shapes + number * SHAPE;
    memcpy(&shape, p, 8);
    shape.row = p + 8;
    return shape;
}

static bool is_program(const Program *program)
{
    for (int number = 0; number < program->shape_count; number++) {
        const Shape shape = shape_of(program, number);
        if (shape.start > shape.end || shape.end > program->code_size || shape.length > LONGEST_ROW)
            return false;
        for (int i = 0; i < shape.length; i++)
            if (shape.row[2 * i] >= LONGEST_ROW || shape.row[2 * i + 1] >= program->row_class_count)
                return false;
        if (!are_instructions(program, program->code + shape.start, program->code + shape.end))
            return false;
    }
    return true;
}

/* Reads a program; `state` remembers those that were looked at closely, since there are two for millions of texts. */
static bool read_program(State *state, Program *program, PyObject *given)
{
    const Py_ssize_t size = PyBytes_GET_SIZE(given);
    const byte *p = (const byte *)PyBytes_AS_STRING(given);
    if (size < 3 || p[1] > p[0] || p[1] > MOST_ROW_CLASSES)
        return false;
    const Py_ssize_t code = 3 + p[0] * TABLE + p[2] * SHAPE;
    *program = (Program){
        .tables = p + 3, .shapes = p + 3 + p[0] * TABLE, .code = p + code, .class_count = p[0],
        .row_class_count = p[1], .shape_count = p[2], .code_size = (int)(size - code),
    };
    if (given == state->programs[0] || given == state->programs[1])
        return true;
    if (size < code || size - code > UINT16_MAX || !is_program(program))
        return false;
    Py_XSETREF(state->programs[1], state->programs[0]);
    state->programs[0] = Py_NewRef(given);
    return true;
}

/* The blocks, a bit for each, in which the row of a shape begins, whose `length` pairs of an offset and a class are
 * `row`. One that goes on behind the chunk is not seen: it is of the next. */
__attribute__((target("avx2"))) static uint64_t rows_begin(const Chunk *chunk, const byte *row, int length)
{
    uint64_t may = low_bits(chunk->blocks + 1), blocks = 0;
    for (int i = 0; i < length; i++) {
        const uint64_t met = chunk->met[row[2 * i + 1]];
        may &= met | met >> 1;
    }
    for (int block = 0; block <= chunk->blocks; block += 4) {
        if ((may >> block & 15) == 0)
            continue;
        __m256i begins = _mm256_set1_epi8(-1);
        for (int i = 0; i < length && !_mm256_testz_si256(begins, begins); i++) {
            const uint64_t *bits = chunk->bits[row[2 * i + 1]] + block;
            const __m128i down = _mm_cvtsi32_si128(row[2 * i]), up = _mm_cvtsi32_si128(64 - row[2 * i]);
            const __m256i here = _mm256_srl_epi64(_mm256_loadu_si256((const __m256i *)bits), down);
            const __m256i behind = _mm256_sll_epi64(_mm256_loadu_si256((const __m256i *)(bits + 1)), up);
            begins = _mm256_and_si256(begins, _mm256_or_si256(here, behind));
        }
        const __m256i none = _mm256_cmpeq_epi64(begins, _mm256_setzero_si256());
        blocks |= (uint64_t)(~_mm256_movemask_pd(_mm256_castsi256_pd(none)) & 15) << block;
    }
    return blocks;
}

/* Whether a shape is in a chunk. It has 32 bytes at most: its row ends in the block in which it begins, or in the next. */
static bool has_shape(const Chunk *chunk, const Program *program, const Shape *shape)
{
    uint64_t blocks = rows_begin(chunk, shape->row, shape->length);
    blocks |= blocks >> 1; /* a shape may begin in the block before */
    for (uint64_t left = blocks & low_bits(chunk->blocks); left != 0; left &= left - 1)
        if (shape_begins(chunk, program, program->code + shape->start, program->code + shape->end, lowest(left)))
            return true;
    return false;
}

/* Notes in `ids`, which has room for all, those of the shapes in data[:size], each once; how many there are. */
static int shapes_in(const Program *program, const byte *data, Py_ssize_t size, uint16_t *ids)
{
    bool seen[MOST_SHAPES];
    memset(seen, false, program->shape_count);
    int count = 0;
    Chunk chunk;
    for (Py_ssize_t at = 0; at < size; at += CHUNK * 64) {
        const Py_ssize_t blocks = (size - at + 63) / 64;
        chunk.data = data + at;
        chunk.left = size - at;
        chunk.blocks = blocks < CHUNK ? (int)blocks : CHUNK;
        chunk.first = at == 0;
        mark_rows(&chunk, program);
        for (int number = 0; number < program->shape_count; number++) {
            const Shape shape = shape_of(program, number);
            if (seen[number] || !has_shape(&chunk, program, &shape))
                continue;
            for (int other = 0; other < program->shape_count; other++) /* an id may have several */
                seen[other] |= shape_of(program, other).id == shape.id;
            ids[count++] = shape.id;
        }
    }
    return count;
}
#endif
