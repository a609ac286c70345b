/* Turning a small picture upright. */
#ifndef SM_IMAGE_ORIENT_H
#define SM_IMAGE_ORIENT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Copies width x height pixels of 3 bytes (as stored, without gaps) into out, turned as the Exif
 * orientation (1 to 8) says; out's rows lie stride bytes apart. The two must not overlap.
 */
void sm_orient(uint8_t *out, size_t stride, const uint8_t *rgb, uint32_t width, uint32_t height,
               int orientation);

#endif
