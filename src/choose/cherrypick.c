#include "choose/chooser.h"
const method sm_method_cherrypick = {.name = "cherrypick"};
