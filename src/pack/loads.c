#include "pack/loads.h"

#include "core/json.h"
#include "core/machine.h"
#include "pack/task.h"

static const uint64_t NS_PER_S = 1000000000;

void sm_loads_begin(sm_loads *s)
{
    sm_load_take(&s->items[0]);
    s->count = 1;
    s->every_ns = NS_PER_S;
    s->next_ns = sm_clock_ns() + s->every_ns;
}

/* Keeps every second one. */
static void thin_out(sm_loads *s)
{
    for (size_t i = 0; 2 * i < s->count; i++) s->items[i] = s->items[2 * i];
    s->count = (s->count + 1) / 2;
    s->every_ns *= 2;
}

void sm_loads_tick(sm_loads *s)
{
    const uint64_t now = sm_clock_ns();
    if (now < s->next_ns) return;
    if (s->count == SM_LOADS_MAX - 1) thin_out(s); /* the last place is the end's */
    sm_load_take(&s->items[s->count++]);
    s->next_ns = now + s->every_ns;
}

static json_t *describe(const sm_loads *s)
{
    sm_counter_home home;
    sm_counter_home_find(&home);
    json_t *list = json_array();
    for (size_t i = 0; i < s->count; i++) {
        const sm_load *one = &s->items[i];
        json_array_append_new(list,
                              json_pack("[f, f, I, I, I, I, I]", one->time, one->busy_s,
                                        (json_int_t)one->received, (json_int_t)one->sent,
                                        (json_int_t)one->disk_read, (json_int_t)one->disk_written,
                                        (json_int_t)one->memory));
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:i, s:I, s:o}", "id", home.id, "machine",
                     home.machine, "disks", sm_json_text(home.disks), "host",
                     sm_json_text(home.host), "address", sm_json_text(home.address), "cores",
                     (int)home.cores, "memory", (json_int_t)home.memory, "samples", list);
}

sm_status sm_loads_append(sm_buf *line, sm_loads *s)
{
    if (line->len == 0 || line->data[line->len - 1] != '}') return SM_OK;
    sm_load_take(&s->items[s->count++]);
    const size_t before = line->len;
    json_t *node = describe(s);
    sm_status status = node == NULL ? sm_fail(SM_ERR_MEMORY, "cannot get memory for JSON") : SM_OK;
    line->len--;
    if (status == SM_OK) status = sm_buf_append_str(line, ",\"node\":");
    if (status == SM_OK)
        status = sm_json_dump(line, node, SM_TASK_LINE_STYLE | JSON_REAL_PRECISION(13));
    if (status == SM_OK) status = sm_buf_append_str(line, "}");
    json_decref(node);
    if (line->len > SM_TASK_LINE_MAX || status != SM_OK) { /* the answer matters more */
        line->len = before;
        line->data[before - 1] = '}';
    }
    return status;
}
