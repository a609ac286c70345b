/*
 * A set in its folder: plan.json tells what was planned, so that a later run knows what it finds;
 * publishing writes the metadata and, last, _SUCCESS.
 */
#ifndef SM_PACK_SET_H
#define SM_PACK_SET_H

#include "pack/plan.h"

typedef struct sm_set_split {
    char name[SM_NAME_MAX];
    uint32_t shards;  /* of the plan */
    uint32_t retried; /* added by --retry-failed, behind them */
} sm_set_split;

typedef struct sm_set {
    const char *dst; /* borrowed */
    char name[SM_NAME_MAX];
    char fingerprint[SM_FINGERPRINT_SIZE], classes[SM_FINGERPRINT_SIZE];
    json_t *options;
    sm_compression compression;
    sm_set_split splits[SM_MAX_SPLITS];
    size_t split_count;
    uint64_t inputs;
    bool complete; /* _SUCCESS is there */
} sm_set;

/* SM_ERR_NOT_FOUND when dst holds no set of ours; SM_ERR_CORRUPT. */
sm_status sm_set_load(sm_set *set, const char *dst);

/* The set that plan makes in dst, nothing written yet. */
sm_status sm_set_from_plan(sm_set *set, const sm_plan *plan, const char *dst);
void sm_set_free(sm_set *set);

/* Writes plan.json. */
sm_status sm_set_write(const sm_set *set);

/* The path of a file of the set, or of its folder when file is "". */
sm_status sm_set_path(sm_buf *path, const sm_set *set, const char *file);

/* The name of shard number index of a split. */
sm_status sm_set_shard_name(char name[SM_SHARD_NAME_MAX], const sm_set *set, size_t split,
                            uint32_t index);

/* Takes the mark of completeness away, before anything is changed. */
sm_status sm_set_open(sm_set *set);

/* Removes the files that set names, but not those that keep also names (NULL: none). */
sm_status sm_set_remove(sm_set *set, const sm_set *keep);

/* Mends what a --retry-failed left when it was cut off: gives every shard its present name, and
 * removes an additional shard that did not get into the plan. */
sm_status sm_set_settle(const sm_set *set);

/* Whether file lies there whole, as its result says; fingerprint NULL: of whatever plan. When it
 * does and failures is not NULL, the number of its failures is added there. */
bool sm_set_has_whole(const sm_set *set, const char *file, const char *fingerprint,
                      uint64_t *failures);

/*
 * Writes the lists of failures, warnings and skips, the metadata, and _SUCCESS; fills in what
 * summary says of the set. SM_ERR_INTERNAL when the counts do not add up: then there is no
 * _SUCCESS.
 */
sm_status sm_set_publish(sm_set *set, const sm_plan *plan, sm_pack_summary *summary);

/* Fills in the same of a set that is whole already. */
sm_status sm_set_summarise(const sm_set *set, const sm_plan *plan, sm_pack_summary *summary);

/* The names of the files beside the shards; NULL-ended. */
extern const char *const sm_set_files[];

#endif
