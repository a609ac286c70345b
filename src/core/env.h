/* Numbers that people set in the environment. */
#ifndef SM_CORE_ENV_H
#define SM_CORE_ENV_H

/* The variable's whole number, and most when it is more; otherwise, when there is none. */
unsigned long sm_env_number(const char *name, unsigned long most, unsigned long otherwise);

#endif
