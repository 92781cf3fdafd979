/* What `detectors/words.py` has automata of. */
#pragma once

#include "blocks.h"

enum { FIRST_BITS = 1 << 13, BITS = 1 << 12, ROOTS = 256 * 4, STATE = 8, EDGE = 4, MOST_NUMBERS = 4096 };
enum { HEAD = 8, TOGETHER = 1024 };
enum { STANDS_ALONE = 1 << 15 }; /* of a state, beside the number of its edges: the word that ends here stands alone */

/* A bit for each of 64 bytes that is a letter, a small letter, beyond ASCII, a backslash. */
typedef struct {
    uint64_t letters, small, high, slashes;
} Letters;

static Letters letters_of(const byte *p)
{
    Letters marks = {0, 0, 0, 0};
    for (int at = 0; at < 64; at += 16) {
        const Bytes c = bytes_at(p + at), folded = c | each(0x20), letter = within(folded, 'a', 'z');
        marks.letters |= bits_of(letter) << at;
        marks.small |= bits_of(letter & (c == folded)) << at;
        marks.high |= bits_of(c) << at;
        marks.slashes |= bits_of(c == each('\\')) << at;
    }
    return marks;
}

/* An automaton of `detectors.words`: bits for the first four bytes of words, for the second to the fourth, and for the
 * letters that they begin with; where each first byte leads; states; edges. */
typedef struct {
    const byte *first, *second, *heads, *roots, *states, *edges;
    uint32_t state_count, edge_count;
} Automaton;

static bool read_automaton(Automaton *automaton, PyObject *given)
{
    const Py_ssize_t head = FIRST_BITS + 2 * BITS + ROOTS + 4, size = PyBytes_GET_SIZE(given);
    const byte *p = (const byte *)PyBytes_AS_STRING(given);
    if (size < head)
        return false;
    const Py_ssize_t states = number_at(p + FIRST_BITS + 2 * BITS + ROOTS), left = size - head - states * STATE;
    if (left < 0 || left % EDGE != 0)
        return false;
    *automaton = (Automaton){
        .first = p, .second = p + FIRST_BITS, .heads = p + FIRST_BITS + BITS, .roots = p + FIRST_BITS + 2 * BITS,
        .states = p + head, .edges = p + head + states * STATE,
        .state_count = (uint32_t)states, .edge_count = (uint32_t)(left / EDGE),
    };
    return true;
}

/* Where `state` leads by the byte `c`; 0, which is the root, if nowhere. */
static uint32_t next_state(const Automaton *automaton, uint32_t state, byte c)
{
    const byte *p = automaton->states + (size_t)state * STATE;
    uint16_t count;
    memcpy(&count, p + 6, 2);
    count &= STANDS_ALONE - 1;
    const uint32_t first = number_at(p);
    if ((uint64_t)first + count > automaton->edge_count)
        return 0;
    for (const byte *edge = automaton->edges + (size_t)first * EDGE; count > 0; count--, edge += EDGE) {
        const uint32_t to = number_at(edge);
        if ((to & 0xFF) == c)
            return to >> 8 < automaton->state_count ? to >> 8 : 0;
    }
    return 0;
}

/* The eight bytes at `p`, the first one lowest. */
static uint64_t eight_at(const byte *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Whether the bit is set for the five low bits of each of the three lowest bytes. */
static bool has_three(const byte *bits, uint64_t word)
{
    const uint64_t bit = (word & 31) | (word >> 3 & 31 << 5) | (word >> 6 & 31 << 10);
    return bits[bit >> 3] >> (bit & 7) & 1;
}

/* Whether a word may begin with the four bytes at `p`, which are letters with a small one last, or else not: a bit by a
 * hash of the five low bits of each, which a letter has in either case, or else of the last one of the bit that capitals
 * have and most signs do not. */
static bool has_first(const byte *bits, const byte *p, bool letters)
{
    static const uint32_t masks[2] = {0x401F1F1F, 0x1F1F1F1F};
    const uint32_t bit = ((uint32_t)eight_at(p) & masks[letters]) * 0x9E3779B1u >> 16;
    return bits[bit >> 3] >> (bit & 7) & 1;
}

/* Whether both bits are set for up to eight bytes, by a hash: see `detectors.words`. */
static bool has_hashed(const byte *bits, uint64_t word)
{
    const uint64_t hash = (word | 0x20) * 0x9E3779B97F4A7C15u, one = hash >> 49, two = hash >> 34 & (BITS * 8 - 1);
    return bits[one >> 3] >> (one & 7) & bits[two >> 3] >> (two & 7) & 1;
}

/* Whether a word may begin with the bytes at `p`, of which `HEAD` + 2 can be read, as far as the first letters tell: a
 * word cannot end before a small letter, so it begins with all small ones that follow the first byte. */
static bool has_head(const Automaton *automaton, const byte *p)
{
    const uint64_t word = eight_at(p), low = word & 0x7F7F7F7F7F7F7F7Fu;
    const uint64_t from_a = low + 0x1F1F1F1F1F1F1F1Fu, beyond_z = low + 0x0505050505050505u; /* in each highest bit */
    const uint64_t others = (~from_a | beyond_z | word) & 0x8080808080808000u;
    if (others == 0)
        return has_hashed(automaton->heads, word);
    const int length = lowest(others) / 8;
    const byte next = p[length];
    if (next >= 0x80 || (next >= 'A' && next <= 'Z')) /* which a word may go on with */
        return has_three(automaton->second, word >> 8);
    const uint64_t head = word & (((uint64_t)1 << 8 * length) - 1);
    if (has_hashed(automaton->heads, head))
        return true;
    if (length > HEAD - 2 || !(next == ' ' || next == '-' || next == '_'))
        return false;
    const uint64_t joined = ' ' | (uint64_t)(p[length + 1] | 0x20) << 8; /* and the first byte of the next part */
    return has_hashed(automaton->heads, head | joined << 8 * length);
}

/* Whether p[start:end] stands alone: no letter or digit beside it, unless it is that of an escape. */
static bool is_alone(const byte *p, Py_ssize_t start, Py_ssize_t end, Py_ssize_t size)
{
    const bool before = start == 0 || !is_alnum(p[start - 1]) || (start > 1 && p[start - 2] == '\\');
    return before && (end == size || !is_alnum(p[end]));
}

/* Notes the words that begin at `start`; whether there are any. */
static bool words_at(const Automaton *automaton, const byte *p, Py_ssize_t start, Py_ssize_t size, uint64_t *found)
{
    bool any = false;
    Py_ssize_t at = start;
    uint32_t state = number_at(automaton->roots + small_letter(p[at]) * 4);
    while (state != 0 && state < automaton->state_count && ++at <= size) {
        uint16_t word, flags;
        memcpy(&word, automaton->states + (size_t)state * STATE + 4, 2);
        memcpy(&flags, automaton->states + (size_t)state * STATE + 6, 2);
        if (word != 0 && word <= MOST_NUMBERS && (at == size || p[at] < 'a' || p[at] > 'z') &&
            (!(flags & STANDS_ALONE) || is_alone(p, start, at, size))) {
            found[(word - 1) / 64] |= (uint64_t)1 << (word - 1) % 64;
            any = true;
        }
        state = at < size ? next_state(automaton, state, small_letter(p[at])) : 0;
    }
    return any;
}

static PyObject *numbers_of(const uint64_t *found)
{
    Py_ssize_t count = 0;
    for (int word = 0; word < MOST_NUMBERS / 64; word++)
        count += found[word] != 0 ? bit_count(found[word]) : 0;
    PyObject *numbers = PyTuple_New(count);
    for (int word = 0, place = 0; numbers != NULL && word < MOST_NUMBERS / 64; word++)
        for (uint64_t left = found[word]; left != 0; left &= left - 1) {
            PyObject *number = PyLong_FromLong(word * 64 + lowest(left));
            if (number == NULL) {
                Py_DECREF(numbers);
                return NULL;
            }
            PyTuple_SET_ITEM(numbers, place++, number);
        }
    return numbers;
}

/* Whether what begins at `at` is the end of an escape and a capital: the n of `\nIf` begins no word. */
static bool ends_escape(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    return at > 0 && p[at - 1] == '\\' && at + 1 < size && p[at + 1] >= 'A' && p[at + 1] <= 'Z' &&
           p[at] >= 'a' && p[at] <= 'z';
}

/* Notes the words in p[:size]; `found` is set only if there may be some. Whether there are any. */
static bool any_words(const Automaton *automaton, const byte *p, Py_ssize_t size, uint64_t *found)
{
    uint64_t letter_before = 0, small_before = 0, slashes_before = 0; /* of the block before, what this one goes on from */
    bool walked = false, any = false;
    byte last[64 + HEAD];
    for (Py_ssize_t low = 0; low < size; low += TOGETHER) {
        uint16_t likely[TOGETHER]; /* where words may begin, gathered first: a loop for each block would be left too often */
        int count = 0;
        for (int block = 0; block < TOGETHER && low + block < size; block += 64) {
            const byte *q = block_at(p, low + block, size, sizeof last, last);
            const Letters marks = letters_of(q);
            uint64_t starts = ~(marks.letters << 1 | letter_before); /* behind what is no letter */
            starts |= (marks.small << 1 | small_before) & ~marks.small; /* behind a small letter */
            starts |= marks.slashes << 2 | slashes_before; /* behind an escape */
            /* Four letters begin here, a small one last; what the next block would have to tell need not be known. */
            const uint64_t four = marks.letters & marks.letters >> 1 & marks.letters >> 2 & marks.small >> 3;
            for (uint64_t left = starts & (marks.letters | marks.high); left != 0; left &= left - 1) {
                const int at = lowest(left);
                likely[count] = (uint16_t)(block + at);
                count += has_first(automaton->first, q + at, four >> at & 1);
            }
            letter_before = marks.letters >> 63;
            small_before = marks.small >> 63;
            slashes_before = marks.slashes >> 62;
        }
        for (int i = 0; i < count; i++) {
            const Py_ssize_t at = low + likely[i];
            if (!has_head(automaton, block_at(p, at, size, HEAD + 2, last)) || ends_escape(p, at, size))
                continue;
            if (!walked)
                memset(found, 0, MOST_NUMBERS / 8);
            walked = true;
            any |= words_at(automaton, p, at, size, found);
        }
    }
    return any;
}
