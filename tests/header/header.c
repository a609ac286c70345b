/* shardmill.h compiles alone, as strict C99 and (as header.cpp includes this file) as C++11. */
#include <shardmill.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    sm_pack_options pack;
    sm_verify_options verify;
    sm_pack_options_init(&pack);
    sm_verify_options_init(&verify);
    if (pack.picture.width != 192 || pack.picture.encode_quality != 95 || verify.decode) {
        fprintf(stderr, "other defaults than the header's\n");
        return 1;
    }
    if (strcmp(sm_status_name(SM_OK), "ok") != 0) {
        fprintf(stderr, "SM_OK is named '%s'\n", sm_status_name(SM_OK));
        return 1;
    }
    return sm_version()[0] == '\0';
}
