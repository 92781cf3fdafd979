/* What `detectors/anchors.py` does (scan). */
#pragma once

#include "base.h"

enum { MAX_WORDS = 64, ABREAST = 4 };

/* The spans of one scan, as they end. */
typedef struct {
    PyObject *found;  /* the list that is returned */
    PyObject *owners; /* a tuple: the rule of each bit */
    Py_ssize_t *starts; /* by bit: where the row began that its anchors end in */
} Ends;

/* Adds the spans of the bits of `ended`, bits of the word `word`, which end before `at`. */
static bool add_ended(Ends *ends, uint64_t ended, Py_ssize_t word, Py_ssize_t at)
{
    for (; ended != 0; ended &= ended - 1) {
        const Py_ssize_t bit = word * 64 + __builtin_ctzll(ended);
        PyObject *span = Py_BuildValue("(nnO)", ends->starts[bit], at, PyTuple_GET_ITEM(ends->owners, bit));
        const bool added = span != NULL && PyList_Append(ends->found, span) == 0;
        Py_XDECREF(span);
        if (!added)
            return false;
    }
    return true;
}

/* Scans for the anchors of `count` words of the table, which has `words`, from `word` on; false with an exception set. The
 * steps of several words wait for each other as little as those of one do, so they take hardly longer. */
static inline bool scan_words(
    Ends *ends, const byte *data, Py_ssize_t size, const char *masks, Py_ssize_t words, Py_ssize_t word, const int count,
    Py_ssize_t most)
{
    uint64_t first[ABREAST], last[ABREAST], state[ABREAST], before[ABREAST], now[ABREAST];
    memcpy(first, masks + (256 * words + word) * 8, (size_t)count * 8);
    memcpy(last, masks + (257 * words + word) * 8, (size_t)count * 8);
    for (int i = 0; i < count; i++)
        state[i] = before[i] = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        const char *row = masks + (data[at] * words + word) * 8;
        uint64_t changed = 0;
        for (int i = 0; i < count; i++) {
            uint64_t mask;
            memcpy(&mask, row + i * 8, 8);
            state[i] = (state[i] << 1 | first[i]) & mask;
            now[i] = state[i] & last[i];
            changed |= now[i] ^ before[i];
        }
        if (changed == 0)
            continue;
        for (int i = 0; i < count; i++) {
            for (uint64_t began = now[i] & ~before[i]; began != 0; began &= began - 1)
                ends->starts[(word + i) * 64 + __builtin_ctzll(began)] = at;
            if (!add_ended(ends, before[i] & ~now[i], word + i, at))
                return false;
            before[i] = now[i];
        }
        if (PyList_GET_SIZE(ends->found) > most)
            return true;
    }
    for (int i = 0; i < count; i++)
        if (!add_ended(ends, before[i], word + i, size))
            return false;
    return true;
}

static PyObject *scan(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 5 || !PyBytes_Check(args[0]) || !PyLong_Check(args[1]) || !PyBytes_Check(args[2]) ||
        !PyTuple_Check(args[3]) || !PyLong_Check(args[4]))
        return PyErr_Format(PyExc_TypeError, "scan takes bytes, an int, bytes, a tuple and an int");
    const byte *data = (const byte *)PyBytes_AS_STRING(args[0]);
    const Py_ssize_t size = PyBytes_GET_SIZE(args[0]);
    const Py_ssize_t words = PyNumber_AsSsize_t(args[1], NULL), most = PyNumber_AsSsize_t(args[4], NULL);
    if (words < 1 || words > MAX_WORDS || PyBytes_GET_SIZE(args[2]) != words * 258 * 8 ||
        PyTuple_GET_SIZE(args[3]) != words * 64)
        return PyErr_Format(PyExc_ValueError, "not a table of anchors");
    const char *masks = PyBytes_AS_STRING(args[2]);
    Py_ssize_t starts[MAX_WORDS * 64];
    Ends ends = {PyList_New(0), args[3], starts};
    bool well = ends.found != NULL;
    for (Py_ssize_t word = 0; well && word < words; word += ABREAST) {
        switch (words - word) { /* with a number that the compiler knows */
        case 1:
            well = scan_words(&ends, data, size, masks, words, word, 1, most);
            break;
        case 2:
            well = scan_words(&ends, data, size, masks, words, word, 2, most);
            break;
        case 3:
            well = scan_words(&ends, data, size, masks, words, word, 3, most);
            break;
        default:
            well = scan_words(&ends, data, size, masks, words, word, ABREAST, most);
        }
        if (well && PyList_GET_SIZE(ends.found) > most) {
            Py_DECREF(ends.found);
            Py_RETURN_NONE;
        }
    }
    if (well && PyList_GET_SIZE(ends.found) > 1)
        well = PyList_Sort(ends.found) == 0;
    if (!well)
        Py_CLEAR(ends.found);
    return ends.found;
}
