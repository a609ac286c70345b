#include "jpeg/decode_state.h"

#include <string.h>

static void restart_reader(smj_input *in, smj_reader *reader)
{
    in->filled = in->buffer;
    in->closed = false;
    *reader = (smj_reader){.in = in->buffer};
}

void smj_input_begin(smj_input *in, smj_reader *reader, const uint8_t *from, const uint8_t *end)
{
    in->next = from;
    in->end = end;
    restart_reader(in, reader);
}

/* Bits that the reader has not used; negative when it has used more than there were. */
static int64_t bits_left(const smj_input *in, const smj_reader *reader)
{
    return (in->filled - reader->in) * 8 + (int64_t)reader->held;
}

/*
 * The reader looks at bytes behind those it uses, and may keep them. Those must be the true ones
 * unless the segment has ended, and so more is provided than a unit can use.
 */
void smj_input_fill(smj_input *in, smj_reader *reader, size_t blocks,
                    const smj_decode_kernels *kernels)
{
    const size_t needed = blocks * SMJ_BLOCK_BYTES_MAX + SMJ_READER_SLACK;
    if (in->closed || in->filled - reader->in >= (ptrdiff_t)needed) return;
    const size_t left = (size_t)(in->filled - reader->in);
    memmove(in->buffer, reader->in, left);
    reader->in = in->buffer;
    uint8_t *end = in->buffer + SMJ_INPUT_SIZE;
    in->filled = kernels->unstuff(in->buffer + left, end, &in->next, in->end);
    in->closed = in->filled < end - SMJ_UNSTUFF_SLACK;
}

bool smj_input_holds(const smj_input *in, const smj_reader *reader)
{
    return bits_left(in, reader) >= 0;
}

bool smj_input_pass(smj_input *in, smj_reader *reader, uint8_t marker,
                    const smj_decode_kernels *kernels)
{
    smj_input_fill(in, reader, 1, kernels);
    /* what pads the last byte is anything */
    if (!in->closed || bits_left(in, reader) < 0 || bits_left(in, reader) > 7) return false;
    if (in->end - in->next < 2 || in->next[0] != 0xff || in->next[1] != marker) return false;
    in->next += 2;
    restart_reader(in, reader);
    return true;
}
