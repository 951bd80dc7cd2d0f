/* SPDX-License-Identifier: Apache-2.0 */
#include "run/restore_ask.h"

#include "base/point.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ASK_MS 60000
#define CHUNK ((size_t)1 << 20)
#define ROOTS_MAX 64
#define SAID_MAX 300

/* $0 the target, arguments what to look at; xargs hands them over. Prints what is in the way. */
#define LOOK_AT(test) "cd -- \"$0\" && for n; do if " test "; then printf '%s\\0' \"$n\"; fi; done"
#define IS_THERE "[ -L \"$n\" ] || [ -e \"$n\" ]"
#define IS_FOLDER "[ ! -L \"$n\" ] && [ -d \"$n\" ]"
static const char look_folders[] =
    LOOK_AT("[ -L \"$n\" ] || { [ -e \"$n\" ] && [ ! -d \"$n\" ]; }");
static const char look_files[] = LOOK_AT(IS_THERE);
static const char look_replaced[] = LOOK_AT(IS_FOLDER);
/* A line "ID BLOCKS FREE SIZE" of the file system of each that is there. */
static const char look_room[] =
    "cd -- \"$0\" && exec xargs -0 -r stat -f -c '%i %b %a %S' -- 2>/dev/null";

struct asking {
    struct hf_guest *guest;
    const struct hf_clock *clock;
    struct hf_plan *plan;
    struct hf_buf folders, files; /* names, each with its NUL: not asked about yet */
    struct hf_buf roots;          /* the first entry of each tree, and the folders above it */
    size_t n_roots;
    char root[HF_ENTRY_NAME_MAX + 1], before[HF_ENTRY_NAME_MAX + 1];
};

static void asking_free(struct asking *a)
{
    hf_buf_free(&a->folders);
    hf_buf_free(&a->files);
    hf_buf_free(&a->roots);
}
HF_DEFINE_AUTO_VALUE(asking, asking_free)

static struct hf_guest_cmd command(const struct asking *a, const char *const *argv,
                                   const struct hf_buf *input)
{
    return (struct hf_guest_cmd){.argv = argv,
                                 .input = input ? input->data : NULL,
                                 .input_len = input ? input->len : 0,
                                 .deadline_ms = hf_clock_mono_ms(a->clock) + ASK_MS};
}

/* ---- its tar, and the target ------------------------------------------------------------ */

static int check_tar(struct asking *a, struct hf_err *err)
{
    static const char *const argv[] = {"tar", "--version", NULL};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    struct hf_guest_cmd cmd = command(a, argv, NULL);
    if (hf_guest_exec(a->guest, &cmd, &r, err) < 0)
        return -1;
    if (r.exit_code == 0 && strstr(hf_buf_str(&r.out), "GNU tar"))
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "the guest has no GNU tar");
    return hf_hint(err, "Install it there: other tars restore no xattrs, ACLs and holes.");
}

static int make_target(struct asking *a, struct hf_err *err)
{
    const char *const argv[] = {"mkdir", "-p", "-m", "0700", "--", a->plan->req->target, NULL};
    struct hf_guest_cmd cmd = command(a, argv, NULL);
    if (HF_POINT_ERR("restore.before_mkdir", err) < 0)
        return -1;
    return hf_guest_run(a->guest, &cmd, NULL, err);
}

/* ---- names ------------------------------------------------------------------------------ */

static int in_the_way(const struct asking *a, const struct hf_buf *found, bool is_folder,
                      struct hf_err *err)
{
    const struct hf_unpack *req = a->plan->req;
    char name[SAID_MAX];
    const struct hf_buf first = {.data = found->data, .len = strlen(hf_buf_str(found))};
    hf_guest_first_line(&first, name, sizeof name);
    if (name[0] == '.' && name[1] == '/')
        memmove(name, name + 2, strlen(name + 2) + 1);
    if (is_folder) {
        hf_fail(err, HF_E_CONFLICT, "'%s' below '%s' in the guest is no folder", name, req->target);
        return hf_hint(err,
                       "A symlink is not followed. Restore to another folder, and move it from "
                       "there. Nothing was written.");
    }
    if (req->overwrite)
        return hf_fail(err, HF_E_CONFLICT, "'%s' below '%s' in the guest is a folder", name,
                       req->target);
    hf_fail(err, HF_E_CONFLICT, "'%s' below '%s' exists already in the guest", name, req->target);
    return hf_hint(err, "Take another folder, or --overwrite. Nothing was written.");
}

static int ask_names(struct asking *a, struct hf_buf *names, bool is_folder, struct hf_err *err)
{
    const struct hf_unpack *req = a->plan->req;
    const char *look = is_folder ? look_folders : req->overwrite ? look_replaced : look_files;
    const char *const argv[] = {"xargs", "-0", "-r", "sh", "-c", look, req->target, NULL};
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    if (!hf_buf_ok(names))
        return hf_fail_nomem(err);
    struct hf_guest_cmd cmd = command(a, argv, names);
    if (names->len == 0)
        return 0;
    if (hf_cancel_check(req->cancel, err) < 0 || hf_guest_run(a->guest, &cmd, &r, err) < 0)
        return -1;
    hf_buf_clear(names);
    return r.out.len ? in_the_way(a, &r.out, is_folder, err) : 0;
}

static void add_name(struct hf_buf *names, const char *name, size_t len)
{
    hf_buf_str_add(names, "./"); /* else it may be an option */
    hf_buf_add(names, name, len);
    hf_buf_add(names, "", 1);
}

/* Those that the entry before did not have above it, too. */
static void add_above(struct asking *a, const char *name)
{
    const char *b = a->before;
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t len = (size_t)(slash - name);
        if (strncmp(b, name, len) != 0 || (b[len] && b[len] != '/'))
            add_name(&a->folders, name, len);
    }
}

/* The tar has a tree in one piece. */
static void add_root(struct asking *a, const char *name)
{
    size_t len = strlen(a->root);
    if (len && strncmp(name, a->root, len) == 0 && (name[len] == '/' || !name[len]))
        return;
    snprintf(a->root, sizeof a->root, "%s", name);
    if (a->n_roots++ >= ROOTS_MAX)
        return;
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/'))
        add_name(&a->roots, name, (size_t)(slash - name));
    add_name(&a->roots, name, strlen(name));
}

static int see_entry(void *ctx, const struct hf_entry *e, struct hf_err *err)
{
    struct asking *a = ctx;
    add_above(a, e->name);
    add_root(a, e->name);
    add_name(e->type == HF_ENTRY_DIR ? &a->folders : &a->files, e->name, strlen(e->name));
    snprintf(a->before, sizeof a->before, "%s", e->name);
    if ((a->folders.len >= CHUNK && ask_names(a, &a->folders, true, err) < 0) ||
        (a->files.len >= CHUNK && ask_names(a, &a->files, false, err) < 0))
        return -1;
    return 0;
}

/* ---- room ------------------------------------------------------------------------------- */

/* Lines about one file system are the same but for what is free meanwhile. */
static uint64_t sum_free(char *lines)
{
    char seen[ROOTS_MAX][80], id[40], blocks[40], *rest = NULL;
    uint64_t sum = 0, n_free, size;
    size_t n_seen = 0;
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char key[80];
        size_t i = 0;
        if (sscanf(line, "%39s %39s %" SCNu64 " %" SCNu64, id, blocks, &n_free, &size) != 4)
            continue;
        snprintf(key, sizeof key, "%.39s %.39s", id, blocks);
        while (i < n_seen && strcmp(seen[i], key) != 0)
            i++;
        if (i < n_seen || n_seen == ROOTS_MAX)
            continue;
        memcpy(seen[n_seen++], key, sizeof key);
        sum = size && n_free > (UINT64_MAX - sum) / size ? UINT64_MAX : sum + n_free * size;
    }
    return sum;
}

static int check_room(struct asking *a, struct hf_err *err)
{
    const struct hf_plan *p = a->plan;
    const char *const argv[] = {"sh", "-c", look_room, p->req->target, NULL};
    char need_text[HF_UNITS_MAX], free_text[HF_UNITS_MAX];
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    uint64_t need =
        p->about.tar_bytes && p->about.tar_bytes < p->bytes ? p->about.tar_bytes : p->bytes;
    if (p->req->overwrite || a->n_roots > ROOTS_MAX)
        return 0;
    add_name(&a->roots, ".", 1);
    struct hf_guest_cmd cmd = command(a, argv, &a->roots);
    if (!hf_buf_ok(&a->roots))
        return hf_fail_nomem(err);
    if (hf_guest_exec(a->guest, &cmd, &r, err) < 0)
        return -1;
    if (r.out.len == 0)
        return hf_fail(err, HF_E_PLUGIN, "'stat' in the guest does not say what is free");
    uint64_t has = sum_free(r.out.data);
    if (need <= has)
        return 0;
    hf_format_size(need, need_text);
    hf_format_size(has, free_text);
    hf_fail(err, HF_E_NOSPACE, "%s to be restored, and %s free below '%s' in the guest", need_text,
            free_text, p->req->target);
    return hf_hint(err, "Nothing was written.");
}

int hf_restore_ask(struct hf_guest *guest, const struct hf_clock *clock, struct hf_plan *plan,
                   struct hf_err *err)
{
    HF_AUTO(asking) struct asking a = {.guest = guest, .clock = clock, .plan = plan};
    if (check_tar(&a, err) < 0 || make_target(&a, err) < 0 ||
        hf_plan_check(plan, see_entry, &a, err) < 0 || ask_names(&a, &a.folders, true, err) < 0 ||
        ask_names(&a, &a.files, false, err) < 0)
        return -1;
    return check_room(&a, err);
}
