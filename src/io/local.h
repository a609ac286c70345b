/* What file.c and folder.c, the two halves of the local file system, share. */
#ifndef SM_IO_LOCAL_H
#define SM_IO_LOCAL_H

#include "io/io.h"

#include <sys/stat.h>

/* The names of files that are being written: what a killed run may leave behind. */
#define TEMPORARY_PREFIX ".shardmill-"
#define TEMPORARY_SUFFIX ".tmp"

void sm_file_info_of_stat(sm_file_info *info, const struct stat *st);

#endif
