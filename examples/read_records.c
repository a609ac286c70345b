/*
 * Reads a TFRecord file through libshardmill's public interface and prints a line a record: its
 * offset, its features, and the text or number of the small ones.
 *
 *     cc read_records.c $(pkg-config --cflags --libs shardmill) -o read_records
 *     ./read_records flowers-train.tfrecord-00000-of-00004
 */
#include <shardmill.h>

#include <inttypes.h>
#include <stdio.h>

static void print_feature(const sm_feature *feature)
{
    printf("  %.*s=", (int)feature->name_len, (const char *)feature->name);
    if (feature->count == 0) {
        printf("(none)");
    } else if (feature->kind == SM_FEATURE_INT64) {
        for (size_t i = 0; i < feature->count; i++) {
            int64_t value;
            if (sm_feature_int64(&value, feature, i) == SM_OK)
                printf("%s%" PRId64, i == 0 ? "" : ",", value);
        }
    } else if (feature->kind == SM_FEATURE_FLOAT) {
        for (size_t i = 0; i < feature->count; i++) {
            float value;
            if (sm_feature_float(&value, feature, i) == SM_OK)
                printf("%s%g", i == 0 ? "" : ",", (double)value);
        }
    } else {
        const uint8_t *data;
        size_t len;
        if (sm_feature_bytes(&data, &len, feature, 0) != SM_OK) return;
        if (len > 2 && data[0] == 0xff && data[1] == 0xd8)
            printf("(JPEG, %zu bytes)", len);
        else
            printf("%.*s", (int)len, (const char *)data);
    }
}

static sm_status print_record(const sm_reader *reader, const uint8_t *record, size_t len)
{
    printf("%10" PRIu64, sm_reader_offset(reader));
    size_t position = 0;
    for (;;) {
        sm_feature feature;
        sm_status status = sm_example_next(&feature, &position, record, len);
        if (status != SM_OK) return status;
        if (feature.name == NULL) break;
        print_feature(&feature);
    }
    printf("\n");
    return SM_OK;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: read_records FILE\n");
        return 2;
    }
    sm_reader *reader = NULL;
    sm_status status = sm_reader_open(&reader, argv[1]);
    uint64_t records = 0;
    while (status == SM_OK) {
        const uint8_t *record;
        size_t len;
        status = sm_reader_next(reader, &record, &len);
        if (status != SM_OK || record == NULL) break;
        status = print_record(reader, record, len);
        records++;
    }
    if (status == SM_OK)
        printf("%" PRIu64 " records\n", records);
    else
        fprintf(stderr, "read_records: %s\n", sm_last_error());
    sm_reader_close(reader);
    return status == SM_OK ? 0 : 1;
}
