/* Brightness and colour to red, green and blue. */
#ifndef SM_IMAGE_COLOUR_H
#define SM_IMAGE_COLOUR_H

#include <stddef.h>
#include <stdint.h>

/* JFIF's YCbCr (ITU-R BT.601, all of 0 to 255) to count pixels of 3 bytes, rounded as libjpeg does
 * it. */
void sm_colour_to_rgb(uint8_t *rgb, const uint8_t *y, const uint8_t *cb, const uint8_t *cr,
                      size_t count);

#endif
