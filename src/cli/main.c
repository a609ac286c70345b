#include <shardmill.h>

#include <stdio.h>

int main(void)
{
    printf("shardmill %s\n", sm_version());
    return 0;
}
