#include "nodes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void add(node_set *set, const char *text)
{
    json_t *line = json_loads(text, JSON_ALLOW_NUL, NULL);
    assert_non_null(line);
    nodes_add(set, line);
    json_decref(line);
}

/* The row of set, which is freed. */
static json_t *describe(node_set *set, double started)
{
    json_t *row = json_object();
    nodes_describe(row, set, started);
    nodes_free(set);
    return row;
}

static const json_t *machine(const json_t *row, size_t i)
{
    return json_array_get(json_object_get(row, "machines"), i);
}

static const json_t *points(const json_t *row, size_t i)
{
    return json_object_get(machine(row, i), "over_time");
}

static double number(const json_t *object, const char *key)
{
    assert_true(json_is_number(json_object_get(object, key)));
    return json_number_value(json_object_get(object, key));
}

static void expect(double got, double want)
{
    if (!(fabs(got - want) < 1e-9)) fail_msg("%.12g is not %.12g", got, want);
}

static void expect_point(const json_t *row, size_t i, size_t point, const double want[7])
{
    const json_t *found = json_array_get(points(row, i), point);
    assert_int_equal(json_array_size(found), 7);
    for (size_t k = 0; k < 7; k++) expect(json_number_value(json_array_get(found, k)), want[k]);
}

static void counters_become_rates(void **state)
{
    (void)state;
    node_set set = {0};
    add(&set, "{\"id\":\"a\",\"machine\":\"a\",\"disks\":\"a\",\"host\":\"h\","
              "\"address\":\"10.0.0.1\",\"cores\":2,\"memory\":1000,\"samples\":[[100,5,1e6,2e6,"
              "3e6,4e6,500],"
              "[110,15,51e6,22e6,33e6,14e6,250]]}");
    json_t *row = describe(&set, 90);
    assert_int_equal(json_array_size(points(row, 0)), 1);
    expect_point(row, 0, 0, (double[]){20, 0.5, 5, 2, 3, 1, 0.25});
    const json_t *cluster = json_object_get(row, "cluster");
    expect(number(cluster, "seconds"), 10);
    expect(number(cluster, "cpu"), 0.5);
    expect(number(cluster, "received_mb_per_s"), 5);
    expect(number(cluster, "sent_mb_per_s"), 2);
    expect(number(cluster, "disk_read_mb_per_s"), 3);
    expect(number(cluster, "disk_written_mb_per_s"), 1);
    json_decref(row);
}

/* Two workers of a machine sample the same counters, in turn and out of order. */
static void a_machine_counts_once(void **state)
{
    (void)state;
    node_set set = {0};
    add(&set, "{\"id\":\"a\",\"machine\":\"a\",\"cores\":1,\"samples\":"
              "[[104,4,4e6,0,0,0,0],[100,0,0,0,0,0,0]]}");
    add(&set, "{\"id\":\"a\",\"machine\":\"a\",\"cores\":1,\"samples\":"
              "[[102,2,2e6,0,0,0,0],[106,6,6e6,0,0,0,0]]}");
    json_t *row = describe(&set, 100);
    assert_int_equal(json_array_size(json_object_get(row, "machines")), 1);
    assert_int_equal(json_array_size(points(row, 0)), 3);
    for (size_t i = 0; i < 3; i++)
        expect_point(row, 0, i, (double[]){2 * (double)i + 2, 1, 1, 0, 0, 0, 0});
    expect(number(json_object_get(row, "cluster"), "received_mb_per_s"), 1);
    json_decref(row);
}

/* Containers have networks of their own on one machine, whose disks and cores they share. */
static void containers_share_a_machine(void **state)
{
    (void)state;
    node_set set = {0};
    add(&set, "{\"id\":\"m/1\",\"machine\":\"m\",\"disks\":\"m\",\"cores\":4,\"samples\":"
              "[[0,0,0,0,0,0,0],[10,20,10e6,0,30e6,0,0]]}");
    add(&set, "{\"id\":\"m/2\",\"machine\":\"m\",\"disks\":\"m\",\"cores\":4,\"samples\":"
              "[[0,0,0,0,0,0,0],[10,20,20e6,0,30e6,0,0]]}");
    add(&set, "{\"id\":\"n\",\"machine\":\"n\",\"disks\":\"n\",\"cores\":4,\"samples\":"
              "[[0,0,0,0,0,0,0],[10,40,30e6,0,10e6,0,0]]}");
    json_t *row = describe(&set, 0);
    const json_t *cluster = json_object_get(row, "cluster");
    assert_int_equal(json_array_size(json_object_get(row, "machines")), 3);
    expect(number(cluster, "received_mb_per_s"), 6);
    expect(number(cluster, "disk_read_mb_per_s"), 4);
    expect(number(cluster, "cpu"), 60.0 / 10 / 8);
    json_decref(row);
}

/* … or disks of their own, too. */
static void containers_may_have_disks_of_their_own(void **state)
{
    (void)state;
    node_set set = {0};
    add(&set, "{\"id\":\"m/1\",\"machine\":\"m\",\"disks\":\"m/sda\",\"cores\":4,\"samples\":"
              "[[0,0,0,0,0,0,0],[10,20,0,0,30e6,10e6,0]]}");
    add(&set, "{\"id\":\"m/2\",\"machine\":\"m\",\"disks\":\"m/sdb\",\"cores\":4,\"samples\":"
              "[[0,0,0,0,0,0,0],[10,20,0,0,20e6,40e6,0]]}");
    json_t *row = describe(&set, 0);
    const json_t *cluster = json_object_get(row, "cluster");
    expect(number(cluster, "disk_read_mb_per_s"), 5);
    expect(number(cluster, "disk_written_mb_per_s"), 5);
    expect(number(cluster, "cpu"), 20.0 / 10 / 4);
    json_decref(row);
}

static void what_makes_no_sense_is_left_out(void **state)
{
    (void)state;
    node_set set = {0};
    add(&set, "{\"samples\":[[1,1,1,1,1,1,1]]}");
    add(&set, "{\"id\":5,\"samples\":[[1,1,1,1,1,1,1]]}");
    add(&set, "[]");
    assert_int_equal(set.count, 0);
    add(&set, "{\"id\":\"a\",\"machine\":\"a\",\"cores\":\"many\",\"memory\":null,\"samples\":"
              "[[10,9,9,9,9,9,9],[11],[12,1,1,1,1,1,-1],\"x\",{},[1,2,3,4,5,6,7,8],"
              "[20,1,1,1,1,1,1]]}");
    assert_int_equal(set.count, 1);
    assert_int_equal(set.items[0].count, 2);
    json_t *row = describe(&set, 0); /* counters that went back: the machine began anew */
    assert_int_equal(json_array_size(points(row, 0)), 1);
    expect_point(row, 0, 0, (double[]){20, 0, 0, 0, 0, 0, 0});
    json_decref(row);

    row = describe(&set, 0); /* none at all */
    assert_int_equal(json_array_size(json_object_get(row, "machines")), 0);
    assert_null(json_object_get(row, "cluster"));
    json_decref(row);
}

static void there_is_a_limit_of_machines(void **state)
{
    (void)state;
    node_set set = {0};
    for (int i = 0; i < NODES_MAX + 5; i++) {
        char line[64];
        snprintf(line, sizeof line, "{\"id\":\"%d\",\"samples\":[]}", i);
        add(&set, line);
    }
    assert_int_equal(set.count, NODES_MAX);
    nodes_free(&set);
}

static void points_are_few_and_apart(void **state)
{
    (void)state;
    node_set set = {0};
    json_t *line = json_pack("{s:s, s:s, s:f, s:o}", "id", "a", "machine", "a", "cores", 1.0,
                             "samples", json_array());
    json_t *samples = json_object_get(line, "samples");
    for (int i = 0; i <= 40000; i++) /* ten a second */
        json_array_append_new(samples,
                              json_pack("[f,f,i,i,i,i,i]", i / 10.0, i / 20.0, 0, 0, 0, 0, 0));
    nodes_add(&set, line);
    json_decref(line);
    json_t *row = describe(&set, 0);
    const size_t count = json_array_size(points(row, 0));
    assert_in_range(count, 300, 601);
    for (size_t i = 0; i < count; i++)
        expect(json_number_value(json_array_get(json_array_get(points(row, 0), i), 1)), 0.5);
    json_decref(row);
}

static void machines_are_in_the_order_of_their_addresses(void **state)
{
    (void)state;
    static const char *const ids[] = {"10.0.0.10", "10.0.0.9", "10.0.0.2"};
    node_set set = {0};
    for (size_t i = 0; i < 3; i++) {
        char line[128];
        snprintf(line, sizeof line, "{\"id\":\"%s\",\"host\":\"h\",\"address\":\"%s\"}", ids[i],
                 ids[i]);
        add(&set, line);
    }
    json_t *row = describe(&set, 0);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(json_string_value(json_object_get(machine(row, i), "address")),
                            ids[2 - i]);
    json_decref(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_become_rates),
        cmocka_unit_test(a_machine_counts_once),
        cmocka_unit_test(containers_share_a_machine),
        cmocka_unit_test(containers_may_have_disks_of_their_own),
        cmocka_unit_test(what_makes_no_sense_is_left_out),
        cmocka_unit_test(there_is_a_limit_of_machines),
        cmocka_unit_test(points_are_few_and_apart),
        cmocka_unit_test(machines_are_in_the_order_of_their_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
