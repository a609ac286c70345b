/*
 * What goes in: every picture of a folder, glob, list or manifest, held so that a million of them
 * fit into little memory; and every entry that is no picture, by name and reason.
 */
#ifndef SM_PACK_INPUTS_H
#define SM_PACK_INPUTS_H

#include "core/buf.h"
#include "pack/names.h"

#include <shardmill.h>

enum { SM_NO_CLASS = UINT32_MAX, SM_NO_SPLIT = UINT16_MAX, SM_MAX_COLUMNS = 64 };

typedef struct sm_input {
    size_t path;      /* offset in sm_inputs.text */
    size_t columns;   /* offset of its further columns' values there, one NUL-ended string each */
    uint64_t size;    /* bytes when it was listed; 0 and version 0 when it could not be looked at */
    uint64_t version; /* as sm_file_info has it */
    uint64_t key;     /* the plan's sorting key */
    uint32_t class_id; /* in sm_inputs.classes, or SM_NO_CLASS */
    uint16_t split;    /* in the manifest's splits, then in the plan's; SM_NO_SPLIT before */
} sm_input;

/* An entry that is no input: a skip, or a failure to list. */
typedef struct sm_note {
    size_t path, message; /* offsets in sm_inputs.text */
    sm_reason reason;
} sm_note;

/* A further column of a manifest: the narrowest type that holds all its values. */
typedef enum sm_column_type { SM_COLUMN_INT64, SM_COLUMN_FLOAT, SM_COLUMN_TEXT } sm_column_type;

typedef struct sm_column {
    char *name;
    sm_column_type type;
} sm_column;

typedef struct sm_inputs {
    char *base; /* what relative paths are relative to; "" for the working folder */
    sm_buf text;
    sm_input *items;
    size_t count, cap;
    sm_note *notes;
    size_t note_count, note_cap;
    bool labelled;    /* inputs have classes */
    sm_names classes; /* in the order of their numbers */
    sm_names splits;  /* of a manifest with such a column; else empty */
    sm_column columns[SM_MAX_COLUMNS];
    size_t column_count;
} sm_inputs;

/* Collects them in the order of paths (folder, glob), or of lines (list, manifest). inputs is freed
 * by the caller in any case. */
sm_status sm_inputs_collect(sm_inputs *inputs, const char *src, const sm_pack_options *options);
void sm_inputs_free(sm_inputs *inputs);

static inline const char *sm_inputs_text(const sm_inputs *inputs, size_t offset)
{
    return (const char *)inputs->text.data + offset;
}

/* path below base, as the operating system wants it; replaces what full held. */
sm_status sm_inputs_full_path(sm_buf *full, const sm_inputs *inputs, const char *path);

/* ---- For the collectors (folder.c, manifest.c) */

sm_status sm_inputs_keep_text(sm_inputs *inputs, size_t *offset, const char *text);
sm_status sm_inputs_note(sm_inputs *inputs, const char *path, sm_reason reason,
                         const char *message);

/* Adds an input without class, split or columns; its address lives until the next is added. */
sm_status sm_inputs_add(sm_inputs *inputs, sm_input **input, const char *path);

/* The same, looked at first: one that is not there becomes an input that fails when it is read, so
 * that it is counted and can be retried. */
sm_status sm_inputs_add_named(sm_inputs *inputs, sm_input **input, const char *path);

sm_status sm_inputs_collect_folder(sm_inputs *inputs, const char *src);
sm_status sm_inputs_collect_glob(sm_inputs *inputs, const char *pattern);
sm_status sm_inputs_collect_list(sm_inputs *inputs, const char *list_file);
sm_status sm_inputs_collect_manifest(sm_inputs *inputs, const char *manifest_file);

#endif
