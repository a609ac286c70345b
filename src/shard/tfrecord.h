/*
 * TFRecord framing (tensorflow/core/lib/io/record_writer.h): little-endian
 *     uint64 length, uint32 masked CRC-32C of length, the data, uint32 masked CRC-32C of the data.
 * The reader is in the public header: sm_reader.
 */
#ifndef SM_SHARD_TFRECORD_H
#define SM_SHARD_TFRECORD_H

#include "core/buf.h"

enum { SM_TFRECORD_HEADER = 12, SM_TFRECORD_FOOTER = 4 };

/* A record longer than this is taken for damage: no reader should be made to take more memory. */
#define SM_TFRECORD_MAX ((size_t)1 << 30)

/* Two halves around data written in place: begin leaves room for the header and tells where it is;
 * end fills the header in and appends the footer. On failure buf is as it was at begin. */
sm_status sm_tfrecord_begin(size_t *start, sm_buf *buf);
sm_status sm_tfrecord_end(sm_buf *buf, size_t start);

/* What was wrong with the record that sm_reader_next failed on as corrupt: its line without file
 * and offset. "" when there was no such failure. */
const char *sm_reader_problem(const sm_reader *reader);

#endif
