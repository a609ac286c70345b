/* Candidates from a space file: TOML that people write, or CSV. */
#include "choose/csv.h"
#include "choose/features.h"
#include "choose/table.h"
#include "choose/text.h"
#include "choose/toml.h"
#include "core/array.h"
#include "core/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct builder {
    const char *path;
    sm_candidate *items;
    size_t count, cap;
} builder;

/* What a whole cluster must keep to. */
typedef struct constraints {
    double min_vcpus, max_vcpus, min_memory_gb, max_memory_gb, max_price, max_nodes;
} constraints;

static bool is_same_machine(const sm_candidate *a, const sm_candidate *b)
{
    return a->nodes == b->nodes && strcmp(a->instance, b->instance) == 0 &&
           strcmp(a->family, b->family) == 0 && a->vcpus == b->vcpus &&
           a->memory_gb == b->memory_gb;
}

/* Adds a candidate, once. One that says otherwise of a machine listed before is refused. */
static sm_status add(builder *b, const sm_candidate *c)
{
    sm_status status = sm_candidate_check(c, b->count);
    if (status != SM_OK) return sm_fail_prefix(status, "%s", b->path);
    for (size_t i = 0; i < b->count; i++) {
        const sm_candidate *other = &b->items[i];
        if (!is_same_machine(other, c)) continue;
        if (other->price == c->price) return SM_OK;
        return sm_fail(SM_ERR_FORMAT, "%s: %s with %g nodes stands there twice, at %g and at %g",
                       b->path, c->instance, c->nodes, other->price, c->price);
    }
    if (b->count == SM_CHOOSE_MAX_CANDIDATES)
        return sm_fail(SM_ERR_LIMIT, "%s: more than %d candidates; leave out what cannot be best",
                       b->path, SM_CHOOSE_MAX_CANDIDATES);
    status = sm_array_grow(&b->items, &b->cap, b->count, sizeof *b->items);
    if (status == SM_OK) b->items[b->count++] = *c;
    return status;
}

/* ---- TOML */

static sm_status get_number(double *value, const builder *b, const json_t *table, const char *what,
                            const char *key)
{
    const json_t *found = json_object_get(table, key);
    if (found == NULL) return SM_OK; /* as it is */
    if (!json_is_number(found))
        return sm_fail(SM_ERR_FORMAT, "%s: %s: %s is no number", b->path, what, key);
    *value = json_number_value(found);
    return SM_OK;
}

static sm_status get_name(char name[SM_CHOOSE_NAME_MAX], const builder *b, const json_t *table,
                          const char *what, const char *key)
{
    const json_t *found = json_object_get(table, key);
    if (found == NULL) return SM_OK;
    if (!json_is_string(found))
        return sm_fail(SM_ERR_FORMAT, "%s: %s: %s is no string", b->path, what, key);
    if (!sm_table_name(name, json_string_value(found)))
        return sm_fail(SM_ERR_FORMAT, "%s: %s: %s is empty, or longer than %d bytes", b->path, what,
                       key, SM_CHOOSE_NAME_MAX - 1);
    return SM_OK;
}

static sm_status check_keys(const builder *b, const json_t *table, const char *what,
                            const char *const *known)
{
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)table, key, value)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0) i++;
        if (known[i] == NULL)
            return sm_fail(SM_ERR_FORMAT, "%s: %s: there is no key '%s'", b->path, what, key);
    }
    return SM_OK;
}

static sm_status read_constraints(constraints *k, const builder *b, const json_t *table)
{
    static const char *const known[] = {
        "min_vcpus", "max_vcpus", "min_memory_gb", "max_memory_gb", "max_price", "max_nodes", NULL};
    double *values[] = {&k->min_vcpus,     &k->max_vcpus, &k->min_memory_gb,
                        &k->max_memory_gb, &k->max_price, &k->max_nodes};
    *k = (constraints){0, INFINITY, 0, INFINITY, INFINITY, INFINITY};
    if (table == NULL) return SM_OK;
    if (!json_is_object(table))
        return sm_fail(SM_ERR_FORMAT, "%s: constraints is no table", b->path);
    sm_status status = check_keys(b, table, "constraints", known);
    for (size_t i = 0; known[i] != NULL && status == SM_OK; i++)
        status = get_number(values[i], b, table, "constraints", known[i]);
    return status;
}

static bool is_within(const constraints *k, const sm_candidate *c)
{
    double cores = c->nodes * c->vcpus, memory = c->nodes * c->memory_gb;
    return cores >= k->min_vcpus && cores <= k->max_vcpus && memory >= k->min_memory_gb &&
           memory <= k->max_memory_gb && c->nodes * c->price <= k->max_price &&
           c->nodes <= k->max_nodes;
}

static sm_status add_instance(builder *b, const json_t *table, const json_t *all_nodes,
                              const constraints *k)
{
    static const char *const known[] = {"name",  "family", "vcpus", "memory_gb",
                                        "price", "speed",  "nodes", NULL};
    sm_candidate c = {.vcpus = NAN, .memory_gb = NAN, .price = NAN};
    if (!json_is_object(table)) return sm_fail(SM_ERR_FORMAT, "%s: instance is no table", b->path);
    sm_status status = get_name(c.instance, b, table, "instance", "name");
    if (status == SM_OK && c.instance[0] == '\0')
        status = sm_fail(SM_ERR_FORMAT, "%s: an instance has no name", b->path);
    if (status == SM_OK) status = check_keys(b, table, c.instance, known);
    if (status == SM_OK) status = get_name(c.family, b, table, c.instance, "family");
    if (status == SM_OK) status = get_number(&c.vcpus, b, table, c.instance, "vcpus");
    if (status == SM_OK) status = get_number(&c.memory_gb, b, table, c.instance, "memory_gb");
    if (status == SM_OK) status = get_number(&c.price, b, table, c.instance, "price");
    if (status == SM_OK) status = get_number(&c.speed, b, table, c.instance, "speed");
    if (status != SM_OK) return status;
    if (c.family[0] == '\0') { /* "n2-standard-4" is of n2, "c4.large" of c4 */
        memcpy(c.family, c.instance, sizeof c.family);
        c.family[strcspn(c.family, "-.")] = '\0';
    }
    const json_t *nodes = json_object_get(table, "nodes");
    if (nodes == NULL) nodes = all_nodes;
    if (!json_is_array(nodes) || json_array_size(nodes) == 0)
        return sm_fail(SM_ERR_FORMAT,
                       "%s: %s: wanted is nodes, such as nodes = [2, 4, 8], here or "
                       "at the head of the file",
                       b->path, c.instance);
    for (size_t i = 0; i < json_array_size(nodes) && status == SM_OK; i++) {
        const json_t *count = json_array_get(nodes, i);
        if (!json_is_number(count))
            return sm_fail(SM_ERR_FORMAT, "%s: %s: nodes holds what is no number", b->path,
                           c.instance);
        c.nodes = json_number_value(count);
        status = sm_candidate_check(&c, b->count);
        if (status != SM_OK)
            status = sm_fail_prefix(status, "%s", b->path);
        else if (is_within(k, &c))
            status = add(b, &c);
    }
    return status;
}

static sm_status read_toml(builder *b, const char *text)
{
    static const char *const known[] = {"nodes", "constraints", "instance", NULL};
    json_t *root;
    constraints k;
    sm_status status = sm_toml_parse(&root, text, b->path);
    if (status != SM_OK) return status;
    const json_t *instances = json_object_get(root, "instance");
    status = check_keys(b, root, "the head of the file", known);
    if (status == SM_OK) status = read_constraints(&k, b, json_object_get(root, "constraints"));
    if (status == SM_OK && !json_is_array(instances))
        status = sm_fail(SM_ERR_FORMAT, "%s: there is no [[instance]]", b->path);
    for (size_t i = 0; status == SM_OK && i < json_array_size(instances); i++)
        status = add_instance(b, json_array_get(instances, i), json_object_get(root, "nodes"), &k);
    if (status == SM_OK && b->count == 0)
        status = sm_fail(SM_ERR_USAGE, "%s: the constraints leave no candidate", b->path);
    json_decref(root);
    return status;
}

/* ---- CSV */

static sm_status read_csv(builder *b, char *text)
{
    sm_csv csv;
    bool more = true;
    sm_status status = sm_csv_begin(&csv, text, b->path);
    while (status == SM_OK) {
        sm_candidate c;
        status = sm_csv_next(&more, &csv);
        if (status != SM_OK || !more) break;
        status = sm_table_candidate(&c, &csv);
        if (status == SM_OK) status = add(b, &c);
    }
    if (status == SM_OK && b->count == 0)
        status = sm_fail(SM_ERR_USAGE, "%s: there is no candidate in it", b->path);
    return status;
}

sm_status sm_space_read(sm_space *space, const char *path)
{
    builder b = {.path = path};
    sm_buf text;
    sm_status status = sm_text_read(&text, path);
    if (status != SM_OK) return status;
    size_t len = strlen(path);
    bool is_csv = len > 4 && strcmp(path + len - 4, ".csv") == 0;
    status = is_csv ? read_csv(&b, (char *)text.data) : read_toml(&b, (const char *)text.data);
    sm_buf_free(&text);
    if (status == SM_OK)
        *space = (sm_space){.candidates = b.items, .count = b.count};
    else
        free(b.items);
    return status;
}

void sm_space_free(sm_space *space)
{
    free(space->candidates);
    *space = (sm_space){0};
}
