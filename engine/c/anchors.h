/* What `detectors/anchors.py` does (scan). */
#pragma once

#include "base.h"

enum { MAX_WORDS = 64 };

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
    for (Py_ssize_t word = 0; well && word < words; word++) { /* one after the other: nearly always there is one */
        uint64_t first, last, state = 0, before = 0, mask;
        memcpy(&first, masks + (256 * words + word) * 8, 8);
        memcpy(&last, masks + (257 * words + word) * 8, 8);
        for (Py_ssize_t at = 0; at < size; at++) {
            memcpy(&mask, masks + (data[at] * words + word) * 8, 8);
            state = (state << 1 | first) & mask;
            const uint64_t now = state & last;
            if (now == before)
                continue;
            for (uint64_t began = now & ~before; began != 0; began &= began - 1)
                starts[word * 64 + __builtin_ctzll(began)] = at;
            well = add_ended(&ends, before & ~now, word, at);
            if (!well || PyList_GET_SIZE(ends.found) > most)
                break;
            before = now;
        }
        if (well && PyList_GET_SIZE(ends.found) <= most)
            well = add_ended(&ends, before, word, size);
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
