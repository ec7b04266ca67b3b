#include "py/signature.h"

#include <ctype.h>
#include <string.h>

#include "py/numpy_api.h"

static int
numpy_type_of(const char *text, size_t length)
{
    static const struct {
        const char *text;
        int type;
    } types[] = {{"i32", NPY_INT32}, {"i64", NPY_INT64},   {"u8", NPY_UINT8},
                 {"u16", NPY_UINT16}, {"u32", NPY_UINT32}, {"u64", NPY_UINT64},
                 {"f32", NPY_FLOAT32}, {"f64", NPY_FLOAT64}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strlen(types[i].text) == length && strncmp(types[i].text, text, length) == 0)
            return types[i].type;
    }
    return -1;
}

/* One word, "name:AXES[?][/type]" or "name:real" or "name:int". 0 when it is well formed. */
static int
parse_word(const char *word, size_t length, cs_parameter *out)
{
    const char *end = word + length, *colon = memchr(word, ':', length);
    if (colon == NULL || colon == word || colon - word > CS_LONGEST_NAME)
        return -1;
    memcpy(out->name, word, (size_t)(colon - word));
    const char *rest = colon + 1;
    if (end - rest == 4 && strncmp(rest, "real", 4) == 0) {
        out->kind = CS_NUMBER;
        return 0;
    }
    if (end - rest == 3 && strncmp(rest, "int", 3) == 0) {
        out->kind = CS_WHOLE_NUMBER;
        return 0;
    }
    while (rest < end && (isupper((unsigned char)*rest) || isdigit((unsigned char)*rest))) {
        if (out->axes == CS_MOST_AXES)
            return -1;
        out->axis[out->axes++] = *rest++;
    }
    out->kind = CS_ARRAY_REAL;
    if (rest < end && *rest == '/') {
        const char *type = ++rest;
        while (rest < end && *rest != '?')
            rest++;
        out->kind = CS_ARRAY_OTHER;
        out->numpy_type = numpy_type_of(type, (size_t)(rest - type));
        if (out->numpy_type < 0)
            return -1;
    }
    if (rest < end && *rest == '?') {
        out->optional = 1;
        rest++;
    }
    return rest == end && out->axes > 0 ? 0 : -1;
}

int
cs_signature_parse(const char *name, const char *text, cs_signature *out)
{
    memset(out, 0, sizeof *out);
    int outputs = 0;
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, " ");
        if (length == 2 && strncmp(at, "->", 2) == 0) {
            outputs = 1;
        } else {
            cs_parameter *parameter = &out->parameter[out->count];
            if (out->count == CS_MOST_ARGUMENTS || parse_word(at, length, parameter) < 0) {
                PyErr_Format(PyExc_SystemError, "%s: bad signature '%s'", name, text);
                return -1;
            }
            parameter->output = outputs;
            out->count++;
        }
        at += length;
        at += strspn(at, " ");
    }
    return 0;
}
