#include "choose/chooser.h"
const method sm_method_ernest = {.name = "ernest"};
