/* The driver that Spark runs for us: the text of python/shardmill/_driver.py. */
#ifndef SM_ENGINE_DRIVER_H
#define SM_ENGINE_DRIVER_H

#include <stddef.h>

extern const unsigned char sm_spark_driver[]; /* cmake/embed.cmake makes them */
extern const size_t sm_spark_driver_len;

#endif
