/* What `engine/jsontext.py` (locate), `engine/touched.py` (touched), `engine/escapes.py` (unescape_bytes, raw_offset),
 * `detectors/anchors.py` (scan), `detectors/gateform.py` (has_digits) do, compiled; and what finds the
 * words of `detectors/words.py`.
 *
 * The Python functions are the reference, and tests hold the two equal on any input. Input are bytes objects, which
 * do not change while they are read; no Python code runs in between, apart from the garbage collector and what
 * `touched` asks for: which rules read a key. Nothing recurses: the containers around a value are frames on a stack of
 * our own. Each function that can fail says so by what it returns, with an exception set.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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
} State;

/* --- escapes ------------------------------------------------------------------------------------------------ */

static int hex_digit(byte c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number that four hexadecimal digits give, or -1. */
static int32_t hex_unit(const byte *p)
{
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Decodes the escape at `p`, of which `left` >= 2 bytes are there. Puts its text (1 to 4 bytes) into `text` and its
 * written length into `written`; returns the text's length, which is never longer. */
static int decode_escape(const byte *p, Py_ssize_t left, byte text[4], Py_ssize_t *written)
{
    int32_t unit = p[1] == 'u' && left >= 6 ? hex_unit(p + 2) : -1;
    if (unit < 0) {
        *written = 2;
        switch (p[1]) {
        case 'n': text[0] = '\n'; break;
        case 'r': text[0] = '\r'; break;
        case 't': text[0] = '\t'; break;
        case 'b': text[0] = '\b'; break;
        case 'f': text[0] = '\f'; break;
        default: text[0] = p[1];
        }
        return 1;
    }
    *written = 6;
    if (unit < 0x80) {
        text[0] = (byte)unit;
        return 1;
    }
    if (unit < 0x800) {
        text[0] = (byte)(0xC0 | unit >> 6);
        text[1] = (byte)(0x80 | (unit & 0x3F));
        return 2;
    }
    if (unit >= 0xD800 && unit < 0xDC00 && left >= 12 && p[6] == '\\' && p[7] == 'u') {
        int32_t low = hex_unit(p + 8);
        if (low >= 0xDC00 && low < 0xE000) {
            int32_t point = 0x10000 + ((unit & 0x3FF) << 10 | (low & 0x3FF));
            *written = 12;
            text[0] = (byte)(0xF0 | point >> 18);
            text[1] = (byte)(0x80 | (point >> 12 & 0x3F));
            text[2] = (byte)(0x80 | (point >> 6 & 0x3F));
            text[3] = (byte)(0x80 | (point & 0x3F));
            return 4;
        }
    }
    text[0] = (byte)(0xE0 | unit >> 12);
    text[1] = (byte)(0x80 | (unit >> 6 & 0x3F));
    text[2] = (byte)(0x80 | (unit & 0x3F));
    return 3;
}

/* Where the next escape begins at or after `at`, or `size`. A backslash at the very end is none. */
static Py_ssize_t next_escape(const byte *raw, Py_ssize_t at, Py_ssize_t size)
{
    const byte *slash = at < size ? memchr(raw + at, '\\', (size_t)(size - at)) : NULL;
    return slash != NULL && slash - raw < size - 1 ? slash - raw : size;
}

/* The decoded text of `size` raw bytes, as a new bytes object. */
static PyObject *decoded(const byte *raw, Py_ssize_t size)
{
    Py_ssize_t at = 0, escape = next_escape(raw, 0, size), length = 0;
    if (escape == size)
        return PyBytes_FromStringAndSize((const char *)raw, size);
    PyObject *text = PyBytes_FromStringAndSize(NULL, size);
    if (text == NULL)
        return NULL;
    byte *out = (byte *)PyBytes_AS_STRING(text);
    for (;;) {
        memcpy(out + length, raw + at, (size_t)(escape - at));
        length += escape - at;
        if (escape == size)
            break;
        byte piece[4];
        Py_ssize_t written;
        int piece_length = decode_escape(raw + escape, size - escape, piece, &written);
        memcpy(out + length, piece, (size_t)piece_length);
        length += piece_length;
        at = escape + written;
        escape = next_escape(raw, at, size);
    }
    _PyBytes_Resize(&text, length);
    return text;
}

static PyObject *unescape_bytes(PyObject *module, PyObject *raw)
{
    (void)module;
    if (!PyBytes_Check(raw))
        return PyErr_Format(PyExc_TypeError, "unescape_bytes takes bytes");
    return decoded((const byte *)PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw));
}

static PyObject *raw_offset(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 3 || !PyBytes_Check(args[0]) || !PyLong_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "raw_offset takes bytes, an int and a bool");
    const byte *raw = (const byte *)PyBytes_AS_STRING(args[0]);
    Py_ssize_t size = PyBytes_GET_SIZE(args[0]);
    Py_ssize_t offset = PyLong_AsSsize_t(args[1]);
    if (offset == -1 && PyErr_Occurred())
        return NULL;
    int end = PyObject_IsTrue(args[2]);
    if (end < 0)
        return NULL;
    Py_ssize_t at = 0, start = 0; /* just behind the last escape: in the raw bytes, in the text */
    while (at < size && offset >= start) {
        /* An escape that counts begins where its text is at `offset`, or before. */
        Py_ssize_t ahead = offset - start, left = size - at;
        Py_ssize_t stop = ahead < left ? at + ahead + 1 : size;
        const byte *slash = memchr(raw + at, '\\', (size_t)(stop - at));
        if (slash == NULL || slash - raw == size - 1)
            break;
        Py_ssize_t escape = slash - raw, written;
        start += escape - at;
        if (offset == start)
            return PyLong_FromSsize_t(escape);
        byte piece[4];
        int length = decode_escape(slash, size - escape, piece, &written);
        at = escape + written;
        if (offset < start + length)
            return PyLong_FromSsize_t(end ? at : escape);
        start += length;
    }
    if (offset > PY_SSIZE_T_MAX - (at - start))
        return PyErr_Format(PyExc_OverflowError, "offset out of range");
    return PyLong_FromSsize_t(offset + (at - start));
}

/* --- tokens of JSON ------------------------------------------------------------------------------------------ */

static Py_ssize_t skip_blank(const byte *data, Py_ssize_t at, Py_ssize_t size)
{
    while (at < size && (data[at] == ' ' || data[at] == '\n' || data[at] == '\t' || data[at] == '\r'))
        at++;
    return at;
}

/* Is one of the eight bytes of `word` the byte that is repeated in `pattern`? (Mycroft's test for a zero byte.) */
static bool holds(uint64_t word, uint64_t pattern)
{
    uint64_t x = word ^ pattern;
    return ((x - 0x0101010101010101u) & ~x & 0x8080808080808080u) != 0;
}

/* Where the closing quote of the string stands whose text begins at `at`; -1 if there is none. */
static Py_ssize_t string_end(const byte *data, Py_ssize_t at, Py_ssize_t size)
{
    while (at < size) {
        for (uint64_t word; size - at >= 8; at += 8) {
            memcpy(&word, data + at, 8);
            if (holds(word, 0x2222222222222222u) || holds(word, 0x5C5C5C5C5C5C5C5Cu))
                break;
        }
        while (at < size && data[at] != '"' && data[at] != '\\')
            at++;
        if (at < size && data[at] == '"')
            return at;
        at += 2; /* an escape, whatever it is */
    }
    return -1;
}

static Py_ssize_t skip_digits(const byte *data, Py_ssize_t at, Py_ssize_t size)
{
    while (at < size && data[at] >= '0' && data[at] <= '9')
        at++;
    return at;
}

/* The end of `word` at `at`; -1 if it does not stand there. */
static Py_ssize_t word_end(const byte *data, Py_ssize_t at, Py_ssize_t size, const char *word)
{
    Py_ssize_t length = (Py_ssize_t)strlen(word);
    return size - at >= length && memcmp(data + at, word, (size_t)length) == 0 ? at + length : -1;
}

/* The end of the number, NaN, Infinity, true, false or null that begins at `at` < size; -1 if there is none. */
static Py_ssize_t scalar_end(const byte *data, Py_ssize_t at, Py_ssize_t size)
{
    switch (data[at]) {
    case 't': return word_end(data, at, size, "true");
    case 'f': return word_end(data, at, size, "false");
    case 'n': return word_end(data, at, size, "null");
    case 'N': return word_end(data, at, size, "NaN");
    case '-': at++;
    }
    if (at < size && data[at] == 'I')
        return word_end(data, at, size, "Infinity");
    Py_ssize_t end = skip_digits(data, at, size);
    if (end == at)
        return -1;
    if (data[at] == '0')
        end = at + 1;
    if (end < size && data[end] == '.') {
        Py_ssize_t fraction = skip_digits(data, end + 1, size);
        if (fraction > end + 1)
            end = fraction;
    }
    if (end < size && (data[end] == 'e' || data[end] == 'E')) {
        Py_ssize_t digits = end + 1;
        if (digits < size && (data[digits] == '+' || data[digits] == '-'))
            digits++;
        Py_ssize_t exponent = skip_digits(data, digits, size);
        if (exponent > digits)
            end = exponent;
    }
    return end;
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

/* --- locate -------------------------------------------------------------------------------------------------- */

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

/* The path of what is read, outermost first. */
static PyObject *path(Reader *r)
{
    PyObject *names = PyTuple_New(r->depth);
    for (Py_ssize_t i = 0; names != NULL && i < r->depth; i++) {
        Frame *frame = &r->frames[i];
        if (frame->name == NULL)
            frame->name = frame->is_object ? decoded(r->data + frame->key_start, frame->key_end - frame->key_start)
                                           : PyLong_FromSsize_t(frame->index);
        if (frame->name == NULL)
            Py_CLEAR(names);
        else {
            Py_INCREF(frame->name);
            PyTuple_SET_ITEM(names, i, frame->name);
        }
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

/* --- touched ------------------------------------------------------------------------------------------------- */

enum { MAX_RULES = 64, FEW_SETS = 8 };

typedef struct Touching {
    PyObject *readers, *above; /* the arguments of that name */
    PyObject *rules[MAX_RULES]; /* those of the spans, each once: a bit of a mask each */
    int rule_count;
    byte *rule_of, few_rules_of[FEW_SPANS]; /* by span: the index of its rule */
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

/* The name of the member that what is read stands in, borrowed: it is in the path, or the one above. */
static PyObject *last_name(PyObject *names, PyObject *above)
{
    for (Py_ssize_t i = PyTuple_GET_SIZE(names); i-- > 0;)
        if (PyBytes_Check(PyTuple_GET_ITEM(names, i)))
            return PyTuple_GET_ITEM(names, i);
    return above;
}

/* Adds a scalar or key if a rule reads it, or if it may hold a document. */
static bool add_touched(
    Reader *r, PyObject *kind, Py_ssize_t start, Py_ssize_t end, Py_ssize_t member, Py_ssize_t member_end)
{
    Touching *t = r->touching;
    const size_t size = (size_t)(end - start);
    const bool more = kind != r->state->number &&
                      (memchr(r->data + start, '{', size) != NULL || memchr(r->data + start, '[', size) != NULL);
    const uint64_t mask = touching_mask(r, start, end);
    if (!more && (mask == 0 || size == 0))
        return true;
    PyObject *names = path(r), *rules = NULL, *pair = NULL, *read = NULL, *raw = NULL, *one = NULL, *at = NULL;
    bool added = false;
    if (names == NULL || (rules = rule_set(t, mask)) == NULL)
        goto done;
    pair = PyTuple_Pack(2, rules, kind == r->state->key ? r->state->empty : last_name(names, t->above));
    if (pair == NULL || (read = PyObject_GetItem(t->readers, pair)) == NULL)
        goto done;
    if (!PyTuple_Check(read) || PyTuple_GET_SIZE(read) != 2 || !PyFrozenSet_Check(PyTuple_GET_ITEM(read, 0))) {
        PyErr_SetString(PyExc_TypeError, "readers give a frozenset and a key");
        goto done;
    }
    if (!more && PySet_GET_SIZE(PyTuple_GET_ITEM(read, 0)) == 0) {
        added = true;
        goto done;
    }
    raw = PyBytes_FromStringAndSize((const char *)r->data + start, (Py_ssize_t)size);
    at = member < 0 ? Py_NewRef(Py_None) : Py_BuildValue("(nn)", member, member_end);
    if (raw == NULL || at == NULL)
        goto done;
    one = Py_BuildValue(
        "(OnOOOOO)", kind, start, raw, names, at, PyTuple_GET_ITEM(read, 1), PyTuple_GET_ITEM(read, 0));
    added = one != NULL && PyList_Append(r->places, one) == 0;
done:
    Py_XDECREF(names);
    Py_XDECREF(rules);
    Py_XDECREF(pair);
    Py_XDECREF(read);
    Py_XDECREF(raw);
    Py_XDECREF(at);
    Py_XDECREF(one);
    return added;
}

static PyObject *touched_places(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 8 || !PyBytes_Check(args[1]) || !PyLong_Check(args[2]) || !PyLong_Check(args[3]) ||
        !PyList_Check(args[4]) || !PyLong_Check(args[5]) || !PyAnySet_Check(args[6]) || !PyBytes_Check(args[7]))
        return PyErr_Format(
            PyExc_TypeError, "touched takes readers, bytes, two int, a list of spans, an int, a set and bytes");
    Touching t = {.readers = args[0], .above = args[7]};
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

/* --- layers ------------------------------------------------------------------------------------------------- */

/* What a character of base64 or hex may be; engine/layers says why. */
enum { RUN = 1, FIRST = 2, SECOND = 4, THIRD = 8, HEX = 16, HIGH = 32 };
enum { SHORTEST = 14, PAIRS = 9 };
static byte traits[256];

static void fill_traits(void)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int value = 0; value < 64; value++) {
        byte trait = RUN;
        if (value >= 8 && value <= 31)
            trait |= FIRST;
        if (value % 16 >= 2 && value % 16 <= 7)
            trait |= SECOND;
        if (value % 4 <= 1)
            trait |= THIRD;
        if (hex_digit((byte)alphabet[value]) >= 0)
            trait |= HEX;
        if (alphabet[value] >= '2' && alphabet[value] <= '7')
            trait |= HIGH;
        traits[(byte)alphabet[value]] = trait;
    }
    traits['-'] = traits['_'] = RUN;
}

static const uint64_t MIDDLE = 0x0ffffffffffff000; /* of 64 places 48 that have some before and behind */

/* Whether the run p[low:high] holds some groups of base64, or pairs of hex digits, that spell printable ASCII. */
static bool spells(const byte *p, Py_ssize_t low, Py_ssize_t high)
{
    uint32_t groups = 0; /* a bit for each place before, the last one lowest: whether a group begins there */
    int pairs[2] = {0, 0}; /* in a row, up to the last place of this parity */
    for (Py_ssize_t at = low; at + 1 < high; at++) {
        byte one = traits[p[at]], two = traits[p[at + 1]];
        if ((one & FIRST) && (groups >> 3 & 0x111) == 0x111)
            return true;
        bool group = (one & FIRST) && (two & SECOND) && at + 2 < high && (traits[p[at + 2]] & THIRD);
        groups = groups << 1 | group;
        int *count = &pairs[at & 1];
        *count = (one & HIGH) && (two & HEX) ? *count + 1 : 0;
        if (*count == PAIRS)
            return true;
    }
    return false;
}

static bool is_word(byte c)
{
    return (c >= '0' && c <= '9') || (c >= '@' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_digit(byte c)
{
    return c >= '0' && c <= '9';
}

/* Whether the byte at `at`, beyond ASCII, begins a character that looks like ASCII, or is not seen. */
static bool looks_alike(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    byte one = p[at], two = at + 1 < size ? p[at + 1] : 0, three = at + 2 < size ? p[at + 2] : 0;
    byte before = at > 0 ? p[at - 1] : 0;
    switch (one) {
    case 0xc2:
        return two == 0xad || (two == 0xa0 && is_digit(before) && is_digit(three));
    case 0xc4:
        return two == 0xb1 && (is_word(before) || is_word(three));
    case 0xc9:
        return (two == 0x91 || two == 0xa1) && (is_word(before) || is_word(three));
    case 0xce: case 0xcf: case 0xd0: case 0xd1: case 0xd2: case 0xd3: case 0xd4:
        return two >= 0x80 && two <= 0xbf && (is_word(before) || is_word(three));
    case 0xe2: {
        bool within = at + 3 < size && is_digit(before) && is_digit(p[at + 3]);
        if (two == 0x80)
            return (three >= 0x8b && three <= 0x8f) || (three >= 0xaa && three <= 0xae) ||
                   (within && ((three >= 0x80 && three <= 0x95) || three == 0xaf));
        return (two == 0x81 && three >= 0xa0 && three <= 0xaf) || (two == 0x92 && three >= 0xb6 && three <= 0xbf) ||
               (two == 0x93 && three >= 0x80 && three <= 0xa9) || (two == 0x88 && three == 0x92 && within);
    }
    case 0xef:
        return (two == 0xbb && three == 0xbf) || (two == 0xb9 && three >= 0x90 && three <= 0xab) ||
               (two == 0xbd && three >= 0x81 && three <= 0x9a) ||
               (two == 0xbc && (three == 0x8d || three == 0x8e || (three >= 0x90 && three <= 0x99) ||
                                (three >= 0xa0 && three <= 0xba) || three == 0xbf));
    case 0xf0:
        return two == 0x9d && three >= 0x90 && three <= 0x9f;
    case 0xf3:
        return two == 0xa0 && (three == 0x80 || three == 0x81);
    default:
        return false;
    }
}

/* Whether quoted-printable spells two bytes at `at`. */
static bool is_quoted(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    return at + 5 < size && p[at] == '=' && p[at + 3] == '=' && (traits[p[at + 1]] & HEX) &&
           (traits[p[at + 2]] & HEX) && (traits[p[at + 4]] & HEX) && (traits[p[at + 5]] & HEX);
}

static bool is_joined(byte c)
{
    return is_word(c) || c == '_' || c == '-' || c == '.';
}

enum { MOST_SLASHES = 17, LONGEST_PART = 40, GOES_ON = 2 };

/* Where the backslashes from `at` on end, if they are at most `MOST_SLASHES`, else `at`. */
static Py_ssize_t behind_slashes(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    Py_ssize_t end = at;
    while (end < size && p[end] == '\\')
        end++;
    return end - at <= MOST_SLASHES ? end : at;
}

static bool is_of_number(byte c)
{
    return is_digit(c) || (c >= 'A' && c <= 'Z');
}

/* Whether a word ends before `end` that goes on at `at`; a number may have a space between. */
static bool goes_on(const byte *p, Py_ssize_t end, Py_ssize_t at, Py_ssize_t size)
{
    const byte before = p[end - 1];
    if ((is_joined(before) || before == '=') && is_joined(p[at]))
        return true;
    if (is_digit(before))
        return p[at] == ' ' && at + 1 < size && is_of_number(p[at + 1]);
    return before == ' ' && end > 1 && is_digit(p[end - 2]) && is_of_number(p[at]);
}

/* Whether a shell would join words at the quote at `at`, which ends a part of one and begins the next. */
static bool joins(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    Py_ssize_t head = at, second = at + 1;
    if (p[at] == '"')
        while (head > 0 && p[head - 1] == '\\')
            head--;
    const Py_ssize_t slashes = at - head;
    if (head == 0 || slashes > MOST_SLASHES || second >= size)
        return false;
    const Py_ssize_t next = behind_slashes(p, second, size);
    if (next + 1 >= size || !goes_on(p, head, next + 1, size))
        return false;
    if (p[at] == '\'')
        return p[next] == '"' || (next == second && p[next] == '\'');
    if (next == second)
        return p[next] == '\'' || (slashes == 0 && p[next] == '"');
    return slashes > 0 && p[next] == '"';
}

/* Whether a value behind the equals sign at `at` goes on in quotes that open within it. */
static bool goes_on_quoted(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    Py_ssize_t end = at + 1;
    while (end < size && (is_joined(p[end]) || p[end] == '+' || p[end] == '/'))
        end++;
    if (end - at - 1 < 2 || end - at - 1 > LONGEST_PART)
        return false;
    const Py_ssize_t open = behind_slashes(p, end, size);
    if (open + GOES_ON >= size || !(p[open] == '"' || (open == end && p[open] == '\'')))
        return false;
    if (is_digit(p[end - 1]) && p[open + 1] == ' ' && is_of_number(p[open + 2]))
        return true;
    for (int next = 1; next <= GOES_ON; next++)
        if (!is_joined(p[open + next]))
            return false;
    return true;
}

/* Whether base64 spells a digit, a dot or a dash in each byte of the two groups at `at`. */
static bool spells_digits(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    static const char *const some[] = {"LMNO", "CDSTijyz", "AEIMQUYcgk04", "tuvwxyz012345"};
    if (at + 8 > size || p[at] < 'L' || p[at + 4] < 'L')
        return false;
    for (int i = 0; i < 8; i++)
        if (p[at + i] == 0 || strchr(some[i & 3], p[at + i]) == NULL)
            return false;
    return true;
}

/* Whether `count` bytes from `at` on may be in a run. */
static bool are_in_run(const byte *p, Py_ssize_t at, int count, Py_ssize_t size)
{
    if (at < 0 || at + count > size)
        return false;
    for (int i = 0; i < count; i++)
        if (!(traits[p[at + i]] & RUN))
            return false;
    return true;
}

/* Whether base64 spells a dot before two letters at `at`; the dot is the byte of a group at `place`. */
static bool spells_dot(const byte *p, Py_ssize_t at, int place, Py_ssize_t size)
{
    static const char *const some[][2] = {{"L", "klmnst"}, {"CSiy", "57"}, {"048AEIMQUYcgkosw", "u"}};
    if (!are_in_run(p, at, place == 1 ? 3 : 4, size))
        return false;
    if (strchr(some[place][0], p[at]) == NULL || strchr(some[place][1], p[at + 1]) == NULL)
        return false;
    const byte next = p[at + 2];
    return place < 2 || (next >= 'Q' && next <= 'Z') || (next >= 'a' && next <= 'e') || next == 'z' || next == '0';
}

/* Whether base64 spells an at sign, which ends with the capital at `at`, and soon behind it a dot: see short.py. */
static bool spells_mail(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    static const struct {
        int count, place;
    } ends[3][5] = {
        {{0, 2}, {2, 0}, {3, 1}, {4, 2}, {6, 0}},
        {{1, 0}, {2, 1}, {3, 2}, {5, 0}, {6, 1}},
        {{1, 1}, {2, 2}, {4, 0}, {5, 1}, {6, 2}},
    };
    const byte one = p[at - 1], before = p[at - 2]; /* in a run, as four behind it are */
    if (p[at] > 'D' && one != 'Q')
        return false;
    int place;
    if (one == 'Q' && (traits[before] & RUN))
        place = 0;
    else if (strchr("0EUk", one) && p[at] <= 'D' && ((before >= 'L' && before <= 'Z') || (before >= 'a' && before <= 'v')))
        place = 1;
    else if (p[at] == 'A' && strchr("159BFJNRVZdhlptx", one) && are_in_run(p, at - 3, 2, size))
        place = 2;
    else
        return false;
    for (int i = 0; i < 5; i++)
        if (are_in_run(p, at + 1, ends[place][i].count, size) &&
            spells_dot(p, at + 1 + ends[place][i].count, ends[place][i].place, size))
            return true;
    return false;
}

/* What 16 bytes hold: a bit for each that may be in a run, is an equals sign, a quote, beyond ASCII, a capital up to P. */
typedef struct {
    uint64_t run, equals, quotes, beyond, capitals;
} Marks;

#ifdef __SSE2__
static void mark(const byte *p, int shift, Marks *marks)
{
    __m128i c = _mm_loadu_si128((const __m128i *)p), folded = _mm_or_si128(c, _mm_set1_epi8(0x20));
    __m128i letter = _mm_and_si128(
        _mm_cmpgt_epi8(folded, _mm_set1_epi8('a' - 1)), _mm_cmplt_epi8(folded, _mm_set1_epi8('z' + 1)));
    __m128i digit = /* and the dash and the slash */
        _mm_and_si128(_mm_cmpgt_epi8(c, _mm_set1_epi8('-' - 1)), _mm_cmplt_epi8(c, _mm_set1_epi8('9' + 1)));
    digit = _mm_andnot_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('.')), digit);
    __m128i sign = _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('+')), _mm_cmpeq_epi8(c, _mm_set1_epi8('_')));
    marks->run |= (uint64_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letter, digit), sign)) << shift;
    marks->equals |= (uint64_t)_mm_movemask_epi8(_mm_cmpeq_epi8(c, _mm_set1_epi8('='))) << shift;
    __m128i quote = _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('"')), _mm_cmpeq_epi8(c, _mm_set1_epi8('\'')));
    marks->quotes |= (uint64_t)_mm_movemask_epi8(quote) << shift;
    marks->beyond |= (uint64_t)_mm_movemask_epi8(c) << shift;
    __m128i capital = _mm_and_si128(_mm_cmpgt_epi8(c, _mm_set1_epi8('A' - 1)), _mm_cmplt_epi8(c, _mm_set1_epi8('P' + 1)));
    marks->capitals |= (uint64_t)_mm_movemask_epi8(capital) << shift;
}
#else
static void mark(const byte *p, int shift, Marks *marks)
{
    for (int i = 0; i < 16; i++) {
        marks->run |= (uint64_t)(traits[p[i]] & RUN) << (shift + i);
        marks->equals |= (uint64_t)(p[i] == '=') << (shift + i);
        marks->quotes |= (uint64_t)(p[i] == '"' || p[i] == '\'') << (shift + i);
        marks->beyond |= (uint64_t)(p[i] >> 7) << (shift + i);
        marks->capitals |= (uint64_t)(p[i] >= 'A' && p[i] <= 'P') << (shift + i);
    }
}
#endif

/* The `width` bytes at `block`; of the last ones, with zeros behind them, a copy in `last`. */
static const byte *block_at(const byte *p, Py_ssize_t block, Py_ssize_t size, size_t width, byte *last)
{
    if (block + (Py_ssize_t)width <= size)
        return p + block;
    memset(last, 0, width);
    memcpy(last, p + block, (size_t)(size - block));
    return last;
}

/* Whether what begins in the run at `low` spells something; sets `high` to where the run ends. */
static bool run_spells(const byte *p, Py_ssize_t low, Py_ssize_t size, Py_ssize_t *high)
{
    Py_ssize_t end = low;
    while (end < size && (traits[p[end]] & RUN))
        end++;
    *high = end;
    return end - low >= SHORTEST && spells(p, low, end);
}

static PyObject *announces(PyObject *Py_UNUSED(module), PyObject *given)
{
    if (!PyBytes_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "bytes are needed");
        return NULL;
    }
    const byte *p = (const byte *)PyBytes_AS_STRING(given);
    Py_ssize_t size = PyBytes_GET_SIZE(given), block = 0, high = 0;
    uint64_t run_before = 0, equals_before = 0, capitals_before = 0; /* of the last 16 bytes */
    byte last[48];
    for (; block < size; block += 48) {
        const byte *q = block_at(p, block, size, sizeof last, last);
        Marks marks = {run_before, equals_before, 0, 0, capitals_before};
        for (int part = 0; part < 3; part++)
            mark(q + 16 * part, 16 * part + 16, &marks);
        run_before = marks.run >> 48;
        equals_before = marks.equals >> 48;
        capitals_before = marks.capitals >> 48;
        for (uint64_t left = marks.beyond; left; left &= left - 1)
            if (looks_alike(p, block - 16 + lowest(left), size))
                return Py_NewRef(Py_True);
        for (uint64_t left = marks.equals & marks.equals >> 3; left; left &= left - 1)
            if (is_quoted(p, block - 16 + lowest(left), size))
                return Py_NewRef(Py_True);
        for (uint64_t left = marks.quotes; left; left &= left - 1)
            if (joins(p, block - 16 + lowest(left), size))
                return Py_NewRef(Py_True);
        for (uint64_t left = marks.equals >> 16; left; left &= left - 1)
            if (goes_on_quoted(p, block + lowest(left), size))
                return Py_NewRef(Py_True);
        for (uint64_t left = marks.capitals & marks.capitals >> 4; left; left &= left - 1)
            if (spells_digits(p, block - 16 + lowest(left), size))
                return Py_NewRef(Py_True);
        uint64_t run = marks.run;
        uint64_t within = run << 1 & run << 2 & run >> 1 & run >> 2 & run >> 3 & run >> 4; /* a run */
        for (uint64_t left = marks.capitals & within & MIDDLE; left; left &= left - 1)
            if (spells_mail(p, block - 16 + lowest(left), size))
                return Py_NewRef(Py_True);
        run &= run >> 1;
        run &= run >> 2;
        run &= run >> 4;
        run &= run >> 6; /* SHORTEST in a row begin here */
        while (run) {
            Py_ssize_t low = block - 16 + lowest(run);
            if (low >= high && run_spells(p, low, size, &high))
                return Py_NewRef(Py_True);
            if (high >= block + 48)
                break;
            run &= ~(uint64_t)0 << (high - block + 16);
        }
    }
    return Py_NewRef(Py_False);
}

/* --- digits ------------------------------------------------------------------------------------------------- */

enum { ENOUGH_DIGITS = 6 };

/* What 16 bytes hold: a bit for each that is a digit; and for each that is one or may stand between two of a number. */
#ifdef __SSE2__
static void mark_digits(const byte *p, int shift, uint64_t *digits, uint64_t *runs)
{
    __m128i c = _mm_loadu_si128((const __m128i *)p);
    __m128i below = _mm_cmplt_epi8(c, _mm_set1_epi8('9' + 1));
    __m128i digit = _mm_and_si128(_mm_cmpgt_epi8(c, _mm_set1_epi8('0' - 1)), below);
    __m128i run = _mm_and_si128(_mm_cmpgt_epi8(c, _mm_set1_epi8('-' - 1)), below); /* the dash, the dot, the slash */
    run = _mm_or_si128(run, _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('(')), _mm_cmpeq_epi8(c, _mm_set1_epi8(')'))));
    run = _mm_or_si128(run, _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(c, _mm_set1_epi8('\\'))));
    *digits |= (uint64_t)_mm_movemask_epi8(digit) << shift;
    *runs |= (uint64_t)_mm_movemask_epi8(run) << shift;
}
#else
static void mark_digits(const byte *p, int shift, uint64_t *digits, uint64_t *runs)
{
    for (int i = 0; i < 16; i++) {
        bool between = p[i] == ' ' || p[i] == '(' || p[i] == ')' || p[i] == '\\' || (p[i] >= '-' && p[i] <= '/');
        *digits |= (uint64_t)is_digit(p[i]) << (shift + i);
        *runs |= (uint64_t)(is_digit(p[i]) || between) << (shift + i);
    }
}
#endif

/* The lowest `count` bits. */
static uint64_t low_bits(int count)
{
    return count >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1;
}

static PyObject *has_digits(PyObject *Py_UNUSED(module), PyObject *given)
{
    if (!PyBytes_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "bytes are needed");
        return NULL;
    }
    const byte *p = (const byte *)PyBytes_AS_STRING(given);
    const Py_ssize_t size = PyBytes_GET_SIZE(given);
    int count = 0; /* the digits of the run that reaches up to this block */
    byte last[64];
    for (Py_ssize_t block = 0; block < size; block += 64) {
        const byte *q = block_at(p, block, size, sizeof last, last);
        uint64_t digits = 0, runs = 0;
        for (int part = 0; part < 4; part++)
            mark_digits(q + 16 * part, 16 * part, &digits, &runs);
        for (int low = 0; low < 64;) { /* from run to run; the first goes on from the block before */
            const uint64_t gaps = ~runs >> low;
            const int end = gaps ? low + lowest(gaps) : 64;
            count += __builtin_popcountll(digits & low_bits(end) & ~low_bits(low));
            if (count >= ENOUGH_DIGITS)
                return Py_NewRef(Py_True);
            if (end >= 64)
                break;
            count = 0;
            digits &= ~low_bits(end);
            low = digits ? lowest(digits) : 64;
        }
    }
    return Py_NewRef(Py_False);
}

/* --- anchors ------------------------------------------------------------------------------------------------- */

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

/* --- words --------------------------------------------------------------------------------------------------- */

enum { THREE = 1 << 12, ROOTS = 256 * 4, STATE = 8, EDGE = 4, MOST_NUMBERS = 4096 };

/* A bit for each of 64 bytes that is a letter, a small letter, beyond ASCII, a backslash. */
typedef struct {
    uint64_t letters, small, high, slashes;
} Letters;

#ifdef __SSE2__
static void mark_letters(const byte *p, int shift, Letters *marks)
{
    __m128i c = _mm_loadu_si128((const __m128i *)p);
    __m128i folded = _mm_or_si128(c, _mm_set1_epi8(0x20));
    __m128i letter = _mm_and_si128(_mm_cmpgt_epi8(folded, _mm_set1_epi8('a' - 1)),
                                   _mm_cmplt_epi8(folded, _mm_set1_epi8('z' + 1)));
    __m128i small = _mm_and_si128(letter, _mm_cmpeq_epi8(c, folded));
    marks->letters |= (uint64_t)_mm_movemask_epi8(letter) << shift;
    marks->small |= (uint64_t)_mm_movemask_epi8(small) << shift;
    marks->high |= (uint64_t)_mm_movemask_epi8(c) << shift;
    marks->slashes |= (uint64_t)_mm_movemask_epi8(_mm_cmpeq_epi8(c, _mm_set1_epi8('\\'))) << shift;
}
#else
static void mark_letters(const byte *p, int shift, Letters *marks)
{
    for (int i = 0; i < 16; i++) {
        const byte folded = p[i] | 0x20;
        const bool letter = folded >= 'a' && folded <= 'z';
        marks->letters |= (uint64_t)letter << (shift + i);
        marks->small |= (uint64_t)(letter && p[i] == folded) << (shift + i);
        marks->high |= (uint64_t)(p[i] >= 0x80) << (shift + i);
        marks->slashes |= (uint64_t)(p[i] == '\\') << (shift + i);
    }
}
#endif

/* An automaton of `detectors.words`: bits for the first three bytes of words, and for the second to the fourth, by the
 * five low bits of each, which a letter has in either case; where each first byte leads; states; edges. */
typedef struct {
    const byte *first, *second, *roots, *states, *edges;
    uint32_t state_count, edge_count;
} Automaton;

static uint32_t number_at(const byte *p)
{
    uint32_t number;
    memcpy(&number, p, 4);
    return number;
}

static bool read_automaton(Automaton *automaton, PyObject *given)
{
    const Py_ssize_t head = 2 * THREE + ROOTS + 4, size = PyBytes_GET_SIZE(given);
    const byte *p = (const byte *)PyBytes_AS_STRING(given);
    if (size < head)
        return false;
    const Py_ssize_t states = number_at(p + 2 * THREE + ROOTS), left = size - head - states * STATE;
    if (left < 0 || left % EDGE != 0)
        return false;
    *automaton = (Automaton){
        .first = p, .second = p + THREE, .roots = p + 2 * THREE, .states = p + head, .edges = p + head + states * STATE,
        .state_count = (uint32_t)states, .edge_count = (uint32_t)(left / EDGE),
    };
    return true;
}

static byte small_letter(byte c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Where `state` leads by the byte `c`; 0, which is the root, if nowhere. */
static uint32_t next_state(const Automaton *automaton, uint32_t state, byte c)
{
    const byte *p = automaton->states + (size_t)state * STATE;
    uint16_t count;
    memcpy(&count, p + 6, 2);
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

static bool has_three(const byte *bits, const byte *p)
{
    const int three = (p[0] & 31) << 10 | (p[1] & 31) << 5 | (p[2] & 31);
    return bits[three >> 3] >> (three & 7) & 1;
}

static bool is_alnum(byte c)
{
    const byte letter = c | 0x20;
    return is_digit(c) || (letter >= 'a' && letter <= 'z');
}

/* Whether p[start:end], two bytes, stands alone: no letter or digit beside it, unless it is that of an escape. */
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
        uint16_t word;
        memcpy(&word, automaton->states + (size_t)state * STATE + 4, 2);
        if (word != 0 && word <= MOST_NUMBERS && (at == size || p[at] < 'a' || p[at] > 'z') &&
            (at - start > 2 || is_alone(p, start, at, size))) {
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
        count += __builtin_popcountll(found[word]);
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

static PyObject *find_words(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    Automaton automaton;
    if (count != 2 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[1]) || !read_automaton(&automaton, args[1]))
        return PyErr_Format(PyExc_TypeError, "find_words takes bytes and an automaton of detectors.words");
    const byte *p = (const byte *)PyBytes_AS_STRING(args[0]);
    const Py_ssize_t size = PyBytes_GET_SIZE(args[0]);
    uint64_t found[MOST_NUMBERS / 64] = {0};
    uint64_t letter_before = 0, small_before = 0, slashes_before = 0; /* of the block before, what this one goes on from */
    bool any = false;
    byte last[64];
    for (Py_ssize_t block = 0; block < size; block += 64) {
        const byte *q = block_at(p, block, size, sizeof last, last);
        Letters marks = {0, 0, 0, 0};
        for (int part = 0; part < 4; part++)
            mark_letters(q + 16 * part, 16 * part, &marks);
        uint64_t starts = ~(marks.letters << 1 | letter_before); /* behind what is no letter */
        starts |= (marks.small << 1 | small_before) & ~marks.small; /* behind a small letter */
        starts |= marks.slashes << 2 | slashes_before; /* behind an escape */
        for (uint64_t left = starts & (marks.letters | marks.high); left != 0; left &= left - 1) {
            const Py_ssize_t at = block + lowest(left);
            if (at + 4 > size || (has_three(automaton.first, p + at) && has_three(automaton.second, p + at + 1)))
                any |= words_at(&automaton, p, at, size, found);
        }
        letter_before = marks.letters >> 63;
        small_before = marks.small >> 63;
        slashes_before = marks.slashes >> 62;
    }
    return any ? numbers_of(found) : PyTuple_New(0);
}

/* --- the module ---------------------------------------------------------------------------------------------- */

static int fill(PyObject *module)
{
    State *state = PyModule_GetState(module);
    fill_traits();
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
    return PyModule_AddStringConstant(module, "SOURCE_DIGEST", STRING(SOURCE_DIGEST));
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->budget_exceeded);
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
    {"has_digits", has_digits, METH_O, "detectors.gateform.has_digits_pure"},
    {"find_words", (PyCFunction)(void (*)(void))find_words, METH_FASTCALL, "detectors.words.Find"},
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
