/* CSV as RFC 4180 has it, with a header line: columns are found by their names. */
#ifndef SM_CHOOSE_CSV_H
#define SM_CHOOSE_CSV_H

#include "core/buf.h"

enum { SM_CSV_COLUMNS = 64 };

typedef struct sm_csv {
    const char *name; /* of the file, for messages */
    char *at;         /* the text, which is cut up where it stands */
    size_t line;      /* of the present row */
    char *header[SM_CSV_COLUMNS], *fields[SM_CSV_COLUMNS];
    size_t columns;
} sm_csv;

/* Begins with text, which ends with a NUL, is written to, and must stay. Reads the header. */
sm_status sm_csv_begin(sm_csv *csv, char *text, const char *name);

/* Reads the next row that is not blank; *more is false at the end. */
sm_status sm_csv_next(bool *more, sm_csv *csv);

/* The row's field of a column; NULL when there is no such column. */
const char *sm_csv_field(const sm_csv *csv, const char *column);

/* A field as a number; SM_ERR_FORMAT when it is none, or there is no such column. */
sm_status sm_csv_number(double *value, const sm_csv *csv, const char *column);

#endif
