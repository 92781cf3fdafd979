/* What `engine/jsontext.py` does (locate): nothing recurses, the containers around a value are frames on a stack of our own. */
#pragma once

#include "escapes.h"
#include "tokens.h"

typedef struct {
    Py_ssize_t low, high;
} Span;

typedef struct { /* a container around what is read */
    Py_ssize_t index; /* in an array: of the element */
    Py_ssize_t key_start, key_end; /* in an object: the member's key, without its quotes */
    PyObject *name; /* the key decoded or the index, once somebody asked for it */
    bool is_object;
    bool named; /* does a span touch the key that values here stand under, directly or through arrays? */
} Frame;

enum { FEW_SPANS = 8, FEW_FRAMES = 24 };

typedef struct {
    const byte *data;
    Py_ssize_t size;
    const State *state;
    PyTypeObject *place; /* engine.jsontext.Place */
    PyObject *places; /* the list that is returned */
    Py_ssize_t found, max_places; /* how many there are; beyond the most that may be, they are counted only */
    Span *spans, few_spans[FEW_SPANS];
    Py_ssize_t span_count, following, reach; /* the first span that begins later; how far those before it reach */
    Frame *frames, few_frames[FEW_FRAMES];
    Py_ssize_t depth, room;
    struct Touching *touching; /* what `touched` asks for besides; NULL for `locate` */
} Reader;

/* Does a span overlap [low, high)? Asked with bounds that never fall. */
static bool touched(Reader *r, Py_ssize_t low, Py_ssize_t high)
{
    while (r->following < r->span_count && r->spans[r->following].low < high) {
        if (r->spans[r->following].high > r->reach)
            r->reach = r->spans[r->following].high;
        r->following++;
    }
    return r->reach > low;
}

static bool push(Reader *r, bool is_object, bool named)
{
    if (r->depth == r->room) {
        if (r->room > PY_SSIZE_T_MAX / 2 / (Py_ssize_t)sizeof(Frame))
            return PyErr_NoMemory(), false;
        bool few = r->frames == r->few_frames;
        Frame *frames = PyMem_Realloc(few ? NULL : r->frames, (size_t)r->room * 2 * sizeof(Frame));
        if (frames == NULL)
            return PyErr_NoMemory(), false;
        if (few)
            memcpy(frames, r->few_frames, sizeof(r->few_frames));
        r->frames = frames;
        r->room *= 2;
    }
    r->frames[r->depth++] = (Frame){.is_object = is_object, .named = named};
    return true;
}

/* The key decoded or the index that is read in a container, borrowed; NULL with an exception set. */
static PyObject *frame_name(Frame *frame, const byte *data)
{
    if (frame->name == NULL)
        frame->name = frame->is_object ? decoded(data + frame->key_start, frame->key_end - frame->key_start)
                                       : PyLong_FromSsize_t(frame->index);
    return frame->name;
}

/* The path of what is read, outermost first. */
static PyObject *path(Reader *r)
{
    PyObject *names = PyTuple_New(r->depth);
    for (Py_ssize_t i = 0; names != NULL && i < r->depth; i++) {
        PyObject *name = frame_name(&r->frames[i], r->data);
        if (name == NULL)
            Py_CLEAR(names);
        else
            PyTuple_SET_ITEM(names, i, Py_NewRef(name));
    }
    return names;
}

static bool add_touched(
    Reader *r, PyObject *kind, Py_ssize_t start, Py_ssize_t end, Py_ssize_t member, Py_ssize_t member_end);

/* Adds a place; its member is None where `member` is negative. */
static bool add(Reader *r, PyObject *kind, Py_ssize_t start, Py_ssize_t end, Py_ssize_t member, Py_ssize_t member_end)
{
    if (r->found++ >= r->max_places)
        return true;
    if (r->touching != NULL)
        return add_touched(r, kind, start, end, member, member_end);
    PyObject *names = path(r), *place = NULL;
    if (names == NULL)
        return false;
    /* The fields in a tuple, and that in the arguments' tuple. */
    PyObject *args = member < 0 ? Py_BuildValue("((OnnNO))", kind, start, end, names, Py_None)
                                : Py_BuildValue("((OnnN(nn)))", kind, start, end, names, member, member_end);
    if (args != NULL) {
        place = PyTuple_Type.tp_new(r->place, args, NULL);
        Py_DECREF(args);
    }
    bool added = place != NULL && PyList_Append(r->places, place) == 0;
    Py_XDECREF(place);
    return added;
}

/* A value begins at `at`: does a span touch the key that it stands under, or what stands in between? */
static bool is_named(Reader *r, Py_ssize_t at)
{
    if (r->depth == 0)
        return false;
    Frame *frame = &r->frames[r->depth - 1];
    if (frame->is_object && !frame->named)
        frame->named = touched(r, frame->key_start - 1, at);
    return frame->named;
}

/* A scalar that is written from `low` to `high`, quotes included. */
static bool scalar(Reader *r, Py_ssize_t low, Py_ssize_t high, bool is_string)
{
    bool named = is_named(r, low);
    if (!touched(r, low, high) && !named)
        return true;
    Py_ssize_t member = -1;
    if (r->depth > 0)
        member = r->frames[r->depth - 1].is_object ? r->frames[r->depth - 1].key_start - 1 : low;
    PyObject *kind = is_string ? r->state->string : r->state->number;
    return add(r, kind, low + is_string, high - is_string, member, high);
}

/* A key whose text, without its quotes, is written from `low` to `high`. */
static bool key(Reader *r, Py_ssize_t low, Py_ssize_t high)
{
    Frame *frame = &r->frames[r->depth - 1];
    Py_CLEAR(frame->name);
    frame->key_start = low;
    frame->key_end = high;
    frame->named = touched(r, low - 1, high + 1);
    return !frame->named || add(r, r->state->key, low, high, -1, -1);
}

static void over_budget(const State *state, const char *budget, PyObject *limit)
{
    PyObject *error = PyObject_CallFunction(state->budget_exceeded, "sO", budget, limit);
    if (error != NULL)
        PyErr_SetObject(state->budget_exceeded, error);
    Py_XDECREF(error);
}

enum { FAILED = -1, NOT_JSON = -2 };

/* Reads the document at `at`; returns where it ends, or NOT_JSON, or FAILED with an exception set. */
static Py_ssize_t read_document(Reader *r, Py_ssize_t at, Py_ssize_t max_depth, PyObject *max_depth_given)
{
    enum { VALUE, VALUE_OR_CLOSE, KEY_ONLY, KEY_OR_CLOSE, AFTER } expected = VALUE;
    const byte *data = r->data;
    const Py_ssize_t size = r->size;
    for (;;) {
        at = skip_blank(data, at, size);
        if (at >= size)
            return NOT_JSON;
        const byte c = data[at];
        switch (c) {
        case '"': {
            const Py_ssize_t end = string_end(data, at + 1, size);
            if (end < 0 || expected == AFTER)
                return NOT_JSON;
            const bool is_key = expected == KEY_ONLY || expected == KEY_OR_CLOSE;
            if (is_key || r->depth == 0) { /* in an array or a member, a colon is noticed as the next token */
                const Py_ssize_t colon = skip_blank(data, end + 1, size);
                if ((colon < size && data[colon] == ':') != is_key)
                    return NOT_JSON;
                if (is_key) {
                    if (!key(r, at + 1, end))
                        return FAILED;
                    at = colon + 1;
                    expected = VALUE;
                    continue;
                }
            }
            if (!scalar(r, at, end + 1, true))
                return FAILED;
            at = end + 1;
            break;
        }
        case ',': {
            if (expected != AFTER || r->depth == 0)
                return NOT_JSON;
            Frame *frame = &r->frames[r->depth - 1];
            expected = frame->is_object ? KEY_ONLY : VALUE;
            if (!frame->is_object) {
                frame->index++;
                Py_CLEAR(frame->name);
            }
            at++;
            continue;
        }
        case '{':
        case '[':
            if (expected > VALUE_OR_CLOSE)
                return NOT_JSON;
            if (r->depth >= max_depth)
                return over_budget(r->state, "depth", max_depth_given), FAILED;
            /* Into an array, what the key is reaches; into an object, it does not. */
            if (!push(r, c == '{', is_named(r, at) && c == '['))
                return FAILED;
            expected = c == '{' ? KEY_OR_CLOSE : VALUE_OR_CLOSE;
            at++;
            continue;
        case '}':
        case ']': {
            if (expected != AFTER && expected != (c == '}' ? KEY_OR_CLOSE : VALUE_OR_CLOSE))
                return NOT_JSON;
            if (r->depth == 0 || r->frames[r->depth - 1].is_object != (c == '}'))
                return NOT_JSON;
            r->depth--;
            Py_CLEAR(r->frames[r->depth].name);
            at++;
            break;
        }
        default: {
            const Py_ssize_t end = expected > VALUE_OR_CLOSE ? -1 : scalar_end(data, at, size);
            if (end < 0)
                return NOT_JSON;
            if (!scalar(r, at, end, false))
                return FAILED;
            at = end;
        }
        }
        if (r->depth == 0)
            return at;
        expected = AFTER;
    }
}

/* Fills in the spans from a sequence of tuples that begin with a pair of int. */
static bool take_spans(Reader *r, PyObject *given)
{
    PyObject *pairs = PySequence_Fast(given, "spans are a sequence of pairs of int");
    if (pairs == NULL)
        return false;
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(pairs);
    bool taken = count <= FEW_SPANS || (r->spans = PyMem_New(Span, (size_t)count)) != NULL;
    if (!taken)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; taken && i < count; i++) {
        PyObject *pair = PySequence_Fast_GET_ITEM(pairs, i);
        taken = PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) >= 2 && PyLong_Check(PyTuple_GET_ITEM(pair, 0)) &&
                PyLong_Check(PyTuple_GET_ITEM(pair, 1));
        if (!taken)
            PyErr_SetString(PyExc_TypeError, "spans are a sequence of pairs of int");
        else /* without an exception to raise, an int of any size is clipped */
            r->spans[i] = (Span){PyNumber_AsSsize_t(PyTuple_GET_ITEM(pair, 0), NULL),
                                 PyNumber_AsSsize_t(PyTuple_GET_ITEM(pair, 1), NULL)};
    }
    r->span_count = count;
    Py_DECREF(pairs);
    return taken;
}

/* Frees what `r` holds, but for the places. */
static void release_reader(Reader *r)
{
    for (Py_ssize_t i = 0; i < r->depth; i++)
        Py_CLEAR(r->frames[i].name);
    if (r->frames != r->few_frames)
        PyMem_Free(r->frames);
    if (r->spans != r->few_spans)
        PyMem_Free(r->spans);
}

/* Reads the document, and gives where it ends and its places, or None if it is none. */
static PyObject *read_places(Reader *r, PyObject *start_given, PyObject *depth_given, PyObject *most_given)
{
    Py_ssize_t start = PyLong_AsSsize_t(start_given), max_depth = PyNumber_AsSsize_t(depth_given, NULL);
    if (start == -1 && PyErr_Occurred())
        return NULL;
    if (r->max_places < 0)
        r->max_places = 0;
    Py_ssize_t end = FAILED;
    if ((r->places = PyList_New(0)) != NULL)
        end = read_document(r, start < 0 ? 0 : start, max_depth, depth_given);
    if (end >= 0 && r->found > r->max_places)
        end = (over_budget(r->state, "candidates", most_given), FAILED);
    if (end >= 0)
        return Py_BuildValue("(nN)", end, r->places);
    Py_XDECREF(r->places);
    if (end == FAILED)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *locate(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count < 5 || count > 6 || !PyType_Check(args[0]) || !PyType_IsSubtype((PyTypeObject *)args[0], &PyTuple_Type) ||
        !PyBytes_Check(args[1]) || !PyLong_Check(args[2]) || !PyLong_Check(args[3]) ||
        (count == 6 && !PyLong_Check(args[5])))
        return PyErr_Format(PyExc_TypeError, "locate takes a tuple type, bytes, two int, spans and perhaps an int");
    Reader r = {
        .data = (const byte *)PyBytes_AS_STRING(args[1]),
        .size = PyBytes_GET_SIZE(args[1]),
        .state = PyModule_GetState(module),
        .place = (PyTypeObject *)args[0],
        .max_places = count == 6 ? PyNumber_AsSsize_t(args[5], NULL) : PY_SSIZE_T_MAX,
        .room = FEW_FRAMES,
    };
    r.spans = r.few_spans;
    r.frames = r.few_frames;
    PyObject *found = take_spans(&r, args[4]) ? read_places(&r, args[2], args[3], count == 6 ? args[5] : NULL) : NULL;
    release_reader(&r);
    return found;
}
