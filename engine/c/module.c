/* The module `engine._native`: what some functions of Python do, compiled; each part says which.
 *
 * The Python functions are the reference, and tests hold the two equal on any input. Input are bytes objects, which
 * do not change while they are read; no Python code runs in between, apart from the garbage collector and what
 * `touched` asks for: which rules read a key. Nothing recurses. Each function that can fail says so by what it returns,
 * with an exception set. All parts are one translation unit, so that the compiler sees through their calls.
 */
#include "anchors.h"
#include "glance.h"
#include "touched.h"

static int fill(PyObject *module)
{
    State *state = PyModule_GetState(module);
    fill_traits();
    fill_stretches();
#ifdef HAVE_AVX2
    has_avx2 = __builtin_cpu_supports("avx2");
#endif
    PyObject *errors = PyImport_ImportModule("detectors.errors");
    if (errors == NULL)
        return -1;
    state->budget_exceeded = PyObject_GetAttrString(errors, "BudgetExceeded");
    Py_DECREF(errors);
    state->string = PyUnicode_InternFromString("string");
    state->number = PyUnicode_InternFromString("number");
    state->key = PyUnicode_InternFromString("key");
    state->empty = PyBytes_FromStringAndSize(NULL, 0);
    if (!state->budget_exceeded || !state->string || !state->number || !state->key || !state->empty)
        return -1;
    if (PyModule_AddIntConstant(module, "HAS_SHAPES", has_avx2) < 0)
        return -1;
    return PyModule_AddStringConstant(module, "SOURCE_DIGEST", STRING(SOURCE_DIGEST));
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->budget_exceeded);
    Py_VISIT(state->programs[0]);
    Py_VISIT(state->programs[1]);
    return 0;
}

static int clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->budget_exceeded);
    Py_CLEAR(state->string);
    Py_CLEAR(state->number);
    Py_CLEAR(state->key);
    Py_CLEAR(state->empty);
    Py_CLEAR(state->programs[0]);
    Py_CLEAR(state->programs[1]);
    return 0;
}

static void release(void *module)
{
    clear(module);
}

static PyMethodDef functions[] = {
    {"unescape_bytes", unescape_bytes, METH_O, "engine.escapes.unescape_bytes_pure"},
    {"raw_offset", (PyCFunction)(void (*)(void))raw_offset, METH_FASTCALL, "engine.escapes.raw_offset_pure"},
    {"locate", (PyCFunction)(void (*)(void))locate, METH_FASTCALL, "engine.jsontext.locate_pure, after its Place"},
    {"touched", (PyCFunction)(void (*)(void))touched_places, METH_FASTCALL, "engine.touched.touched_pure"},
    {"announces", announces, METH_O, "engine.layers.announces_pure"},
    {"has_row", (PyCFunction)(void (*)(void))has_row, METH_FASTCALL, "engine.layers.announces_rows, after a table"},
    {"glance", (PyCFunction)(void (*)(void))glance, METH_FASTCALL, "detectors.glance.Glance"},
    {"scan", (PyCFunction)(void (*)(void))scan, METH_FASTCALL, "detectors.anchors.scan_pure"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, fill},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "engine._native",
    .m_doc = "The inner loops of reading a record, compiled.",
    .m_size = sizeof(State),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
