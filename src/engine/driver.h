/* What is handed to Spark: the driver (the text of python/shardmill/_driver.py) and the worker. */
#ifndef SM_ENGINE_DRIVER_H
#define SM_ENGINE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>

extern const unsigned char sm_spark_driver[]; /* cmake/embed.cmake makes them */
extern const size_t sm_spark_driver_len;

/* Whether a worker is a bundle (.tgz, .tar.gz), and not the program itself; NULL is none. */
bool sm_spark_is_bundle(const char *worker);

#endif
