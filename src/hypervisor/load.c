/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/path.h"
#include "hypervisor/host_log.h"
#include "hypervisor/worker.h"

#include <dirent.h>
#include <dlfcn.h>
#include <string.h>

#define PREFIX "holdfast-"
#define SUFFIX ".so"

struct hf_plugin_handle {
    void *dl;
    struct hf_log *log;
    char *name;
    struct hf_host host; /* what the entry function sees; an instance gets a host of its own */
    struct hf_plugin table;
};

static void entry_log(void *ctx, enum hf_log_level level, const char *message)
{
    const struct hf_plugin_handle *h = ctx;
    hf_host_log(h->log, level, h->name, message);
}

static void entry_progress(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx, (void)done, (void)total;
}

static int entry_cancelled(void *ctx)
{
    (void)ctx;
    return 0;
}

static int64_t entry_now_ms(void *ctx)
{
    (void)ctx;
    return hf_clock_mono_ms(hf_clock_system());
}

/* A library that a sanitizer instrumented must stay mapped, or its leak reports name no function.
 */
static bool may_dlclose(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#else
    return true;
#endif
}

void hf_plugin_forget(struct hf_plugin_handle *h)
{
    free(h->name);
    free(h);
}

void hf_plugin_unload(struct hf_plugin_handle *h)
{
    if (!h)
        return;
    if (h->dl && may_dlclose())
        dlclose(h->dl);
    hf_plugin_forget(h);
}

const struct hf_plugin *hf_plugin_table(const struct hf_plugin_handle *h)
{
    return &h->table;
}

static bool is_plugin_name(const char *name)
{
    return *name && strlen(name) <= 32 &&
           !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789")];
}

/* The NAME of holdfast-NAME.so as a new string, or NULL. */
static char *name_of_file(const char *file)
{
    size_t len = strlen(file), fixed = strlen(PREFIX) + strlen(SUFFIX);
    if (len <= fixed || strncmp(file, PREFIX, strlen(PREFIX)) != 0 ||
        strcmp(file + len - strlen(SUFFIX), SUFFIX) != 0)
        return NULL;
    char *name = strndup(file + strlen(PREFIX), len - fixed);
    if (name && !is_plugin_name(name)) {
        free(name);
        return NULL;
    }
    return name;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int hf_plugin_names(const char *dir, struct hf_strv *out, struct hf_err *err)
{
    DIR *d = opendir(dir);
    if (!d)
        return hf_fail_sys(err, errno, "plugin directory '%s'", dir);
    int rc = 0;
    const struct dirent *e;
    while (rc == 0 && (e = readdir(d))) {
        char *name = name_of_file(e->d_name);
        if (name)
            rc = hf_strv_take(out, name);
    }
    closedir(d);
    if (rc != 0)
        return hf_fail_nomem(err);
    if (out->n > 1)
        qsort(out->items, out->n, sizeof *out->items, compare_names);
    return 0;
}

static int fail_not_there(const char *dir, const char *name, struct hf_err *err)
{
    hf_fail(err, HF_E_NOT_FOUND, "no plugin '%s'", name);
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf list = HF_BUF_INIT;
    struct hf_err ignored = HF_ERR_INIT;
    if (hf_plugin_names(dir, &names, &ignored) != 0)
        return hf_hint(err, "The plugin directory '%s' cannot be read.", dir);
    for (size_t i = 0; i < names.n; i++)
        hf_buf_printf(&list, "%s%s", i ? ", " : "", names.items[i]);
    return hf_hint(err, "In '%s' there is: %s.", dir, names.n ? hf_buf_str(&list) : "no plugin");
}

/* The head comes first, so that a table of another version is never read beyond what is common. */
static int check_head(const struct hf_plugin *p, const char *name, struct hf_err *err)
{
    if (p->magic != HF_PLUGIN_MAGIC)
        return hf_fail(err, HF_E_PLUGIN, "plugin '%s': not a holdfast plugin (magic %08x)", name,
                       (unsigned)p->magic);
    if (p->abi_major != HF_ABI_MAJOR) {
        hf_fail(err, HF_E_PLUGIN, "plugin '%s' speaks ABI %u.%u, this program %u.%u", name,
                (unsigned)p->abi_major, (unsigned)p->abi_minor, HF_ABI_MAJOR, HF_ABI_MINOR);
        return hf_hint(err, "Install the plugin that belongs to this version of holdfast.");
    }
    if (p->struct_size < offsetof(struct hf_plugin, probe))
        return hf_fail(err, HF_E_PLUGIN, "plugin '%s': its table has only %u bytes", name,
                       (unsigned)p->struct_size);
    return 0;
}

static int check_keys(const struct hf_plugin *p, const char *name, struct hf_err *err)
{
    if (p->n_keys > 256 || (p->n_keys && !p->keys))
        return hf_fail(err, HF_E_PLUGIN, "plugin '%s': nonsensical key table", name);
    for (uint32_t i = 0; i < p->n_keys; i++)
        if (!p->keys[i].name || !p->keys[i].help || p->keys[i].type > HF_KEY_INT)
            return hf_fail(err, HF_E_PLUGIN, "plugin '%s': key %u of its table is incomplete", name,
                           (unsigned)i);
    return 0;
}

static int check_table(const struct hf_plugin *p, const char *name, struct hf_err *err)
{
    if (!p->name || strcmp(p->name, name) != 0)
        return hf_fail(err, HF_E_PLUGIN, "plugin '%s' calls itself '%s'", name,
                       p->name ? p->name : "(nothing)");
    if (!p->version || !p->description || !p->open || !p->close)
        return hf_fail(err, HF_E_PLUGIN, "plugin '%s' lacks version, description, open or close",
                       name);
    return check_keys(p, name, err);
}

static int adopt_table(struct hf_plugin_handle *h, struct hf_err *err)
{
    hf_plugin_entry_fn entry = NULL;
    /* POSIX lets dlsym's result be called; ISO C has no cast for it. */
    *(void **)&entry = dlsym(h->dl, HF_PLUGIN_ENTRY);
    if (!entry)
        return hf_fail(err, HF_E_PLUGIN, "plugin '%s' exports no %s", h->name, HF_PLUGIN_ENTRY);
    const struct hf_plugin *theirs = entry(&h->host);
    if (!theirs)
        return hf_fail(err, HF_E_PLUGIN, "plugin '%s' refuses this program (ABI %u.%u)", h->name,
                       HF_ABI_MAJOR, HF_ABI_MINOR);
    if (check_head(theirs, h->name, err) != 0)
        return -1;
    size_t size = theirs->struct_size < sizeof h->table ? theirs->struct_size : sizeof h->table;
    /* A table that ends within a slot has only the slots before it. */
    size -= (size - offsetof(struct hf_plugin, open)) % sizeof(void (*)(void));
    memcpy(&h->table, theirs, size);
    return check_table(&h->table, h->name, err);
}

static struct hf_plugin_handle *handle_new(const char *name, struct hf_log *log, struct hf_err *err)
{
    HF_AUTO(hf_plugin_handle) struct hf_plugin_handle *h = calloc(1, sizeof *h);
    if (!h || !(h->name = strdup(name))) {
        hf_fail_nomem(err);
        return NULL;
    }
    h->log = log;
    h->host = (struct hf_host){.magic = HF_HOST_MAGIC,
                               .abi_major = HF_ABI_MAJOR,
                               .abi_minor = HF_ABI_MINOR,
                               .struct_size = sizeof h->host,
                               .ctx = h,
                               .log = entry_log,
                               .progress = entry_progress,
                               .cancelled = entry_cancelled,
                               .now_ms = entry_now_ms};
    return HF_STEAL(h);
}

struct hf_plugin_handle *hf_plugin_load(const char *dir, const char *name, struct hf_log *log,
                                        struct hf_err *err)
{
    if (!is_plugin_name(name)) {
        hf_fail(err, HF_E_CONFIG, "'%s' is no plugin name", name);
        return NULL;
    }
    HF_AUTO(hf_plugin_handle) struct hf_plugin_handle *h = handle_new(name, log, err);
    HF_AUTOFREE char *path = hf_asprintf("%s/" PREFIX "%s" SUFFIX, dir, name);
    if (!h)
        return NULL;
    if (!path) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (access(path, F_OK) != 0) {
        fail_not_there(dir, name, err);
        return NULL;
    }
    /* NOW: a missing library shows here and not inside a hold. LOCAL: no symbol of one plugin meets
     * another's. */
    h->dl = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!h->dl) {
        hf_fail(err, HF_E_PLUGIN, "plugin '%s' does not load: %s", name, dlerror());
        return NULL;
    }
    if (adopt_table(h, err) != 0)
        return NULL;
    return HF_STEAL(h);
}
