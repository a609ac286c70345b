/*
 * Preloaded into shardmill: raises SIGSEGV when libjpeg is given a picture that holds the text
 * "shardmill-test-crash" (in a comment, say). With CRASH_TURNS only as often as the file of that
 * name has bytes, so that a crash which does not come again can be tried.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>

typedef int read_header(j_decompress_ptr cinfo, boolean require_image);

/* Takes a byte off the file; false when there is none left. */
static bool take_turn(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0 && truncate(path, st.st_size - 1) == 0;
}

int jpeg_read_header(j_decompress_ptr cinfo, boolean require_image)
{
    static const char marker[] = "shardmill-test-crash";
    const char *turns = getenv("CRASH_TURNS");
    if (memmem(cinfo->src->next_input_byte, cinfo->src->bytes_in_buffer, marker,
               sizeof marker - 1) != NULL &&
        (turns == NULL || take_turn(turns)))
        raise(SIGSEGV);
    read_header *real = NULL;
    void *found = dlsym(RTLD_NEXT, "jpeg_read_header");
    memcpy(&real, &found, sizeof real);
    return real(cinfo, require_image);
}
