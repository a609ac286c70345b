/* What file.c and folder.c, the two halves of the local file system, share. */
#ifndef SM_IO_LOCAL_H
#define SM_IO_LOCAL_H

#include "io/io.h"

#include <sys/stat.h>

void sm_file_info_of_stat(sm_file_info *info, const struct stat *st);

#endif
