/* What `engine/escapes.py` does (unescape_bytes, raw_offset). */
#pragma once

#include "base.h"

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
