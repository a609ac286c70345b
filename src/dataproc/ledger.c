#include "dataproc/ledger.h"

#include "core/json.h"
#include "core/status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRY_MAX = 4096 };

static sm_status folder_path(char path[SM_PATH_LIMIT])
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int len;
    if (state != NULL && *state == '/')
        len = snprintf(path, SM_PATH_LIMIT, "%s/shardmill/dataproc", state);
    else if (home != NULL && *home == '/')
        len = snprintf(path, SM_PATH_LIMIT, "%s/.local/state/shardmill/dataproc", home);
    else
        return sm_fail(SM_ERR_USAGE, "no place for the list of clusters: HOME is not set");
    return len < SM_PATH_LIMIT / 2 ? SM_OK : sm_fail(SM_ERR_LIMIT, "HOME is too long");
}

/* REGION.PROJECT.CLUSTER.json: none of them has a '/', which sm_dataproc_init has seen to. */
static sm_status entry_path(char path[SM_PATH_LIMIT], const char *project, const char *region,
                            const char *cluster)
{
    sm_status status = folder_path(path);
    if (status != SM_OK) return status;
    if (strpbrk(project, "/") != NULL || strpbrk(region, "/") != NULL ||
        strchr(cluster, '/') != NULL)
        return sm_fail(SM_ERR_USAGE, "'%s' is no cluster's name", cluster);
    const size_t len = strlen(path);
    snprintf(path + len, SM_PATH_LIMIT - len, "/%s.%s.%s.json", region, project, cluster);
    return SM_OK;
}

static sm_status make_folders(char *path)
{
    for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        int failed = mkdir(path, 0700) != 0 && errno != EEXIST ? errno : 0;
        *slash = '/';
        if (failed != 0) return sm_fail_errno(failed, "cannot make the folder of '%s'", path);
    }
    return SM_OK;
}

static sm_status write_entry(const sm_ledger_entry *entry, const char *path)
{
    sm_buf text;
    sm_buf_init(&text, ENTRY_MAX);
    json_t *object = json_pack("{s:s, s:s, s:s}", "cluster", entry->cluster, "project",
                               entry->project, "region", entry->region);
    sm_status status = object == NULL ? sm_fail_memory(ENTRY_MAX) : SM_OK;
    if (status == SM_OK) status = sm_json_append(&text, object, false);
    if (status == SM_OK &&
        (write(entry->lock, text.data, text.len) != (ssize_t)text.len || fsync(entry->lock) != 0))
        status = sm_fail_errno(errno, "cannot write '%s'", path);
    json_decref(object);
    sm_buf_free(&text);
    return status;
}

sm_status sm_ledger_open(sm_ledger_entry *entry)
{
    char path[SM_PATH_LIMIT];
    entry->lock = -1;
    sm_status status = entry_path(path, entry->project, entry->region, entry->cluster);
    if (status == SM_OK) status = make_folders(path);
    if (status != SM_OK) return status;
    entry->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (entry->lock < 0) return sm_fail_errno(errno, "cannot write '%s'", path);
    if (flock(entry->lock, LOCK_EX | LOCK_NB) != 0)
        status = sm_fail(SM_ERR_CONFLICT, "another run here uses the cluster '%s'", entry->cluster);
    else if (ftruncate(entry->lock, 0) != 0)
        status = sm_fail_errno(errno, "cannot write '%s'", path);
    else
        status = write_entry(entry, path);
    if (status != SM_OK) sm_ledger_close(entry);
    return status;
}

void sm_ledger_close(sm_ledger_entry *entry)
{
    if (entry->lock >= 0) close(entry->lock);
    entry->lock = -1;
}

void sm_ledger_remove(sm_ledger_entry *entry)
{
    char path[SM_PATH_LIMIT];
    if (entry_path(path, entry->project, entry->region, entry->cluster) == SM_OK) unlink(path);
    sm_ledger_close(entry);
}

bool sm_ledger_has(const char *project, const char *region, const char *cluster)
{
    char path[SM_PATH_LIMIT];
    return entry_path(path, project, region, cluster) == SM_OK && access(path, F_OK) == 0;
}

static bool take_text(char *to, size_t cap, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL || *text == '\0' || strlen(text) >= cap) return false;
    memcpy(to, text, strlen(text) + 1);
    return true;
}

static bool read_entry(sm_ledger_entry *entry, int fd)
{
    char text[ENTRY_MAX];
    ssize_t len = pread(fd, text, sizeof text, 0);
    json_t *object = len > 0 ? json_loadb(text, (size_t)len, 0, NULL) : NULL;
    bool good = take_text(entry->cluster, sizeof entry->cluster, object, "cluster") &&
                take_text(entry->project, sizeof entry->project, object, "project") &&
                take_text(entry->region, sizeof entry->region, object, "region");
    json_decref(object);
    return good;
}

/* An entry that was cut off while it was written stands for a cluster that was not asked for. */
static sm_status visit(int folder, const char *name, sm_ledger_fn *fn, void *user)
{
    sm_ledger_entry entry = {.lock = openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW)};
    if (entry.lock < 0) return SM_OK; /* gone meanwhile */
    bool in_use = flock(entry.lock, LOCK_EX | LOCK_NB) != 0;
    sm_status status = SM_OK;
    if (read_entry(&entry, entry.lock))
        status = fn(user, &entry, in_use);
    else if (!in_use)
        unlinkat(folder, name, 0);
    sm_ledger_close(&entry);
    return status;
}

sm_status sm_ledger_each(sm_ledger_fn *fn, void *user)
{
    char path[SM_PATH_LIMIT];
    sm_status status = folder_path(path);
    if (status != SM_OK) return status;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return errno == ENOENT ? SM_OK : sm_fail_errno(errno, "cannot list '%s'", path);
    for (struct dirent *found; status == SM_OK && (found = readdir(folder)) != NULL;) {
        const size_t len = strlen(found->d_name);
        if (len > 5 && strcmp(found->d_name + len - 5, ".json") == 0)
            status = visit(dirfd(folder), found->d_name, fn, user);
    }
    closedir(folder);
    return status;
}
