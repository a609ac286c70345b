#include "core/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void first_in_first_out(void **state)
{
    (void)state;
    sm_queue queue;
    int items[7];
    assert_int_equal(sm_queue_init(&queue, 3), SM_OK);
    for (size_t in = 0, out = 0; out < 7;) { /* round and round its three places */
        while (in < 7 && queue.count < 3) assert_true(sm_queue_push(&queue, &items[in++]));
        assert_ptr_equal(sm_queue_pop(&queue), &items[out++]);
    }
    sm_queue_destroy(&queue);
}

static void gives_what_is_left_after_close(void **state)
{
    (void)state;
    sm_queue queue;
    int item;
    assert_int_equal(sm_queue_init(&queue, 3), SM_OK);
    assert_true(sm_queue_push(&queue, &item));
    sm_queue_close(&queue);
    assert_false(sm_queue_push(&queue, &item));
    assert_ptr_equal(sm_queue_pop(&queue), &item);
    assert_null(sm_queue_pop(&queue));
    assert_null(sm_queue_pop(&queue));
    sm_queue_close(&queue);
    sm_queue_destroy(&queue);
}

static void destroys_what_never_was(void **state)
{
    (void)state;
    sm_queue queue = {0};
    sm_queue_destroy(&queue);
}

/* ---- Threads --------------------------------------------------------------------------------- */

enum { PRODUCERS = 4, CONSUMERS = 3, EACH = 5000 };

typedef struct exchange {
    sm_queue queue;
    unsigned char seen[PRODUCERS][EACH]; /* each item is the address of its place here */
} exchange;

typedef struct worker {
    pthread_t thread;
    exchange *relay;
    int number, got;
    bool in_order;
} worker;

static void *produce(void *arg)
{
    worker *self = arg;
    for (int i = 0; i < EACH; i++)
        if (!sm_queue_push(&self->relay->queue, &self->relay->seen[self->number][i])) break;
    return NULL;
}

static void *consume(void *arg)
{
    worker *self = arg;
    unsigned char *item, *last[PRODUCERS] = {NULL};
    self->in_order = true;
    while ((item = sm_queue_pop(&self->relay->queue)) != NULL) {
        size_t producer = (size_t)(item - &self->relay->seen[0][0]) / EACH;
        if (last[producer] != NULL && item <= last[producer]) self->in_order = false;
        last[producer] = item;
        *item += 1;
        self->got++;
    }
    return NULL;
}

static void start(worker *workers, int count, exchange *relay, void *(*work)(void *))
{
    for (int i = 0; i < count; i++) {
        workers[i] = (worker){.relay = relay, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
}

static void join(worker *workers, int count)
{
    for (int i = 0; i < count; i++) pthread_join(workers[i].thread, NULL);
}

/* Every item comes through once, and those of one producer in their order. */
static void loses_and_doubles_nothing(void **state)
{
    (void)state;
    worker producers[PRODUCERS], consumers[CONSUMERS];
    for (size_t capacity = 1; capacity <= 64; capacity *= 8) {
        exchange *relay = calloc(1, sizeof *relay);
        assert_non_null(relay);
        assert_int_equal(sm_queue_init(&relay->queue, capacity), SM_OK);
        start(consumers, CONSUMERS, relay, consume);
        start(producers, PRODUCERS, relay, produce);
        join(producers, PRODUCERS);
        sm_queue_close(&relay->queue);
        join(consumers, CONSUMERS);
        int got = 0;
        for (int i = 0; i < CONSUMERS; i++) {
            got += consumers[i].got;
            assert_true(consumers[i].in_order);
        }
        assert_int_equal(got, PRODUCERS * EACH);
        for (int i = 0; i < PRODUCERS; i++)
            for (int j = 0; j < EACH; j++) assert_int_equal(relay->seen[i][j], 1);
        sm_queue_destroy(&relay->queue);
        free(relay);
    }
}

/* Whoever waits for room or for an item comes back; a hang is this test's failure. */
static void close_wakes_everybody(void **state)
{
    (void)state;
    worker producers[PRODUCERS], consumers[CONSUMERS];
    exchange *relay = calloc(1, sizeof *relay);
    assert_non_null(relay);
    assert_int_equal(sm_queue_init(&relay->queue, 2), SM_OK);
    start(producers, PRODUCERS, relay, produce); /* nobody takes: they wait for room */
    for (bool full = false; !full;) {
        pthread_mutex_lock(&relay->queue.lock);
        full = relay->queue.count == 2;
        pthread_mutex_unlock(&relay->queue.lock);
    }
    sm_queue_close(&relay->queue);
    join(producers, PRODUCERS);
    sm_queue_destroy(&relay->queue);

    assert_int_equal(sm_queue_init(&relay->queue, 2), SM_OK);
    start(consumers, CONSUMERS, relay, consume); /* nobody gives: they wait for an item */
    sm_queue_close(&relay->queue);
    join(consumers, CONSUMERS);
    for (int i = 0; i < CONSUMERS; i++) assert_int_equal(consumers[i].got, 0);
    sm_queue_destroy(&relay->queue);
    free(relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),      cmocka_unit_test(gives_what_is_left_after_close),
        cmocka_unit_test(destroys_what_never_was), cmocka_unit_test(loses_and_doubles_nothing),
        cmocka_unit_test(close_wakes_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
