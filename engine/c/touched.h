/* What `engine/touched.py` does: places with the rules that read each. */
#pragma once

#include "locate.h"

enum { MAX_RULES = 64, FEW_SETS = 8 };

typedef struct Touching {
    PyObject *readers, *above; /* the arguments of that name */
    PyObject *rules[MAX_RULES]; /* those of the spans, each once: a bit of a mask each */
    int rule_count;
    byte *rule_of, few_rules_of[FEW_SPANS]; /* by span: the index of its rule */
    bool untouched; /* the argument of that name */
    uint64_t everywhere; /* the rules on keys: a place in a key is for what is under it */
    Py_ssize_t *near, few_near[FEW_SPANS]; /* spans that the last scalar reached, and that reach beyond its start */
    Py_ssize_t near_count, following; /* and the first span behind its end */
    struct {
        uint64_t mask;
        PyObject *set;
    } sets[FEW_SETS]; /* sets of rules that were asked for, by their masks */
    int set_count;
} Touching;

/* Notes the rules of the spans, which `take_spans` has taken; 0 if these are too many, -1 with an exception set. */
static int take_rules(Touching *t, PyObject *given, PyObject *by_key, Py_ssize_t count)
{
    t->rule_of = t->few_rules_of;
    t->near = t->few_near;
    if (count > FEW_SPANS) {
        t->rule_of = PyMem_New(byte, (size_t)count);
        t->near = PyMem_New(Py_ssize_t, (size_t)count);
        if (t->rule_of == NULL || t->near == NULL)
            return PyErr_NoMemory(), -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *span = PyList_GET_ITEM(given, i);
        if (PyTuple_GET_SIZE(span) != 3 || !PyLong_CheckExact(PyTuple_GET_ITEM(span, 2)))
            return PyErr_SetString(PyExc_TypeError, "spans are a list of start, end and rule"), -1;
        PyObject *rule = PyTuple_GET_ITEM(span, 2);
        int index = 0;
        for (; index < t->rule_count && t->rules[index] != rule; index++) {
            const int same = PyObject_RichCompareBool(t->rules[index], rule, Py_EQ); /* of two int: runs no Python */
            if (same < 0)
                return -1;
            if (same)
                break;
        }
        if (index == t->rule_count) {
            if (index == MAX_RULES)
                return 0;
            const int keyed = PySet_Contains(by_key, rule);
            if (keyed < 0)
                return -1;
            t->rules[t->rule_count++] = Py_NewRef(rule);
            t->everywhere |= (uint64_t)keyed << index;
        }
        t->rule_of[i] = (byte)index;
    }
    return 1;
}

/* The rules of `mask`, as a new reference. */
static PyObject *rule_set(Touching *t, uint64_t mask)
{
    for (int i = 0; i < t->set_count; i++)
        if (t->sets[i].mask == mask)
            return Py_NewRef(t->sets[i].set);
    PyObject *set = PyFrozenSet_New(NULL);
    for (uint64_t left = mask; set != NULL && left != 0; left &= left - 1)
        if (PySet_Add(set, t->rules[lowest(left)]) < 0)
            Py_CLEAR(set);
    if (set != NULL && t->set_count < FEW_SETS) {
        t->sets[t->set_count].mask = mask;
        t->sets[t->set_count++].set = Py_NewRef(set);
    }
    return set;
}

/* The spans that touch what is written from `low` to `high`, as the mask of their rules. Asked in order. */
static uint64_t touching_mask(Reader *r, Py_ssize_t low, Py_ssize_t high)
{
    Touching *t = r->touching;
    for (; t->following < r->span_count && r->spans[t->following].low <= high; t->following++)
        t->near[t->near_count++] = t->following;
    uint64_t mask = t->everywhere;
    Py_ssize_t kept = 0;
    for (Py_ssize_t i = 0; i < t->near_count; i++) {
        const Py_ssize_t span = t->near[i];
        if (r->spans[span].high < low)
            continue;
        t->near[kept++] = span;
        mask |= (uint64_t)1 << t->rule_of[span];
    }
    t->near_count = kept;
    return mask;
}

/* The name of the member that what is read stands in, borrowed: a frame has it, or it is the one above. NULL with an
 * exception set. */
static PyObject *last_name(Reader *r, PyObject *above)
{
    for (Py_ssize_t i = r->depth; i-- > 0;)
        if (r->frames[i].is_object)
            return frame_name(&r->frames[i], r->data);
    return above;
}

/* Adds a scalar or key if a rule reads it, or if it may hold a document. */
static bool add_touched(
    Reader *r, PyObject *kind, Py_ssize_t start, Py_ssize_t end, Py_ssize_t member, Py_ssize_t member_end)
{
    Touching *t = r->touching;
    const size_t size = (size_t)(end - start);
    const uint64_t mask = touching_mask(r, start, end);
    const bool more = (t->untouched || t->near_count > 0) && kind != r->state->number &&
                      (memchr(r->data + start, '{', size) != NULL || memchr(r->data + start, '[', size) != NULL);
    if (!more && (mask == 0 || size == 0))
        return true;
    PyObject *rules = rule_set(t, mask), *pair = NULL, *read = NULL, *one = NULL;
    bool added = false;
    if (rules == NULL)
        return false;
    PyObject *name = kind == r->state->key ? r->state->empty : last_name(r, t->above);
    if (name == NULL || (pair = PyTuple_Pack(2, rules, name)) == NULL ||
        (read = PyObject_GetItem(t->readers, pair)) == NULL)
        goto done;
    if (!PyTuple_Check(read) || PyTuple_GET_SIZE(read) != 2 || !PyFrozenSet_Check(PyTuple_GET_ITEM(read, 0))) {
        PyErr_SetString(PyExc_TypeError, "readers give a frozenset and a key");
        goto done;
    }
    if (!more && PySet_GET_SIZE(PyTuple_GET_ITEM(read, 0)) == 0) {
        added = true;
        goto done;
    }
    if ((one = PyTuple_New(7)) == NULL)
        goto done;
    PyTuple_SET_ITEM(one, 0, Py_NewRef(kind));
    PyTuple_SET_ITEM(one, 1, PyLong_FromSsize_t(start));
    PyTuple_SET_ITEM(one, 2, PyBytes_FromStringAndSize((const char *)r->data + start, (Py_ssize_t)size));
    PyTuple_SET_ITEM(one, 3, path(r));
    PyTuple_SET_ITEM(one, 4, member < 0 ? Py_NewRef(Py_None) : Py_BuildValue("(nn)", member, member_end));
    PyTuple_SET_ITEM(one, 5, Py_NewRef(PyTuple_GET_ITEM(read, 1)));
    PyTuple_SET_ITEM(one, 6, Py_NewRef(PyTuple_GET_ITEM(read, 0)));
    for (int i = 1; i < 5; i++)
        if (PyTuple_GET_ITEM(one, i) == NULL)
            goto done;
    added = PyList_Append(r->places, one) == 0;
done:
    Py_DECREF(rules);
    Py_XDECREF(pair);
    Py_XDECREF(read);
    Py_XDECREF(one);
    return added;
}

static PyObject *touched_places(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 9 || !PyBytes_Check(args[1]) || !PyLong_Check(args[2]) || !PyLong_Check(args[3]) ||
        !PyList_Check(args[4]) || !PyLong_Check(args[5]) || !PyAnySet_Check(args[6]) || !PyBytes_Check(args[7]) ||
        !PyBool_Check(args[8]))
        return PyErr_Format(
            PyExc_TypeError, "touched takes readers, bytes, two int, a list of spans, an int, a set, bytes and a bool");
    Touching t = {.readers = args[0], .above = args[7], .untouched = args[8] == Py_True};
    Reader r = {
        .data = (const byte *)PyBytes_AS_STRING(args[1]),
        .size = PyBytes_GET_SIZE(args[1]),
        .state = PyModule_GetState(module),
        .max_places = PyNumber_AsSsize_t(args[5], NULL),
        .room = FEW_FRAMES,
        .touching = &t,
    };
    r.spans = r.few_spans;
    r.frames = r.few_frames;
    PyObject *found = NULL;
    if (take_spans(&r, args[4])) {
        const int taken = take_rules(&t, args[4], args[6], r.span_count);
        if (taken > 0)
            found = read_places(&r, args[2], args[3], args[5]);
        else if (taken == 0)
            found = Py_NewRef(Py_NotImplemented);
    }
    release_reader(&r);
    for (int i = 0; i < t.rule_count; i++)
        Py_DECREF(t.rules[i]);
    for (int i = 0; i < t.set_count; i++)
        Py_DECREF(t.sets[i].set);
    if (t.rule_of != t.few_rules_of)
        PyMem_Free(t.rule_of);
    if (t.near != t.few_near)
        PyMem_Free(t.near);
    return found;
}
