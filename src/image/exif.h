/* The one thing that Exif is asked for: which way up. */
#ifndef SM_IMAGE_EXIF_H
#define SM_IMAGE_EXIF_H

#include <stddef.h>
#include <stdint.h>

/*
 * The orientation, 1 to 8, that the content of an APP1 segment (what stands behind its length)
 * tells; 0 when it is no Exif, is broken or tells none.
 */
int sm_exif_orientation(const uint8_t *data, size_t len);

#endif
