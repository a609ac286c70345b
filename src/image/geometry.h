/* From a picture's size and the options to what is cut, how large it becomes and where it lies. */
#ifndef SM_IMAGE_GEOMETRY_H
#define SM_IMAGE_GEOMETRY_H

#include <shardmill.h>

/*
 * Everything up to the cut counts in the picture as it is stored, so that the small outcome is
 * turned and not the large source; the outcome is the same.
 */
typedef struct sm_geometry {
    int orientation;                              /* 1 to 8, as Exif numbers them */
    uint32_t source_width, source_height;         /* as stored */
    uint32_t resized_width, resized_height;       /* what the whole picture is resized to */
    uint32_t cut_x, cut_y, cut_width, cut_height; /* the part of it that is wanted */
    uint32_t width, height;                       /* the outcome, turned and padded */
    uint32_t pad_x, pad_y;                        /* where the turned cut lies in it */
} sm_geometry;

/* width and height are at least 1 and at most 65535, orientation is 1 to 8. */
void sm_geometry_plan(sm_geometry *geometry, const sm_picture_options *options, uint32_t width,
                      uint32_t height, int orientation);

/* Whether an orientation exchanges width and height. */
bool sm_orientation_swaps(int orientation);

#endif
