#include "image/geometry.h"

bool sm_orientation_swaps(int orientation)
{
    return orientation >= 5;
}

/* round(a * b / c), in whole numbers so that no machine rounds otherwise; at least 1. */
static uint32_t scaled(uint32_t a, uint32_t b, uint32_t c)
{
    uint64_t rounded = (2 * (uint64_t)a * b + c) / (2 * (uint64_t)c);
    return rounded < 1 ? 1 : (uint32_t)rounded;
}

/* Resizes w x h so that it covers the target, or so that it fits into it. */
static void resized_size(uint32_t size[2], uint32_t w, uint32_t h,
                         const sm_picture_options *options, bool cover)
{
    /* width / w > height / h */
    bool wider = (uint64_t)options->width * h > (uint64_t)options->height * w;
    if (wider == cover) {
        size[0] = options->width;
        size[1] = scaled(h, options->width, w);
    } else {
        size[0] = scaled(w, options->height, h);
        size[1] = options->height;
    }
}

/* Which axes of the stored picture run against those of the turned one. */
static bool flips_x(int orientation)
{
    return orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
}

static bool flips_y(int orientation)
{
    return orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
}

void sm_geometry_plan(sm_geometry *geometry, const sm_picture_options *options, uint32_t width,
                      uint32_t height, int orientation)
{
    bool swap = sm_orientation_swaps(orientation);
    uint32_t w = swap ? height : width, h = swap ? width : height;
    uint32_t size[2] = {w, h}, cut[4], pad[2] = {0, 0}, outcome[2];
    sm_resize_mode mode = options->resize_mode;

    if (mode != SM_RESIZE_NO)
        resized_size(size, w, h, options,
                     mode == SM_RESIZE_CENTER_CROP || mode == SM_RESIZE_KEEP_RATIO);
    const uint32_t target[2] = {options->width, options->height};
    for (int axis = 0; axis < 2; axis++) {
        cut[axis] = 0;
        cut[axis + 2] = outcome[axis] = size[axis];
        if (mode == SM_RESIZE_CENTER_CROP) {
            cut[axis] = (size[axis] - target[axis]) / 2;
            cut[axis + 2] = outcome[axis] = target[axis];
        } else if (mode == SM_RESIZE_BORDER) {
            pad[axis] = (target[axis] - size[axis]) / 2;
            outcome[axis] = target[axis];
        }
    }

    int x = swap ? 1 : 0, y = 1 - x; /* the turned axis that each stored one becomes */
    *geometry = (sm_geometry){
        .orientation = orientation,
        .source_width = width,
        .source_height = height,
        .resized_width = size[x],
        .resized_height = size[y],
        .cut_x = flips_x(orientation) ? size[x] - cut[x + 2] - cut[x] : cut[x],
        .cut_y = flips_y(orientation) ? size[y] - cut[y + 2] - cut[y] : cut[y],
        .cut_width = cut[x + 2],
        .cut_height = cut[y + 2],
        .width = outcome[0],
        .height = outcome[1],
        .pad_x = pad[0],
        .pad_y = pad[1],
    };
}
