/* The names of files that are being written: what a killed run may leave behind. */
#ifndef SM_IO_TEMPORARY_H
#define SM_IO_TEMPORARY_H

#define TEMPORARY_PREFIX ".shardmill-"
#define TEMPORARY_SUFFIX ".tmp"

#endif
