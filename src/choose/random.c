#include "choose/chooser.h"
const method sm_method_random = {.name = "random"};
