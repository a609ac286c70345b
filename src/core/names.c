/* The words of the public header's enumerations. */
#include "core/status.h"

const char *sm_reason_name(sm_reason reason)
{
    switch (reason) {
    case SM_REASON_NONE: return "none";
    case SM_FAIL_UNREADABLE_FOLDER: return "unreadable_folder";
    case SM_FAIL_NOT_FOUND: return "not_found";
    case SM_FAIL_ACCESS_DENIED: return "access_denied";
    case SM_FAIL_READ_ERROR: return "read_error";
    case SM_FAIL_CHANGED: return "changed";
    case SM_FAIL_FILE_TOO_LARGE: return "file_too_large";
    case SM_FAIL_EMPTY_FILE: return "empty_file";
    case SM_FAIL_NOT_AN_IMAGE: return "not_an_image";
    case SM_FAIL_UNSUPPORTED: return "unsupported";
    case SM_FAIL_CORRUPT: return "corrupt";
    case SM_FAIL_TOO_MANY_PIXELS: return "too_many_pixels";
    case SM_FAIL_OUT_OF_MEMORY: return "out_of_memory";
    case SM_FAIL_WARNINGS: return "warnings";
    case SM_FAIL_ENCODE: return "encode";
    case SM_FAIL_CRASHED: return "crashed";
    case SM_SKIP_HIDDEN: return "hidden";
    case SM_SKIP_NOT_AN_IMAGE: return "not_an_image";
    case SM_SKIP_SPECIAL_FILE: return "special_file";
    case SM_SKIP_LINK_LOOP: return "link_loop";
    case SM_SKIP_NO_CLASS: return "no_class";
    case SM_SKIP_OTHER_CLASS: return "other_class";
    case SM_REASON_COUNT: break;
    }
    return "unknown";
}

const char *sm_stage_name(sm_stage stage)
{
    switch (stage) {
    case SM_STAGE_LIST: return "list";
    case SM_STAGE_READ: return "read";
    case SM_STAGE_SNIFF: return "sniff";
    case SM_STAGE_DECODE: return "decode";
    case SM_STAGE_RESIZE: return "resize";
    case SM_STAGE_ENCODE: return "encode";
    case SM_STAGE_RECORD: return "record";
    }
    return "unknown";
}

const char *sm_choice_name(sm_choice choice, int value)
{
    enum { MOST = 6 };
    static const char *const words[][MOST] = {
        [SM_CHOICE_RESIZE_MODE] = {"center_crop", "border", "keep_ratio", "keep_ratio_largest",
                                   "no"},
        [SM_CHOICE_FILTER] = {"triangle", "area", "lanczos3", "bilinear"},
        [SM_CHOICE_DECODE] = {"fast", "exact"},
        [SM_CHOICE_CHROMA] = {"444", "422", "420"},
        [SM_CHOICE_JPEG_DECODER] = {"auto", "libjpeg-turbo"},
        [SM_CHOICE_ENCODE_FORMAT] = {"jpeg", "keep"},
        [SM_CHOICE_SCHEMA] = {"tfds", "fast-and-lean"},
        [SM_CHOICE_COMPRESSION] = {"none", "gzip"},
        [SM_CHOICE_LABELS] = {"folder", "none"},
    };
    bool known = (unsigned)choice < sizeof words / sizeof *words && value >= 0 && value < MOST;
    return known ? words[choice][value] : NULL;
}
