/*
 * How many bytes the JPEGs of a packed set take, and how many the very same pictures would take
 * with Huffman tables made for each of them (the fewest there are) and with the standard's tables.
 * The coefficients are copied, so nothing but the entropy coding differs.
 *
 *     huffman_bytes SHARD...
 *
 * Prints one line of JSON.
 */
#include <shardmill.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

typedef struct totals {
    unsigned long long pictures, as_packed, optimal, standard;
} totals;

/* A set that was packed whole has no damaged picture, so libjpeg may end the program. */
static unsigned long recoded_len(const uint8_t *jpeg, size_t len, boolean optimal)
{
    struct jpeg_error_mgr errors;
    struct jpeg_decompress_struct in;
    struct jpeg_compress_struct out;
    unsigned char *data = NULL;
    unsigned long out_len = 0;
    in.err = out.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&in);
    jpeg_create_compress(&out);
    jpeg_mem_src(&in, jpeg, len);
    jpeg_mem_dest(&out, &data, &out_len);
    jpeg_read_header(&in, TRUE);
    jvirt_barray_ptr *coefficients = jpeg_read_coefficients(&in);
    jpeg_copy_critical_parameters(&in, &out);
    out.optimize_coding = optimal;
    jpeg_write_coefficients(&out, coefficients);
    jpeg_finish_compress(&out);
    jpeg_finish_decompress(&in);
    jpeg_destroy_compress(&out);
    jpeg_destroy_decompress(&in);
    free(data);
    return out_len;
}

/* Adds a record's picture, which the schema "tfds" calls image. */
static sm_status count_record(totals *t, const uint8_t *record, size_t record_len)
{
    size_t position = 0;
    for (;;) {
        sm_feature feature;
        sm_status status = sm_example_next(&feature, &position, record, record_len);
        if (status != SM_OK || feature.name == NULL) return status;
        if (feature.name_len != 5 || memcmp(feature.name, "image", 5) != 0) continue;
        const uint8_t *jpeg;
        size_t len;
        status = sm_feature_bytes(&jpeg, &len, &feature, 0);
        if (status != SM_OK) return status;
        t->pictures++;
        t->as_packed += len;
        t->optimal += recoded_len(jpeg, len, TRUE);
        t->standard += recoded_len(jpeg, len, FALSE);
    }
}

static sm_status count_shard(totals *t, const char *path)
{
    sm_reader *reader = NULL;
    sm_status status = sm_reader_open(&reader, path);
    while (status == SM_OK) {
        const uint8_t *record;
        size_t len;
        status = sm_reader_next(reader, &record, &len);
        if (status != SM_OK || record == NULL) break;
        status = count_record(t, record, len);
    }
    sm_reader_close(reader);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: huffman_bytes SHARD...\n");
        return 2;
    }
    totals t = {0};
    for (int i = 1; i < argc; i++) {
        if (count_shard(&t, argv[i]) == SM_OK) continue;
        fprintf(stderr, "huffman_bytes: %s\n", sm_last_error());
        return 1;
    }
    printf("{\"pictures\": %llu, \"as_packed\": %llu, \"optimal\": %llu, \"standard\": %llu}\n",
           t.pictures, t.as_packed, t.optimal, t.standard);
    return 0;
}
