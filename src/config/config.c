/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/buf.h"
#include "config/parse.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES ((off_t)1 << 20)

/* ---- object ----------------------------------------------------------------------------- */

static void section_free(const struct hf_section *s, void *item)
{
    struct hf_config_head *h = hf_section_head(item);
    for (size_t i = 0; i < s->n_options; i++)
        if (s->options[i].type->clear)
            s->options[i].type->clear(hf_option_field(item, &s->options[i]));
    for (size_t i = 0; i < h->n_kv; i++) {
        free((char *)h->kv[i].key);
        free((char *)h->kv[i].value);
    }
    free(h->kv);
    free(h->kv_lines);
    free(h->label);
    free(item);
}

void hf_config_free(struct hf_config *c)
{
    if (!c)
        return;
    for (size_t id = 0; id < HF_SECTION_COUNT; id++) {
        for (size_t i = 0; i < c->sections[id].n; i++)
            section_free(&hf_sections[id], c->sections[id].items[i]);
        free(c->sections[id].items);
    }
    hf_strv_free(&c->app_files);
    free(c->file);
    free(c);
}

void *hf_config_add_section(struct hf_config *c, enum hf_section_id id, const char *label,
                            unsigned line)
{
    struct hf_section_list *list = &c->sections[id];
    void **items = reallocarray(list->items, list->n + 1, sizeof(*items));
    if (!items)
        return NULL;
    list->items = items;
    HF_AUTOFREE char *label_copy = label ? strdup(label) : NULL;
    void *item = calloc(1, hf_sections[id].size);
    if (!item || (label && !label_copy)) {
        free(item);
        return NULL;
    }
    struct hf_config_head *h = hf_section_head(item);
    h->section_name = hf_sections[id].name;
    h->label = HF_STEAL(label_copy);
    h->file = c->file;
    h->line = line;
    list->items[list->n++] = item;
    return item;
}

struct hf_config *hf_config_parse(const char *text, size_t len, const char *name,
                                  struct hf_err *err)
{
    HF_AUTO(hf_config) struct hf_config *c = calloc(1, sizeof(*c));
    if (!c || !(c->file = strdup(name))) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (hf_config_parse_text(c, text, len, err) != 0 || hf_config_check(c, err) != 0)
        return NULL;
    return HF_STEAL(c);
}

/* ---- file ------------------------------------------------------------------------------- */

static int open_fail(const char *path, struct hf_err *err)
{
    if (errno != ENOENT)
        return hf_fail(err, HF_E_CONFIG, "configuration file '%s': %s", path,
                       strerrordesc_np(errno));
    hf_fail(err, HF_E_CONFIG, "configuration file '%s' does not exist", path);
    return hf_hint(err, "Name another one with --config or HOLDFAST_CONFIG, or begin with "
                        "`holdfast sample-config`.");
}

/* What is read here decides what root runs and where: nobody else may have a say in it. */
static int check_file(const char *path, const struct stat *st, struct hf_err *err)
{
    if (!S_ISREG(st->st_mode))
        return hf_fail(err, HF_E_CONFIG, "configuration file '%s' is not a regular file", path);
    if (st->st_size > FILE_MAX_BYTES)
        return hf_fail(err, HF_E_CONFIG, "configuration file '%s' is larger than 1 MiB", path);
    if (geteuid() != 0)
        return 0;
    if (st->st_uid != 0) {
        hf_fail(err, HF_E_CONFIG, "configuration file '%s' does not belong to root", path);
        return hf_hint(err, "Look through it, then run: chown root '%s'", path);
    }
    if (st->st_mode & (S_IWGRP | S_IWOTH)) {
        hf_fail(err, HF_E_CONFIG, "configuration file '%s' can be written by others than root",
                path);
        return hf_hint(err, "Look through it, then run: chmod go-w '%s'", path);
    }
    return 0;
}

/* At most one byte more than is accepted, so that a file that grows meanwhile is noticed. */
static int read_all(int fd, const char *path, struct hf_buf *out, struct hf_err *err)
{
    char chunk[8192];
    ssize_t n = 0;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
        hf_buf_add(out, chunk, (size_t)n);
        if (out->len > (size_t)FILE_MAX_BYTES)
            return hf_fail(err, HF_E_CONFIG, "configuration file '%s' is larger than 1 MiB", path);
    }
    if (n < 0)
        return hf_fail_sys(err, errno, "configuration file '%s'", path);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

int hf_config_read_file(const char *path, struct hf_buf *out, struct hf_err *err)
{
    struct stat st;
    /* NONBLOCK: opening a FIFO must not wait for a writer */
    HF_AUTOFD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) != 0)
        return open_fail(path, err);
    return check_file(path, &st, err) != 0 ? -1 : read_all(fd, path, out, err);
}

struct hf_config *hf_config_load(const char *path, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (hf_config_read_file(path, &text, err) != 0)
        return NULL;
    return hf_config_parse(hf_buf_str(&text), text.len, path, err);
}

/* ---- reading ---------------------------------------------------------------------------- */

static const void *find(const struct hf_config *c, enum hf_section_id id, const char *label,
                        struct hf_err *err)
{
    const struct hf_section_list *list = &c->sections[id];
    HF_AUTO(hf_buf) struct hf_buf all = HF_BUF_INIT;
    HF_AUTOFREE const char **labels = calloc(list->n + 1, sizeof(*labels));
    if (!labels) {
        hf_fail_nomem(err);
        return NULL;
    }
    for (size_t i = 0; i < list->n; i++) {
        labels[i] = hf_section_head(list->items[i])->label;
        if (strcmp(labels[i], label) == 0)
            return list->items[i];
        hf_buf_printf(&all, "%s%s", i ? ", " : "", labels[i]);
    }
    const char *what = hf_sections[id].name;
    hf_fail(err, HF_E_CONFIG, "there is no section [%s %s] in %s", what, label, c->file);
    const char *near = hf_nearest(label, labels, list->n);
    if (near)
        hf_hint(err, "Did you mean '%s'?", near);
    else if (list->n > 0)
        hf_hint(err, "There are: %s.", hf_buf_str(&all));
    else
        hf_hint(err, "The file has no section [%s NAME] at all.", what);
    return NULL;
}

const struct hf_config_defaults *hf_config_get_defaults(const struct hf_config *c)
{
    return c->sections[HF_SECTION_ID_defaults].items[0];
}

const struct hf_config_vm *hf_config_find_vm(const struct hf_config *c, const char *name,
                                             struct hf_err *err)
{
    return find(c, HF_SECTION_ID_vm, name, err);
}

const struct hf_config_hypervisor *hf_config_find_hypervisor(const struct hf_config *c,
                                                             const char *name, struct hf_err *err)
{
    return find(c, HF_SECTION_ID_hypervisor, name, err);
}

const struct hf_config_app *hf_config_find_app(const struct hf_config *c, const char *name,
                                               struct hf_err *err)
{
    return find(c, HF_SECTION_ID_app, name, err);
}

const struct hf_config_store *hf_config_find_store(const struct hf_config *c, const char *name,
                                                   struct hf_err *err)
{
    return find(c, HF_SECTION_ID_store, name, err);
}

size_t hf_config_store_count(const struct hf_config *c)
{
    return c->sections[HF_SECTION_ID_store].n;
}

const struct hf_config_store *hf_config_store_at(const struct hf_config *c, size_t i)
{
    return c->sections[HF_SECTION_ID_store].items[i];
}

size_t hf_config_vm_count(const struct hf_config *c)
{
    return c->sections[HF_SECTION_ID_vm].n;
}

const struct hf_config_vm *hf_config_vm_at(const struct hf_config *c, size_t i)
{
    return c->sections[HF_SECTION_ID_vm].items[i];
}

size_t hf_config_hypervisor_count(const struct hf_config *c)
{
    return c->sections[HF_SECTION_ID_hypervisor].n;
}

const struct hf_config_hypervisor *hf_config_hypervisor_at(const struct hf_config *c, size_t i)
{
    return c->sections[HF_SECTION_ID_hypervisor].items[i];
}

size_t hf_config_policy_count(const struct hf_config *c)
{
    return c->sections[HF_SECTION_ID_policy].n;
}

const struct hf_config_policy *hf_config_policy_at(const struct hf_config *c, size_t i)
{
    return c->sections[HF_SECTION_ID_policy].items[i];
}

const struct hf_config_policy *hf_config_find_policy(const struct hf_config *c, const char *name,
                                                     struct hf_err *err)
{
    return find(c, HF_SECTION_ID_policy, name, err);
}

size_t hf_config_notify_count(const struct hf_config *c)
{
    return c->sections[HF_SECTION_ID_notify].n;
}

const struct hf_config_notify *hf_config_notify_at(const struct hf_config *c, size_t i)
{
    return c->sections[HF_SECTION_ID_notify].items[i];
}

const struct hf_config_hypervisor *hf_config_hypervisor_of(const struct hf_config *c,
                                                           const struct hf_config_vm *vm)
{
    struct hf_err none = HF_ERR_INIT;
    return hf_config_find_hypervisor(c, vm->hypervisor, &none);
}

bool hf_grade_meets(enum hf_grade have, enum hf_grade required)
{
    if (required == HF_GRADE_NONE)
        return true;
    return have != HF_GRADE_NONE && have <= required;
}
