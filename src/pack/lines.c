#include "pack/lines.h"

#include "core/status.h"
#include "io/io.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 16 };

struct sm_lines {
    sm_source *source;
    char *path;
    uint64_t ended; /* lines whose end was read */
    size_t at, len;
    uint8_t block[BLOCK];
};

static sm_status fill(sm_lines *lines)
{
    lines->at = 0;
    lines->len = 0;
    return sm_source_read(lines->source, &lines->len, lines->block, BLOCK);
}

sm_status sm_lines_open(sm_lines **lines, const char *path)
{
    sm_lines *made = calloc(1, sizeof *made);
    if (made == NULL) return sm_fail_memory(sizeof *made);
    made->path = strdup(path);
    sm_status status =
        made->path == NULL ? sm_fail_memory(strlen(path)) : sm_source_open(&made->source, path);
    if (status == SM_OK) status = fill(made);
    if (status != SM_OK) {
        sm_lines_close(made);
        return status;
    }
    if (made->len >= 3 && memcmp(made->block, "\xef\xbb\xbf", 3) == 0) made->at = 3;
    *lines = made;
    return SM_OK;
}

void sm_lines_close(sm_lines *lines)
{
    if (lines == NULL) return;
    sm_source_close(lines->source);
    free(lines->path);
    free(lines);
}

sm_status sm_lines_peek(sm_lines *lines, int *byte)
{
    if (lines->at == lines->len) {
        sm_status status = fill(lines);
        if (status != SM_OK) return status;
    }
    *byte = lines->at < lines->len ? lines->block[lines->at] : SM_LINES_END;
    return SM_OK;
}

sm_status sm_lines_byte(sm_lines *lines, int *byte)
{
    sm_status status = sm_lines_peek(lines, byte);
    if (status != SM_OK || *byte == SM_LINES_END) return status;
    lines->at++;
    if (*byte == '\n') lines->ended++;
    if (*byte == '\0')
        return sm_fail(SM_ERR_FORMAT, "'%s' is no text file: line %llu holds a NUL", lines->path,
                       (unsigned long long)sm_lines_number(lines));
    return SM_OK;
}

sm_status sm_lines_next(sm_lines *lines, bool *more, sm_buf *line)
{
    sm_buf_clear(line);
    const uint64_t number = sm_lines_number(lines);
    int byte = SM_LINES_END;
    sm_status status = sm_lines_byte(lines, &byte);
    *more = byte != SM_LINES_END;
    while (status == SM_OK && byte != SM_LINES_END && byte != '\n') {
        uint8_t one = (uint8_t)byte;
        status = sm_buf_append(line, &one, 1);
        if (status == SM_OK) status = sm_lines_byte(lines, &byte);
    }
    if (status == SM_OK && line->len > 0 && line->data[line->len - 1] == '\r') line->len--;
    if (status == SM_OK) status = sm_buf_append(line, "", 1);
    if (status == SM_ERR_LIMIT)
        return sm_fail(SM_ERR_LIMIT, "'%s' line %llu is longer than %zu bytes", lines->path,
                       (unsigned long long)number, line->max - 1);
    if (status == SM_OK) line->len--;
    return status;
}

const char *sm_lines_path(const sm_lines *lines)
{
    return lines->path;
}

uint64_t sm_lines_number(const sm_lines *lines)
{
    return lines->ended + 1;
}
