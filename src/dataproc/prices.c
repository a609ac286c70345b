#include "dataproc/prices.h"

#include "core/json.h"
#include "core/status.h"
#include "io/io.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const unsigned char sm_dataproc_prices[]; /* cmake/embed.cmake makes them */
extern const size_t sm_dataproc_prices_len;

enum { LIST_MAX = 1 << 20, VCPUS_MAX = 1024 };
static const double HOURS_A_MONTH = 730;      /* as the price list counts */
static const uint32_t DEFAULT_DISK_GB = 1000; /* what Dataproc gives a machine */

static sm_status load(json_t **list, const char *path)
{
    sm_buf text;
    json_error_t error;
    sm_buf_init(&text, LIST_MAX);
    sm_status status = path == NULL
                           ? sm_buf_append(&text, sm_dataproc_prices, sm_dataproc_prices_len)
                           : sm_io_read_file(&text, path, NULL);
    if (status == SM_OK) {
        *list = json_loadb((const char *)text.data, text.len, 0, &error);
        if (!json_is_object(*list))
            status = sm_fail(SM_ERR_FORMAT, "'%s' is no list of prices: line %d: %s",
                             path == NULL ? "the built-in list" : path, error.line, error.text);
    }
    sm_buf_free(&text);
    return status;
}

static double number(const json_t *object, const char *key)
{
    const json_t *found = json_object_get(object, key);
    return json_is_number(found) && json_number_value(found) >= 0 ? json_number_value(found) : NAN;
}

/* "e2-standard-4": family, kind of memory, vCPUs. */
static double machine_hour(const json_t *list, const char *type, const json_t *rates)
{
    char family[32], kind[32];
    unsigned vcpus;
    int end = 0;
    if (type == NULL ||
        sscanf(type, "%31[a-z0-9]-%31[a-z]-%4u%n", family, kind, &vcpus, &end) != 3 ||
        type[end] != '\0' || vcpus == 0 || vcpus > VCPUS_MAX)
        return NAN;
    const json_t *found = json_object_get(json_object_get(list, "machines"), family);
    const double gb = vcpus * number(json_object_get(found, "gb_per_vcpu"), kind);
    const json_t *rate = json_object_get(rates, family);
    const double vcpu_hour = number(rate, "vcpu_hour") + number(list, "dataproc_per_vcpu_hour");
    return vcpus * vcpu_hour + gb * number(rate, "gb_hour");
}

static double disk_hour(const json_t *list, const sm_dataproc_options *options)
{
    const char *type = options->disk_type == NULL ? "pd-standard" : options->disk_type;
    const uint32_t gb = options->disk_gb == 0 ? DEFAULT_DISK_GB : options->disk_gb;
    return gb * number(json_object_get(list, "disks_gb_month"), type) / HOURS_A_MONTH;
}

/* "2026-09-25", or "2026-09-25, of spot machines 2026-08-20". */
static void write_date(char date[96], const json_t *list, const json_t *spot)
{
    const char *day = json_string_value(json_object_get(list, "date"));
    const char *spot_day = json_string_value(json_object_get(spot, "date"));
    snprintf(date, 96, "%.20s%s%.20s", day == NULL ? "no date" : day,
             spot_day == NULL ? "" : ", of spot machines ", spot_day == NULL ? "" : spot_day);
}

sm_status sm_price_cluster(sm_price *price, const sm_dataproc_options *options)
{
    json_t *list = NULL;
    *price = (sm_price){.hour = NAN};
    sm_status status = load(&list, options->prices);
    if (status == SM_OK) {
        const char *master =
            options->master_type == NULL ? options->machine_type : options->master_type;
        const json_t *spot = json_object_get(list, "spot"),
                     *normal = json_object_get(list, "machines");
        const double disk = disk_hour(list, options);
        price->hour = machine_hour(list, master, normal) + disk;
        if (options->workers > 0)
            price->hour +=
                options->workers * (machine_hour(list, options->machine_type, normal) + disk);
        if (options->spot > 0)
            price->hour += options->spot * (machine_hour(list, options->machine_type,
                                                         json_object_get(spot, "machines")) +
                                            disk);
        write_date(price->date, list, options->spot > 0 ? spot : NULL);
    }
    json_decref(list);
    return status;
}
