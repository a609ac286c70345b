#include "choose/text.h"

#include "core/json.h"
#include "core/status.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 64 << 20, STEP = 1 << 16 };

static sm_status read_all(sm_buf *text, FILE *file, const char *path)
{
    size_t got;
    do {
        sm_status status = sm_buf_reserve(text, STEP);
        if (status != SM_OK) return sm_fail_prefix(status, "cannot read '%s'", path);
        got = fread(text->data + text->len, 1, STEP, file);
        text->len += got;
    } while (got > 0);
    return ferror(file) ? sm_fail_errno(errno, "cannot read '%s'", path) : SM_OK;
}

sm_status sm_text_read(sm_buf *text, const char *path)
{
    sm_buf_init(text, TEXT_MAX);
    FILE *file = fopen(path, "rb");
    if (file == NULL) return sm_fail_errno(errno, "cannot open '%s'", path);
    sm_status status = read_all(text, file, path);
    fclose(file);
    if (status == SM_OK) status = sm_buf_append(text, "", 1);
    if (status == SM_OK && strlen((const char *)text->data) + 1 != text->len)
        status = sm_fail(SM_ERR_FORMAT, "'%s' is no text: it holds a NUL byte", path);
    if (status == SM_OK && !sm_json_is_utf8((const char *)text->data))
        status = sm_fail(SM_ERR_FORMAT, "'%s' is no text: it is not UTF-8", path);
    if (status == SM_OK)
        text->len--;
    else
        sm_buf_free(text);
    return status;
}

bool sm_text_number(double *value, const char *text)
{
    size_t len = strspn(text, "+-.0123456789eE");
    char *end;
    if (len == 0 || text[len] != '\0') return false; /* no hexadecimal, infinity or blanks */
    double number = strtod(text, &end);
    if (*end != '\0' || !isfinite(number)) return false;
    *value = number;
    return true;
}
