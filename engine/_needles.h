/* What `detectors/needletable.py` (find_pure) does, compiled: looks for thousands of rows of sets of bytes in one pass.
 *
 * Each row has a key: six, four or two bytes of it. Where in the data a key may be is told by bits, so that a row is compared,
 * set by set, only where its key stands. Sets and keys are those of a table that is made once. A few rows have no key,
 * being long numbers: they are compared wherever one is.
 *
 * The Python function is the reference, and tests hold the two equal. A table is checked when it is made, for nothing is
 * when it is used. Part of `_native.c`.
 */
enum { HASHES = 1 << 16, BITS = 1 << 19, MAX_NUMBERS = 1 << 14, MAX_KEYS = 1 << 16, LONG_RUN = 14, ANYWHERE = 0xff };

typedef struct {
    uint16_t number;
    uint16_t bit;
} Owner;

typedef struct {
    uint32_t cells, owners; /* where its sets and its owners begin */
    uint16_t size, owned, at, width; /* sets; owners; where its key stands, and how long that is */
} Row;

/* A key of a row, and what four bytes before it and behind it are, in small letters, where that is one byte each. */
typedef struct {
    uint64_t key;
    uint32_t row;
    uint32_t before_mask, before, behind_mask, behind;
} Entry;

/* Keys of one length: those of hash h are entries from `first[h]` up to `first[h + 1]`. Most bytes in a row are no key,
 * which is told by bits that each key has set: two of four bytes, of which there are most, else one. */
typedef struct {
    uint64_t any[BITS / 64];
    uint32_t first[HASHES + 1];
    Entry *entries;
} Keys;

typedef struct {
    byte (*sets)[32];
    uint16_t *cells;
    Owner *owners;
    Row *rows;
    byte *needs;
    Py_ssize_t sets_count, cells_count, owners_count, rows_count, numbers;
    Keys six, four, two;
    uint32_t *apart; /* rows that are looked for in long numbers */
    uint16_t *anywhere; /* numbers that are found in any data */
    Py_ssize_t apart_count, anywhere_count;
} Needles;

static const uint64_t SMALL = 0x2020202020202020;

/* What `width` bytes at the low end of a word are hashed as: in small letters. Of two bytes each is its own hash. */
static inline uint64_t key_of(uint64_t word, int width)
{
    return width == 2 ? word & 0xffff : width == 4 ? (word | SMALL) << 32 : (word | SMALL) << 16;
}

static inline uint64_t hash_of(uint64_t key)
{
    return key * 0x9E3779B97F4A7C15u;
}

static inline uint64_t is_set(const uint64_t *bits, uint64_t at)
{
    return bits[at >> 6] >> (at & 63) & 1;
}

static bool is_in(const Needles *n, uint16_t cell, byte c)
{
    return n->sets[cell][c >> 3] >> (c & 7) & 1;
}

/* Whether the row stands at `at`; beyond the ends a zero is read. */
static bool stands(const Needles *n, const Row *row, const byte *p, Py_ssize_t size, Py_ssize_t at)
{
    const uint16_t *cells = n->cells + row->cells;
    for (int i = 0; i < row->size; i++) {
        const Py_ssize_t place = at + i;
        if (!is_in(n, cells[i], place >= 0 && place < size ? p[place] : 0))
            return false;
    }
    return true;
}

typedef struct {
    const Needles *needles;
    const byte *p;
    Py_ssize_t size;
    byte seen[MAX_NUMBERS]; /* of each number, what of it was found */
    uint16_t found[MAX_NUMBERS];
    int count;
} Search;

/* Notes the row if it stands there. */
static void try_row(Search *s, const Row *row, Py_ssize_t at)
{
    const Needles *n = s->needles;
    if (!stands(n, row, s->p, s->size, at - row->at))
        return;
    const Owner *owners = n->owners + row->owners;
    for (int i = 0; i < row->owned; i++) {
        byte *seen = s->seen + owners[i].number;
        if (*seen & owners[i].bit)
            continue;
        *seen |= (byte)owners[i].bit;
        if (*seen == n->needs[owners[i].number])
            s->found[s->count++] = owners[i].number;
    }
}

static uint32_t word_at(const byte *p)
{
    uint32_t word;
    memcpy(&word, p, 4);
    return word;
}

static void try_entries(Search *s, const Keys *keys, uint64_t key, uint32_t hash, int width, Py_ssize_t at)
{
    const Entry *e = keys->entries + keys->first[hash], *end = keys->entries + keys->first[hash + 1];
    const bool inside = at >= 4 && at + width + 4 <= s->size;
    const uint32_t before = inside ? word_at(s->p + at - 4) | (uint32_t)SMALL : 0;
    const uint32_t behind = inside ? word_at(s->p + at + width) | (uint32_t)SMALL : 0;
    for (; e < end; e++)
        if (e->key == key &&
            (!inside || ((before & e->before_mask) == e->before && (behind & e->behind_mask) == e->behind)))
            try_row(s, s->needles->rows + e->row, at);
}

/* Compares the rows whose key stands at `at`; `word` are eight bytes from there on. */
static inline void try_place(Search *s, uint64_t word, Py_ssize_t at)
{
    const Needles *n = s->needles;
    const uint64_t six = hash_of(key_of(word, 6)), four = hash_of(key_of(word, 4)), two = key_of(word, 2);
    const uint64_t is_six = is_set(n->six.any, six >> 45);
    const uint64_t is_four = is_set(n->four.any, four >> 45) & is_set(n->four.any, four >> 26 & (BITS - 1));
    if (!(is_six | is_four | is_set(n->two.any, two)))
        return;
    if (is_six)
        try_entries(s, &n->six, key_of(word, 6), (uint32_t)(six >> 48), 6, at);
    if (is_four)
        try_entries(s, &n->four, key_of(word, 4), (uint32_t)(four >> 48), 4, at);
    if (is_set(n->two.any, two))
        try_entries(s, &n->two, two, (uint32_t)two, 2, at);
}

/* Eight bytes in a row, as many as there are; beyond the ends zeros. */
static uint64_t edge_word(const byte *p, Py_ssize_t size, Py_ssize_t at)
{
    uint64_t word = 0;
    for (int i = 0; i < 8; i++)
        word |= (uint64_t)(at + i >= 0 && at + i < size ? p[at + i] : 0) << 8 * i;
    return word;
}

static inline uint64_t eight_at(const byte *p)
{
#if PY_BIG_ENDIAN
    return edge_word(p, 8, 0);
#else
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
#endif
}

static void try_keys(Search *s)
{
    const byte *p = s->p;
    const Py_ssize_t size = s->size;
    for (Py_ssize_t at = -5; at < 0; at++)
        try_place(s, edge_word(p, size, at), at);
    Py_ssize_t at = 0;
    for (; at + 8 <= size; at++)
        try_place(s, eight_at(p + at), at);
    for (; at < size; at++)
        try_place(s, edge_word(p, size, at), at);
}

static bool is_number(byte c)
{
    return c >= '0' && c <= '9';
}

/* Compares the rows that are looked for in long numbers wherever one is. One of LONG_RUN digits has eight in a row that
 * begin at a multiple of half of that. */
static void try_numbers(Search *s)
{
    enum { STEP = LONG_RUN / 2 };
    const byte *p = s->p;
    const Py_ssize_t size = s->size;
    for (Py_ssize_t at = 0, end = 0; at + 8 <= size; at += STEP) {
        if (at < end || (eight_at(p + at) & 0xF0F0F0F0F0F0F0F0) != 0x3030303030303030)
            continue;
        Py_ssize_t begin = at;
        for (end = at; end < size && is_number(p[end]);)
            end++;
        while (begin > 0 && is_number(p[begin - 1]))
            begin--;
        for (; begin + LONG_RUN <= end; begin++)
            for (Py_ssize_t i = 0; i < s->needles->apart_count; i++)
                try_row(s, s->needles->rows + s->needles->apart[i], begin);
    }
}

static const char NAME[] = "needles";

static PyObject *find(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyCapsule_CheckExact(args[0]) || !PyBytes_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "find takes what needles() made, and bytes");
    Search s;
    s.needles = PyCapsule_GetPointer(args[0], NAME);
    if (s.needles == NULL)
        return NULL;
    s.p = (const byte *)PyBytes_AS_STRING(args[1]);
    s.size = PyBytes_GET_SIZE(args[1]);
    memset(s.seen, 0, (size_t)s.needles->numbers);
    s.count = 0;
    for (Py_ssize_t i = 0; i < s.needles->anywhere_count; i++)
        s.found[s.count++] = s.needles->anywhere[i];
    try_keys(&s);
    if (s.needles->apart_count)
        try_numbers(&s);
    for (int i = 1; i < s.count; i++) /* nearly always a few */
        for (int j = i; j > 0 && s.found[j - 1] > s.found[j]; j--) {
            const uint16_t one = s.found[j];
            s.found[j] = s.found[j - 1];
            s.found[j - 1] = one;
        }
    PyObject *found = PyTuple_New(s.count);
    for (int i = 0; found != NULL && i < s.count; i++) {
        PyObject *number = PyLong_FromLong(s.found[i]);
        if (number == NULL)
            Py_CLEAR(found);
        else
            PyTuple_SET_ITEM(found, i, number);
    }
    return found;
}

/* --- making them ---------------------------------------------------------------------------------------------- */

static void release_needles(Needles *n)
{
    if (n == NULL)
        return;
    PyMem_Free(n->sets);
    PyMem_Free(n->cells);
    PyMem_Free(n->owners);
    PyMem_Free(n->rows);
    PyMem_Free(n->needs);
    PyMem_Free(n->two.entries);
    PyMem_Free(n->four.entries);
    PyMem_Free(n->six.entries);
    PyMem_Free(n->apart);
    PyMem_Free(n->anywhere);
    PyMem_Free(n);
}

static void release_capsule(PyObject *capsule)
{
    release_needles(PyCapsule_GetPointer(capsule, NAME));
}

/* The bytes of a set; or, `small`, what they are in small letters, each once. */
static int members(const byte *set, byte out[256], bool small)
{
    bool known[256] = {false};
    int count = 0;
    for (int c = 0; c < 256; c++) {
        const byte as = (byte)(small ? c | 0x20 : c);
        if (set[c >> 3] >> (c & 7) & 1 && !known[as]) {
            known[as] = true;
            out[count++] = as;
        }
    }
    return count;
}

/* The next key of a row, of which `at` says which byte of each of `sets` it has; false behind the last. */
static bool next_key(int width, const int *counts, int *at)
{
    for (int i = 0; i < width; i++) {
        if (++at[i] < counts[i])
            return true;
        at[i] = 0;
    }
    return false;
}

/* What four bytes from `from` on in the row are, in small letters, where that is one byte each. */
static void fixed(const Needles *n, const Row *row, int from, uint32_t *mask, uint32_t *value)
{
    byte some[256], m[4] = {0}, v[4] = {0};
    for (int i = 0; i < 4; i++)
        if (from + i >= 0 && from + i < row->size && members(n->sets[n->cells[row->cells + from + i]], some, true) == 1) {
            m[i] = 0xff;
            v[i] = some[0];
        }
    memcpy(mask, m, 4);
    memcpy(value, v, 4);
}

static Entry entry(const Needles *n, uint32_t number, uint64_t key)
{
    const Row *row = n->rows + number;
    Entry e = {key, number, 0, 0, 0, 0};
    fixed(n, row, row->at - 4, &e.before_mask, &e.before);
    fixed(n, row, row->at + row->width, &e.behind_mask, &e.behind);
    return e;
}

static void set_bit(uint64_t *bits, uint64_t at)
{
    bits[at >> 6] |= (uint64_t)1 << (at & 63);
}

/* Enters the row under a hash, or only counts it (`next` is NULL). */
static void enter(const Needles *n, Keys *keys, uint32_t row, uint64_t key, uint32_t *next)
{
    const bool is_two = n->rows[row].width == 2;
    const uint64_t all = hash_of(key), hash = is_two ? key : all >> 48;
    set_bit(keys->any, is_two ? key : all >> 45);
    if (n->rows[row].width == 4)
        set_bit(keys->any, all >> 26 & (BITS - 1));
    if (next == NULL)
        keys->first[hash + 1]++;
    else
        keys->entries[next[hash]++] = entry(n, row, key);
}

/* Enters each key of the row; how many it has. */
static Py_ssize_t enter_row(const Needles *n, Keys *keys, uint32_t row, uint32_t *next)
{
    const uint16_t *cells = n->cells + n->rows[row].cells + n->rows[row].at;
    const int width = n->rows[row].width;
    byte sets[6][256];
    int counts[6], at[6] = {0};
    Py_ssize_t total = 0;
    for (int i = 0; i < width; i++)
        if ((counts[i] = members(n->sets[cells[i]], sets[i], width > 2)) == 0)
            return 0;
    do {
        uint64_t word = 0;
        for (int i = 0; i < width; i++)
            word |= (uint64_t)sets[i][at[i]] << 8 * i;
        enter(n, keys, row, key_of(word, width), next);
        total++;
    } while (next_key(width, counts, at));
    return total;
}

static bool index_rows(Needles *n, Keys *keys, int width)
{
    Py_ssize_t total = 0;
    for (Py_ssize_t row = 0; row < n->rows_count; row++)
        if (n->rows[row].width == width)
            total += enter_row(n, keys, (uint32_t)row, NULL);
    for (int hash = 0; hash < HASHES; hash++)
        keys->first[hash + 1] += keys->first[hash];
    uint32_t *next = PyMem_Malloc(HASHES * sizeof *next);
    keys->entries = PyMem_Malloc((size_t)(total + 1) * sizeof *keys->entries);
    if (next == NULL || keys->entries == NULL) {
        PyMem_Free(next);
        PyErr_NoMemory();
        return false;
    }
    memcpy(next, keys->first, HASHES * sizeof *next);
    for (Py_ssize_t row = 0; row < n->rows_count; row++)
        if (n->rows[row].width == width)
            enter_row(n, keys, (uint32_t)row, next);
    PyMem_Free(next);
    return true;
}

static void *copied(const Py_buffer *from)
{
    void *to = PyMem_Malloc((size_t)from->len + 1);
    if (to != NULL)
        memcpy(to, from->buf, (size_t)from->len);
    return to;
}

/* Reads the rows, of which six numbers are given each; false if they are not sound. */
static bool read_rows(Needles *n, const uint32_t *given)
{
    for (Py_ssize_t i = 0; i < n->cells_count; i++)
        if (n->cells[i] >= n->sets_count)
            return false;
    for (Py_ssize_t i = 0; i < n->owners_count; i++)
        if (n->owners[i].number >= n->numbers || n->owners[i].bit > 0xff || n->needs[n->owners[i].number] == ANYWHERE)
            return false;
    for (Py_ssize_t i = 0; i < n->rows_count; i++, given += 6) {
        Row *row = n->rows + i;
        const uint32_t width = given[5];
        if (given[0] > n->cells_count || given[2] > 0xff || (Py_ssize_t)(given[0] + given[2]) > n->cells_count ||
            given[1] > n->owners_count || given[3] > 0xffff || (Py_ssize_t)(given[1] + given[3]) > n->owners_count ||
            (width != 0 && width != 2 && width != 4 && width != 6) || given[4] > 0xff || given[4] + width > given[2] || !given[2])
            return false;
        *row = (Row){given[0], given[1], (uint16_t)given[2], (uint16_t)given[3], (uint16_t)given[4], (uint16_t)width};
        if (width == 0)
            n->apart[n->apart_count++] = (uint32_t)i;
        Py_ssize_t keys = 1;
        for (uint32_t j = 0; j < width; j++) {
            byte some[256];
            keys *= members(n->sets[n->cells[row->cells + row->at + j]], some, true);
            if (keys > MAX_KEYS)
                return false;
        }
    }
    return true;
}

static Needles *made(const Py_buffer *given)
{
    Needles *n = PyMem_Calloc(1, sizeof *n);
    if (n == NULL)
        return (Needles *)PyErr_NoMemory();
    n->sets_count = given[0].len / 32;
    n->cells_count = given[1].len / 2;
    n->owners_count = given[2].len / (Py_ssize_t)sizeof(Owner);
    n->rows_count = given[3].len / 24;
    n->numbers = given[4].len;
    n->sets = copied(given);
    n->cells = copied(given + 1);
    n->owners = copied(given + 2);
    uint32_t *rows = copied(given + 3);
    n->needs = copied(given + 4);
    n->rows = PyMem_Calloc((size_t)n->rows_count + 1, sizeof *n->rows);
    n->apart = PyMem_Calloc((size_t)n->rows_count + 1, sizeof *n->apart);
    n->anywhere = PyMem_Calloc((size_t)n->numbers + 1, sizeof *n->anywhere);
    bool well = n->sets && n->cells && n->owners && n->needs && n->rows && n->apart && n->anywhere && rows;
    if (!well)
        PyErr_NoMemory();
    else if (n->numbers > MAX_NUMBERS || !read_rows(n, rows)) {
        PyErr_SetString(PyExc_ValueError, "not a table of needles");
        well = false;
    }
    PyMem_Free(rows);
    for (Py_ssize_t i = 0; well && i < n->numbers; i++)
        if (n->needs[i] == ANYWHERE)
            n->anywhere[n->anywhere_count++] = (uint16_t)i;
    if (well && index_rows(n, &n->six, 6) && index_rows(n, &n->four, 4) && index_rows(n, &n->two, 2))
        return n;
    release_needles(n);
    return NULL;
}

static PyObject *needles(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer given[5];
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*", given, given + 1, given + 2, given + 3, given + 4))
        return NULL;
    Needles *n = made(given);
    PyObject *capsule = n == NULL ? NULL : PyCapsule_New(n, NAME, release_capsule);
    if (capsule == NULL)
        release_needles(n);
    for (int i = 0; i < 5; i++)
        PyBuffer_Release(given + i);
    return capsule;
}
