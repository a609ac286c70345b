/* A bounded blocking queue of pointers between threads, first in, first out. */
#ifndef SM_CORE_QUEUE_H
#define SM_CORE_QUEUE_H

#include <shardmill.h>

#include <pthread.h>

typedef struct sm_queue {
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    void **items;
    size_t capacity, head, count;
    bool closed;
} sm_queue;

sm_status sm_queue_init(sm_queue *queue, size_t capacity);
void sm_queue_destroy(sm_queue *queue); /* a zeroed queue is fine */

/* Waits for room. False when the queue was closed: the item is still the caller's. */
bool sm_queue_push(sm_queue *queue, void *item);

/* Waits for an item. NULL when the queue is closed and empty. */
void *sm_queue_pop(sm_queue *queue);

/* No more items: wakes everybody who waits. What lies in the queue can still be popped. */
void sm_queue_close(sm_queue *queue);

#endif
