/* Numbers for people, in three significant digits. Not-a-number is "–". */
#ifndef SM_ANALYSE_SHOW_H
#define SM_ANALYSE_SHOW_H

enum { SM_SHOW_MAX = 40 };

const char *sm_show(char text[SM_SHOW_MAX], double number);      /* "12,300", "1.23", "1.2e-9" */
const char *sm_show_bytes(char text[SM_SHOW_MAX], double bytes); /* "1.23 MB", powers of 1000 */
const char *sm_show_size(char text[SM_SHOW_MAX], double bytes);  /* "64 KiB", "whole" for 0 */
const char *sm_show_seconds(char text[SM_SHOW_MAX], double seconds); /* "21.3 ms" */
const char *sm_show_percent(char text[SM_SHOW_MAX], double share);   /* "87%", "< 1%" */
const char *sm_show_p(char text[SM_SHOW_MAX], double p);             /* "0.034", "< 0.001" */

#endif
