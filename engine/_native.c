/* What `engine/jsontext.py` (locate), `engine/touched.py` (touched), `engine/escapes.py` (unescape_bytes, raw_offset),
 * `detectors/anchors.py` (scan), `detectors/gateform.py` (has_digits) do, compiled; and what finds the
 * words of `detectors/words.py` and the shapes of `detectors/shapes.py`.
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
#include <immintrin.h>
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_AVX2 1
#endif
static bool has_avx2; /* does the processor? */

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
    PyObject *program; /* the program of `find_shapes` that was found to be one; NULL before */
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

/* --- blocks ------------------------------------------------------------------------------------------------- */

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

/* --- layers ------------------------------------------------------------------------------------------------- */

enum { RUN = 1 };
static byte traits[256]; /* `RUN` for a character of base64 or hex */
static byte values[256]; /* of base64's characters */

static void fill_traits(void)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int value = 0; value < 64; value++) {
        traits[(byte)alphabet[value]] = RUN;
        values[(byte)alphabet[value]] = (byte)value;
    }
    traits['-'] = traits['_'] = RUN;
    values['-'] = 62;
    values['_'] = 63;
}

enum { SHORTEST = 14, LONGEST = 18 }; /* of what announces base64, or hexadecimal */

/* Of 64 bytes, a bit for each that may be the first, second, third or any character of a group of base64 which spells
 * printable ASCII, as engine/layers says; or the first or any digit of a pair of hexadecimal ones. */
typedef struct {
    uint64_t first, second, third, any, high, hex;
} Spelling;

static Spelling spelling_of(const byte *p)
{
    Spelling marks = {0, 0, 0, 0, 0, 0};
    for (int at = 0; at < 64; at += 16) {
        const Bytes c = bytes_at(p + at);
        const Bytes capital = within(c, 'A', 'Z'), small = within(c, 'a', 'z'), digit = within(c, '0', '9');
        const Bytes plain = capital | small | digit;
        const Bytes sign = (c == each('-')) | (c == each('_')) | (c == each('+')) | (c == each('/'));
        const Bytes value = (c - (capital & each('A')) - (small & each('a' - 26)) + (digit & each(52 - '0'))) | ~plain;
        marks.first |= bits_of(within(value, 8, 31)) << at;
        marks.second |= bits_of(within(value & each(15), 2, 7)) << at;
        marks.third |= bits_of((value & each(2)) == each(0)) << at;
        marks.any |= bits_of(plain | sign) << at;
        marks.high |= bits_of(within(c, '2', '7')) << at;
        marks.hex |= bits_of(digit | within(c | each(0x20), 'a', 'f')) << at;
    }
    return marks;
}

/* Where nine of `bits` begin, each two places behind the one before. */
static uint64_t nine(uint64_t bits)
{
    const uint64_t two = bits & bits >> 2, four = two & two >> 4;
    return four & four >> 8 & bits >> 16;
}

/* Whether 64 bytes may hold what `spells` looks for: a cheaper test, which words and identifiers seldom pass. */
static bool may_spell(const byte *p)
{
    uint64_t first = 0, second = 0, high = 0;
    for (int at = 0; at < 64; at += 16) {
        const Bytes c = bytes_at(p + at), upper = c & each(~0x10); /* of S to X those before: C to H */
        first |= bits_of(within(c, 'I', 'Z') | within(c, 'a', 'f')) << at;
        second |= bits_of(within(upper, 'C', 'H') | within(upper, 'i', 'n') | within(c, '0', '3')) << at;
        high |= bits_of(within(c, '2', '7')) << at;
    }
    const uint64_t both = first & second >> 1;
    return (both & both >> 4 & both >> 8) != 0 || nine(high) != 0;
}

/* Whether three groups and the beginning of one, or nine pairs, that spell printable ASCII stand at the byte `at` or
 * at one of the next, as far as all of them are within 64 bytes. */
static bool spells(const byte *p, Py_ssize_t at, Py_ssize_t size)
{
    byte last[64];
    const byte *q = block_at(p, at, size, sizeof last, last);
    if (!may_spell(q))
        return false;
    const Spelling marks = spelling_of(q);
    const uint64_t group = marks.first & marks.second >> 1 & marks.third >> 2 & marks.any >> 3;
    return (group & group >> 4 & group >> 8 & marks.first >> 12 & marks.any >> 13) != 0 ||
           nine(marks.high & marks.hex >> 1) != 0;
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
    return at + 5 < size && p[at] == '=' && p[at + 3] == '=' && hex_digit(p[at + 1]) >= 0 &&
           hex_digit(p[at + 2]) >= 0 && hex_digit(p[at + 4]) >= 0 && hex_digit(p[at + 5]) >= 0;
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
    if (at + 8 > size)
        return false;
    for (int i = 0; i < 8; i++)
        if (p[at + i] == 0 || strchr(some[i & 3], p[at + i]) == NULL)
            return false;
    return true;
}

/* A bit for each of 64 bytes that may be in a run of base64 or hex, begins the base64 of a digit, is a quote, is a quote
 * or a backslash, or is rare: an equals sign, or what begins a character beyond ASCII. */
typedef struct {
    uint64_t run, digits, quotes, edges, rare;
} Marks;

static Marks marks_of(const byte *p)
{
    Marks marks = {0, 0, 0, 0, 0};
    for (int at = 0; at < 64; at += 16) {
        const Bytes c = bytes_at(p + at), quote = (c == each('"')) | (c == each('\''));
        const Bytes run = within(c | each(0x20), 'a', 'z') | (within(c, '-', '9') & ~(c == each('.'))) |
                          (c == each('+')) | (c == each('_'));
        marks.run |= bits_of(run) << at;
        marks.digits |= bits_of(within(c, 'L', 'O')) << at;
        marks.quotes |= bits_of(quote) << at;
        marks.edges |= bits_of(quote | (c == each('\\'))) << at;
        marks.rare |= bits_of((c == each('=')) | (c & (c > each(-65)))) << at;
    }
    return marks;
}

/* Where `bits` are `by` bytes before, in this block or, by `before`, in the one before. */
static uint64_t behind(uint64_t bits, uint64_t before, int by)
{
    return bits << by | before >> (64 - by);
}

static PyObject *announces(PyObject *Py_UNUSED(module), PyObject *given)
{
    if (!PyBytes_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "bytes are needed");
        return NULL;
    }
    const byte *p = (const byte *)PyBytes_AS_STRING(given);
    const Py_ssize_t size = PyBytes_GET_SIZE(given);
    Py_ssize_t tested = 0; /* up to here nothing begins that spells something */
    uint64_t quotes_before = 0, digits_before = 0, run_before = 0; /* of the block before */
    uint64_t two_before = 0, four_before = 0, eight_before = 0; /* and where so many of a run end in it */
    byte last[64];
    for (Py_ssize_t block = 0; block < size; block += 64) {
        const Marks marks = marks_of(block_at(p, block, size, sizeof last, last));
        for (uint64_t left = marks.rare; left; left &= left - 1) {
            const Py_ssize_t at = block + lowest(left);
            if (p[at] == '=' ? is_quoted(p, at, size) || goes_on_quoted(p, at, size) : looks_alike(p, at, size))
                return Py_NewRef(Py_True);
        }
        for (uint64_t left = marks.edges & behind(marks.quotes, quotes_before, 1); left; left &= left - 1)
            if (joins(p, block + lowest(left) - 1, size))
                return Py_NewRef(Py_True);
        const uint64_t two = marks.run & behind(marks.run, run_before, 1), four = two & behind(two, two_before, 2);
        const uint64_t eight = four & behind(four, four_before, 4);
        const uint64_t digits = behind(marks.digits, digits_before, 7) & behind(marks.digits, digits_before, 3);
        for (uint64_t left = eight & digits; left; left &= left - 1)
            if (spells_digits(p, block + lowest(left) - 7, size))
                return Py_NewRef(Py_True);
        uint64_t ends = eight & behind(eight, eight_before, SHORTEST - 8); /* where so many of a run end */
        while (ends != 0) {
            const Py_ssize_t start = block + lowest(ends) - (SHORTEST - 1);
            if (start >= tested) {
                if (spells(p, start, size))
                    return Py_NewRef(Py_True);
                tested = start + 64 - LONGEST + 1;
            }
            const Py_ssize_t next = tested + SHORTEST - 1 - block;
            ends = next < 64 ? ends & ~(uint64_t)0 << next : 0;
        }
        quotes_before = marks.quotes;
        digits_before = marks.digits;
        run_before = marks.run;
        two_before = two;
        four_before = four;
        eight_before = eight;
    }
    return Py_NewRef(Py_False);
}

/* --- rows of characters -------------------------------------------------------------------------------------- */

enum { THREE_CHARS = 3, ROW_WORDS = 3, ROW_GROUPS = 4, ROW_HEAD = 4 };
enum { GROUP_TABLES = ROW_GROUPS * THREE_CHARS * 32, ROW_MASKS = THREE_CHARS * 64 * ROW_WORDS * 8 };

/* A table of `engine.layers.rows`: tables of groups; for each of a row's three rarest characters, and each character of
 * the alphabet, a bit for each row that may have it there; and the rows, see `row_around`. */
typedef struct {
    const byte *groups, *masks, *rows;
    Py_ssize_t size; /* of the rows */
} Rows;

/* Whether the row `number` stands in a text with its three characters at `at`. At four bytes for each, `rows` has how
 * long it is, where the three begin in it, and where its characters are: 64 bits for each. */
static bool row_around(const Rows *rows, int number, const byte *p, Py_ssize_t size, Py_ssize_t at)
{
    if ((number + 1) * ROW_HEAD > rows->size)
        return false;
    const byte *row = rows->rows + number * ROW_HEAD;
    uint16_t place;
    memcpy(&place, row + 2, sizeof place);
    const Py_ssize_t start = at - row[1];
    if (start < 0 || start + row[0] > size || place + 8 * row[0] > rows->size)
        return false;
    for (int i = 0; i < row[0]; i++) {
        uint64_t class;
        memcpy(&class, rows->rows + place + 8 * i, sizeof class);
        if (!(traits[p[start + i]] & RUN) || !(class >> values[p[start + i]] & 1))
            return false;
    }
    return true;
}

/* Whether a row stands in a text with its three characters at `at`, of which at least three bytes are there. */
static bool any_row_around(const Rows *rows, const byte *p, Py_ssize_t size, Py_ssize_t at)
{
    if (!(traits[p[at]] & traits[p[at + 1]] & traits[p[at + 2]] & RUN))
        return false;
    for (int word = 0; word < ROW_WORDS; word++) {
        uint64_t left = ~(uint64_t)0, mask;
        for (int place = 0; place < THREE_CHARS; place++) {
            memcpy(&mask, rows->masks + ((place * 64 + values[p[at + place]]) * ROW_WORDS + word) * 8, sizeof mask);
            left &= mask;
        }
        for (; left != 0; left &= left - 1)
            if (row_around(rows, 64 * word + lowest(left), p, size, at))
                return true;
    }
    return false;
}

#ifdef HAVE_AVX2
/* A bit for each of the 32 bytes at `p` where the three characters of a row may begin; 34 bytes are read. */
__attribute__((target("avx2"))) static uint32_t rows_may_begin(const byte *groups, const byte *p)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i lower[THREE_CHARS], upper[THREE_CHARS], any = _mm256_setzero_si256();
    for (int place = 0; place < THREE_CHARS; place++) {
        const __m256i c = _mm256_loadu_si256((const __m256i *)(p + place));
        lower[place] = _mm256_and_si256(c, nibble);
        upper[place] = _mm256_and_si256(_mm256_srli_epi16(c, 4), nibble);
    }
    for (int group = 0; group < ROW_GROUPS; group++) {
        __m256i left = _mm256_set1_epi8(-1);
        for (int place = 0; place < THREE_CHARS; place++, groups += 32) {
            const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)groups));
            const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(groups + 16)));
            left = _mm256_and_si256(left, _mm256_shuffle_epi8(low, lower[place]));
            left = _mm256_and_si256(left, _mm256_shuffle_epi8(high, upper[place]));
        }
        any = _mm256_or_si256(any, left);
    }
    return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(any, _mm256_setzero_si256()));
}
#endif

static PyObject *has_row(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[1]) ||
        PyBytes_GET_SIZE(args[0]) < GROUP_TABLES + ROW_MASKS)
        return PyErr_Format(PyExc_TypeError, "has_row takes a table of engine.layers.rows and bytes");
    const byte *table = (const byte *)PyBytes_AS_STRING(args[0]), *p = (const byte *)PyBytes_AS_STRING(args[1]);
    const Py_ssize_t size = PyBytes_GET_SIZE(args[1]);
    const Rows rows = {table, table + GROUP_TABLES, table + GROUP_TABLES + ROW_MASKS,
                       PyBytes_GET_SIZE(args[0]) - GROUP_TABLES - ROW_MASKS};
    Py_ssize_t at = 0;
#ifdef HAVE_AVX2
    if (has_avx2)
        for (; at + 32 + 2 <= size; at += 32)
            for (uint32_t left = rows_may_begin(rows.groups, p + at); left != 0; left &= left - 1)
                if (any_row_around(&rows, p, size, at + lowest(left)))
                    return Py_NewRef(Py_True);
#endif
    for (; at + 2 < size; at++)
        if (any_row_around(&rows, p, size, at))
            return Py_NewRef(Py_True);
    return Py_NewRef(Py_False);
}

/* --- digits ------------------------------------------------------------------------------------------------- */

enum { ENOUGH_DIGITS = 6 };

/* A bit for each of 64 bytes that is a digit. */
static uint64_t digits_of(const byte *p)
{
    uint64_t digits = 0;
    for (int at = 0; at < 64; at += 16)
        digits |= bits_of(within(bytes_at(p + at), '0', '9')) << at;
    return digits;
}

/* And for each that is one or may stand between two of a number. */
static uint64_t runs_of(const byte *p)
{
    uint64_t runs = 0;
    for (int at = 0; at < 64; at += 16) {
        const Bytes c = bytes_at(p + at);
        const Bytes sign = (c == each(' ')) | (c == each('\\')) | ((c | each(1)) == each(')')); /* or the other bracket */
        runs |= bits_of(within(c, '-', '9') | sign) << at;
    }
    return runs;
}

/* The lowest `count` bits. */
static uint64_t low_bits(int count)
{
    return count >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1;
}

/* Whether a run of a block has digits enough; the first one goes on from `count` digits before. */
static bool has_enough(uint64_t digits, uint64_t runs, int count)
{
    for (int low = 0; low < 64 && digits != 0;) {
        const uint64_t gaps = ~runs >> low;
        const int end = gaps ? low + lowest(gaps) : 64;
        count += bit_count(digits & low_bits(end));
        if (count >= ENOUGH_DIGITS)
            return true;
        count = 0;
        digits &= ~low_bits(end);
        low = digits ? lowest(digits) : 64;
    }
    return false;
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
        const uint64_t digits = digits_of(q);
        if (digits == 0 && count == 0)
            continue;
        const uint64_t runs = runs_of(q);
        const int more = bit_count(digits);
        if (count + more >= ENOUGH_DIGITS && has_enough(digits, runs, count))
            return Py_NewRef(Py_True);
        count = ~runs == 0 ? count + more : bit_count(digits & ~low_bits(64 - __builtin_clzll(~runs)));
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

/* --- shapes -------------------------------------------------------------------------------------------------- */

#ifdef HAVE_AVX2

enum { CHUNK = 64, ROOM = CHUNK + 8, TABLE = 32, LONGEST_ROW = 12, SHAPE = 8 + 2 * LONGEST_ROW, DEEPEST = 8 };
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
    uint64_t met[MOST_ROW_CLASSES]; /* not 0 if there is a byte of the class */
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
            met |= bits[i];
        memset(bits + block, 0, 8 * sizeof *bits);
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

/* Reads a program; `state` remembers the one that was looked at closely, since there is one for millions of texts. */
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
    if (given == state->program)
        return true;
    if (size < code || size - code > UINT16_MAX || !is_program(program))
        return false;
    Py_XSETREF(state->program, Py_NewRef(given));
    return true;
}

/* The blocks, a bit for each, in which the row of a shape begins, whose `length` pairs of an offset and a class are
 * `row`. A row that the end of the chunk cuts is not seen. */
__attribute__((target("avx2"))) static window rows_begin(const Chunk *chunk, const byte *row, int length)
{
    uint64_t begins[ROOM];
    for (int i = 0; i < length; i++)
        if (chunk->met[row[2 * i + 1]] == 0)
            return 0;
    for (int i = 0; i < length; i++) {
        const uint64_t *bits = chunk->bits[row[2 * i + 1]];
        const __m128i down = _mm_cvtsi32_si128(row[2 * i]), up = _mm_cvtsi32_si128(64 - row[2 * i]);
        __m256i any = _mm256_setzero_si256();
        for (int block = 0; block <= chunk->blocks; block += 4) {
            const __m256i here = _mm256_loadu_si256((const __m256i *)(bits + block));
            const __m256i behind = _mm256_loadu_si256((const __m256i *)(bits + block + 1));
            __m256i begin = _mm256_or_si256(_mm256_srl_epi64(here, down), _mm256_sll_epi64(behind, up));
            if (i > 0)
                begin = _mm256_and_si256(begin, _mm256_loadu_si256((const __m256i *)(begins + block)));
            _mm256_storeu_si256((__m256i *)(begins + block), begin);
            any = _mm256_or_si256(any, begin);
        }
        if (_mm256_testz_si256(any, any))
            return 0;
    }
    window blocks = 0;
    for (int block = 0; block <= chunk->blocks; block++)
        blocks |= (window)(begins[block] != 0) << block;
    return blocks;
}

/* Whether a shape is in a chunk. */
static bool has_shape(const Chunk *chunk, const Program *program, const Shape *shape)
{
    const int last = chunk->blocks - 1;
    window blocks = rows_begin(chunk, shape->row, shape->length);
    blocks |= blocks >> 1; /* a shape may begin in the block before */
    if (chunk->left > (last + 2) * 64) /* then the row of what begins in the last block may be unseen */
        blocks |= (window)1 << last;
    for (uint64_t left = (uint64_t)blocks & low_bits(chunk->blocks); left != 0; left &= left - 1)
        if (shape_begins(chunk, program, program->code + shape->start, program->code + shape->end, lowest(left)))
            return true;
    return false;
}

static PyObject *find_shapes(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Program program;
    if (count != 2 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[1]) ||
        !read_program(PyModule_GetState(module), &program, args[1]))
        return PyErr_Format(PyExc_TypeError, "find_shapes takes bytes and a program of detectors.shapes");
    const byte *data = (const byte *)PyBytes_AS_STRING(args[0]);
    const Py_ssize_t size = PyBytes_GET_SIZE(args[0]);
    PyObject *found = NULL;
    bool seen[MOST_SHAPES] = {false};
    Chunk chunk;
    for (Py_ssize_t at = 0; at < size; at += CHUNK * 64) {
        const Py_ssize_t blocks = (size - at + 63) / 64;
        chunk.data = data + at;
        chunk.left = size - at;
        chunk.blocks = blocks < CHUNK ? (int)blocks : CHUNK;
        chunk.first = at == 0;
        mark_rows(&chunk, &program);
        for (int number = 0; number < program.shape_count; number++) {
            const Shape shape = shape_of(&program, number);
            if (seen[number] || !has_shape(&chunk, &program, &shape))
                continue;
            for (int other = 0; other < program.shape_count; other++) /* an id may have several */
                seen[other] |= shape_of(&program, other).id == shape.id;
            PyObject *one = PyLong_FromLong(shape.id);
            if (found == NULL)
                found = PyList_New(0);
            const bool added = one != NULL && found != NULL && PyList_Append(found, one) == 0;
            Py_XDECREF(one);
            if (!added) {
                Py_XDECREF(found);
                return NULL;
            }
        }
    }
    return found != NULL ? found : PyTuple_New(0);
}
#endif

/* --- words --------------------------------------------------------------------------------------------------- */

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

static uint32_t number_at(const byte *p)
{
    uint32_t number;
    memcpy(&number, p, 4);
    return number;
}

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

static bool is_alnum(byte c)
{
    const byte letter = c | 0x20;
    return is_digit(c) || (letter >= 'a' && letter <= 'z');
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

static PyObject *find_words(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    Automaton automaton;
    if (count != 2 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[1]) || !read_automaton(&automaton, args[1]))
        return PyErr_Format(PyExc_TypeError, "find_words takes bytes and an automaton of detectors.words");
    const byte *p = (const byte *)PyBytes_AS_STRING(args[0]);
    const Py_ssize_t size = PyBytes_GET_SIZE(args[0]);
    uint64_t found[MOST_NUMBERS / 64];
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
                count += has_first(automaton.first, q + at, four >> at & 1);
            }
            letter_before = marks.letters >> 63;
            small_before = marks.small >> 63;
            slashes_before = marks.slashes >> 62;
        }
        for (int i = 0; i < count; i++) {
            const Py_ssize_t at = low + likely[i];
            if (!has_head(&automaton, block_at(p, at, size, HEAD + 2, last)) || ends_escape(p, at, size))
                continue;
            if (!walked)
                memset(found, 0, sizeof found);
            walked = true;
            any |= words_at(&automaton, p, at, size, found);
        }
    }
    return any ? numbers_of(found) : PyTuple_New(0);
}

/* --- words behind their keys --------------------------------------------------------------------------------- */

enum { GROUPS = 32, HEADS = 4 * (256 + GROUPS), MOST_KEYS = 64 };
enum { THREES = 1 << 12, HEADER = 16, BY_LETTER = HEADER + THREES, RECORD = BY_LETTER + 4 * 33 };
enum { ANYWHERE = 1, ALONE = 1, ENDS = 128 };

/* One record of a table of engine/actions/keyed.py: a key, or none, and its words. */
typedef struct {
    const byte *record, *key, *words;
    Py_ssize_t size, key_size, words_size;
} Keyed;

typedef struct {
    const byte *p;
    Py_ssize_t size;
    Py_ssize_t inner_end; /* where the string in a string that was read last ends: one that begins before ends there too */
    Py_ssize_t done[MOST_KEYS]; /* up to where the words of a key were looked for */
    uint32_t groups; /* of which there were words */
} Values;

/* The record at `at` of a table; whether there is one. */
static bool read_keyed(Keyed *keyed, const byte *table, Py_ssize_t at, Py_ssize_t size)
{
    if (at < HEADS || at > size - RECORD)
        return false;
    const byte *record = table + at;
    const Py_ssize_t whole = number_at(record), words = number_at(record + 4), key = record[8];
    *keyed = (Keyed){record, record + RECORD, record + RECORD + key, whole, key, words};
    return whole <= size - at && RECORD + key + words == whole;
}

static bool is_space(byte c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_escaped_space(byte c)
{
    return c == 'n' || c == 'r' || c == 't' || c == 'f';
}

/* Where the name of the key before the colon at `colon` ends; -1 if there is none. */
static Py_ssize_t key_end(const byte *p, Py_ssize_t colon)
{
    Py_ssize_t at = colon - 1;
    while (at > 0) {
        if (is_space(p[at]))
            at--;
        else if (is_escaped_space(p[at]) && p[at - 1] == '\\')
            for (at--; at >= 0 && p[at] == '\\';)
                at--;
        else
            break;
    }
    if (at < 1 || p[at] != '"')
        return -1;
    for (at--; at >= 0 && p[at] == '\\';)
        at--;
    return at + 1;
}

static bool is_key(const Keyed *keyed, const byte *p, Py_ssize_t end)
{
    const Py_ssize_t start = end - keyed->key_size;
    if (start < 1 || p[start - 1] != '"')
        return false;
    for (Py_ssize_t at = 0; at < keyed->key_size; at++)
        if (small_letter(p[start + at]) != keyed->key[at])
            return false;
    return true;
}

/* The quote from `at` on before which there are fewer than `slashes` backslashes in a row, or the end. */
static Py_ssize_t closing_quote(const byte *p, Py_ssize_t at, Py_ssize_t size, int slashes)
{
    for (const Py_ssize_t begin = at; at < size; at++) {
        const byte *quote = memchr(p + at, '"', size - at);
        if (quote == NULL)
            return size;
        at = quote - p;
        int before = 0;
        while (before < slashes && at - 1 - before >= begin && p[at - 1 - before] == '\\')
            before++;
        if (before < slashes)
            return at;
    }
    return size;
}

/* Where the scalar behind the colon before `at` ends. */
static Py_ssize_t value_end(Values *values, Py_ssize_t at)
{
    const byte *p = values->p;
    const Py_ssize_t size = values->size;
    Py_ssize_t slash = at;
    for (;;) {
        while (at < size && is_space(p[at]))
            at++;
        slash = at;
        while (slash < size && p[slash] == '\\')
            slash++;
        if (slash == at || slash == size || !is_escaped_space(p[slash]))
            break;
        at = slash + 1;
    }
    if (at < size && p[at] == '"')
        return closing_quote(p, at + 1, size, 1);
    if (slash > at && slash < size && p[slash] == '"') {
        if (values->inner_end <= slash)
            values->inner_end = closing_quote(p, slash + 1, size, 3);
        return values->inner_end;
    }
    while (at < size && p[at] != '"' && !is_space(p[at]))
        at++;
    return at;
}

/* Whether `c` may stand behind the end of a scalar, quotes in quotes and white space before it included. */
static bool may_end(byte c)
{
    return c <= ' ' || c == '"' || c == ',' || c == '}' || c == ']' || c == '\\';
}

/* The groups of the words that stand at `at`, before `stop`. */
static uint32_t words_of(const Keyed *keyed, const byte *p, Py_ssize_t at, Py_ssize_t stop, Py_ssize_t size)
{
    const byte *begin = keyed->record + BY_LETTER + 4 * (p[at] & 31);
    const Py_ssize_t end = number_at(begin + 4);
    uint32_t groups = 0;
    for (Py_ssize_t word = number_at(begin); word + 5 <= end && end <= keyed->words_size;) {
        const byte *text = keyed->words + word + 5;
        const Py_ssize_t length = text[-1] & ~ENDS;
        word += 5 + length;
        if (word > end || length > stop - at || (text[-1] & ENDS && at + length < size && !may_end(p[at + length])))
            continue;
        Py_ssize_t same = 0;
        while (same < length && small_letter(p[at + same]) == text[same])
            same++;
        if (same == length)
            groups |= number_at(text - 5);
    }
    return groups;
}

/* The groups of the words in p[at:end]; only some of them, if one of them is enough. */
static uint32_t groups_in(const Keyed *keyed, const byte *p, Py_ssize_t at, Py_ssize_t end, Py_ssize_t size)
{
    const byte *bits = keyed->record + HEADER;
    uint32_t groups = 0;
    int three = at + 1 < end ? p[at] << 5 | (p[at + 1] & 31) : 0;
    for (; at + 1 < end && !(groups & ALONE); at++) {
        three = (three << 5 | (at + 2 < end ? p[at + 2] & 31 : 0)) & (8 * THREES - 1);
        if (bits[three >> 3] >> (three & 7) & 1)
            groups |= words_of(keyed, p, at, end, size);
    }
    return groups;
}

/* Notes the groups of the words in the value behind the colon at `colon`, by its key, which ends at `end`. */
static void read_value(Values *values, const byte *table, Py_ssize_t table_size, Py_ssize_t end, Py_ssize_t colon)
{
    const byte last = small_letter(values->p[end - 1]);
    Py_ssize_t at = number_at(table + 4 * last);
    Keyed keyed;
    for (int number = 0; number < MOST_KEYS && read_keyed(&keyed, table, at, table_size); number++, at += keyed.size) {
        if (keyed.key_size == 0 || keyed.key[keyed.key_size - 1] != last)
            break;
        if (!is_key(&keyed, values->p, end))
            continue;
        const bool anywhere = keyed.record[9] & ANYWHERE;
        const Py_ssize_t start = colon + 1, stop = anywhere ? values->size : value_end(values, start);
        Py_ssize_t *done = &values->done[keyed.record[10] % MOST_KEYS];
        values->groups |= number_at(keyed.record + 12); /* of the empty word */
        values->groups |= groups_in(&keyed, values->p, start > *done ? start : *done, stop, values->size);
        *done = stop > *done ? stop : *done;
    }
}

/* Whether one of the words beside those of a group, its bit in `groups`, stands somewhere. */
static bool has_beside(const Values *values, const byte *table, Py_ssize_t table_size)
{
    Keyed beside;
    for (int group = 1; group < GROUPS; group++)
        if (values->groups >> group & 1 && read_keyed(&beside, table, number_at(table + 4 * (256 + group)), table_size) &&
            groups_in(&beside, values->p, 0, values->size, values->size) != 0)
            return true;
    return false;
}

static PyObject *tells(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 2 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[1]) || PyBytes_GET_SIZE(args[1]) < HEADS)
        return PyErr_Format(PyExc_TypeError, "tells takes bytes and a table of engine.actions.keyed");
    const byte *p = (const byte *)PyBytes_AS_STRING(args[0]), *table = (const byte *)PyBytes_AS_STRING(args[1]);
    const Py_ssize_t size = PyBytes_GET_SIZE(args[0]);
    Values values = {.p = p, .size = size};
    for (const byte *colon = p; (colon = memchr(colon, ':', size - (colon - p))) != NULL; colon++) {
        const Py_ssize_t end = key_end(p, colon - p);
        if (end > 0 && number_at(table + 4 * small_letter(p[end - 1])) != 0) {
            read_value(&values, table, PyBytes_GET_SIZE(args[1]), end, colon - p);
            if (values.groups & ALONE)
                Py_RETURN_TRUE;
        }
    }
    return PyBool_FromLong(values.groups != 0 && has_beside(&values, table, PyBytes_GET_SIZE(args[1])));
}

/* --- the module ---------------------------------------------------------------------------------------------- */

static int fill(PyObject *module)
{
    State *state = PyModule_GetState(module);
    fill_traits();
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
    Py_VISIT(state->program);
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
    Py_CLEAR(state->program);
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
    {"has_digits", has_digits, METH_O, "detectors.gateform.has_digits_pure"},
    {"find_words", (PyCFunction)(void (*)(void))find_words, METH_FASTCALL, "detectors.words.Find"},
    {"tells", (PyCFunction)(void (*)(void))tells, METH_FASTCALL, "engine.actions.keyed.tells_pure, of a table"},
#ifdef HAVE_AVX2
    {"find_shapes", (PyCFunction)(void (*)(void))find_shapes, METH_FASTCALL, "detectors.shapes.FindShapes"},
#endif
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
