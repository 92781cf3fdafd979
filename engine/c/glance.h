/* What `detectors/glance.py` plans: all that the helper looks for in a batch of texts, in one walk over each.
 *
 * Text by text and not function by function: what a call from Python costs, and a text that has left the processor's
 * cache, is as much as the work itself. Each part is the function of the same header.
 */
#pragma once

#include "digits.h"
#include "keyed.h"
#include "rows.h"
#include "runs.h"
#include "shapes.h"

/* What is looked for, or NULL or a size of 0 for what is not. Of shapes and words there are two: for texts with digits
 * enough, and for all others. */
typedef struct {
    PyObject *hidden; /* the id that hits where something announces an encoding, or a row stands; NULL for none */
    bool cuts;
    Rows rows;
    const byte *keyed;
    Py_ssize_t keyed_size;
#ifdef HAVE_AVX2
    Program programs[2];
#endif
    bool has_programs, has_automata;
    Automaton automata[2];
} Plan;

enum { CUTS, HIDDEN, ROWS, KEYED, PROGRAMS, AUTOMATA = PROGRAMS + 2, PLAN = AUTOMATA + 2 };

static bool read_plan(State *state, Plan *plan, PyObject *given)
{
    memset(plan, 0, sizeof *plan);
    if (!PyTuple_Check(given) || PyTuple_GET_SIZE(given) != PLAN)
        return false;
    PyObject *const *part = &PyTuple_GET_ITEM(given, 0);
    plan->cuts = part[CUTS] == Py_True;
    if (part[HIDDEN] != Py_None) {
        plan->hidden = part[HIDDEN];
        if (!PyLong_Check(plan->hidden) || !read_rows(&plan->rows, part[ROWS]))
            return false;
    }
    if (part[KEYED] != Py_None) {
        if (!is_keyed_table(part[KEYED]))
            return false;
        plan->keyed = (const byte *)PyBytes_AS_STRING(part[KEYED]);
        plan->keyed_size = PyBytes_GET_SIZE(part[KEYED]);
    }
    plan->has_programs = part[PROGRAMS] != Py_None;
    plan->has_automata = part[AUTOMATA] != Py_None;
    for (int i = 0; i < 2; i++) {
#ifdef HAVE_AVX2
        if (plan->has_programs && !(PyBytes_Check(part[PROGRAMS + i]) &&
                                    read_program(state, &plan->programs[i], part[PROGRAMS + i])))
            return false;
#else
        if (plan->has_programs)
            return false;
#endif
        if (plan->has_automata && !(PyBytes_Check(part[AUTOMATA + i]) &&
                                    read_automaton(&plan->automata[i], part[AUTOMATA + i])))
            return false;
    }
    return true;
}

/* Adds `value`, of which the reference is taken over, to a list; false with an exception. */
static bool put(PyObject *list, PyObject *value)
{
    const bool done = value != NULL && PyList_Append(list, value) == 0;
    Py_XDECREF(value);
    return done;
}

/* Looks at one text: what hits is added to `hits`, and what else is told to the other lists; false with an exception. */
static bool look(const Plan *plan, PyObject *text, PyObject *hits, PyObject *const *told)
{
    if (!PyBytes_Check(text) || !PyList_Check(hits)) {
        PyErr_SetString(PyExc_TypeError, "glance looks at bytes, and adds to lists");
        return false;
    }
    const byte *p = (const byte *)PyBytes_AS_STRING(text);
    const Py_ssize_t size = PyBytes_GET_SIZE(text);
    if (plan->cuts && !put(told[0], stretches_of(p, size)))
        return false;
    if (plan->hidden != NULL) {
        const int known = PyList_GET_SIZE(hits) > 0 ? PySequence_Contains(hits, plan->hidden) : 0;
        if (known < 0)
            return false;
        if (!known && (is_announced(p, size) || any_row(&plan->rows, p, size)) && PyList_Append(hits, plan->hidden) < 0)
            return false;
    }
    const bool numeric = is_numeric(p, size);
    if (!put(told[1], PyBool_FromLong(numeric)))
        return false;
    if (plan->keyed != NULL && !put(told[2], PyBool_FromLong(is_told(plan->keyed, plan->keyed_size, p, size))))
        return false;
#ifdef HAVE_AVX2
    if (plan->has_programs) {
        uint16_t ids[MOST_SHAPES];
        const int count = shapes_in(&plan->programs[numeric], p, size, ids);
        for (int i = 0; i < count; i++)
            if (!put(hits, PyLong_FromLong(ids[i])))
                return false;
    }
#endif
    if (plan->has_automata) {
        uint64_t found[MOST_NUMBERS / 64];
        const bool any = any_words(&plan->automata[numeric], p, size, found);
        if (!put(told[3], any ? numbers_of(found) : Py_NewRef(Py_None)))
            return false;
    }
    return true;
}

static bool is_sequence(PyObject *given)
{
    return PyList_Check(given) || PyTuple_Check(given);
}

static PyObject *glance(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Plan plan;
    if (count != 3 || !is_sequence(args[0]) || !is_sequence(args[1]) || Py_SIZE(args[0]) != Py_SIZE(args[1]))
        return PyErr_Format(PyExc_TypeError, "glance takes some bytes, as many lists, and a plan");
    if (!read_plan(PyModule_GetState(module), &plan, args[2]))
        return PyErr_Format(PyExc_TypeError, "this is no plan of detectors.glance");
    PyObject *told = PyTuple_New(4), *lists[4];
    for (int i = 0; told != NULL && i < 4; i++) {
        PyObject *list = lists[i] = PyList_New(0);
        if (list == NULL)
            Py_CLEAR(told);
        else
            PyTuple_SET_ITEM(told, i, list);
    }
    for (Py_ssize_t i = 0; told != NULL && i < Py_SIZE(args[0]); i++)
        if (!look(&plan, PySequence_Fast_GET_ITEM(args[0], i), PySequence_Fast_GET_ITEM(args[1], i), lists))
            Py_CLEAR(told);
    return told;
}
