/* SPDX-License-Identifier: Apache-2.0
 *
 * nbdkit/plugin.c - holdfast-nbdkit-plugin.so: a stored disk for nbdkit, so that its filters serve.
 *
 *     nbdkit --readonly holdfast-nbdkit-plugin.so config=FILE point=[VM/]POINT [disk=NAME] [store=NAME] [leash=stdin]
 *
 * leash: restore/serve_disk.h. When it ends, or nbdkit is told to end and a reader does not let go, this process ends within two seconds.
 * nbdkit keeps one state per process, so this file has one too.
 */
#define NBDKIT_API_VERSION 2

#include "base/thread.h"
#include "restore/serve_disk.h"

#include <fcntl.h>
#include <malloc.h>
#include <nbdkit-plugin.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
#define GRACE_MS 1000
#define BLOCK_MIN 512u /* nbdkit's bounds of the preferred block */
#define BLOCK_MAX (2u << 20)

static struct {
    char *config, *point, *disk, *store;
    int leash;
    struct hf_serve_disk *served;
    struct hf_cancel *cancel; /* of the store */
    struct hf_cancel *ending; /* of the watcher */
    pthread_t watcher;
    bool is_watched;
} self = {.leash = -1};

static void load(void)
{
    /* A core file would hold keys and what they open; pieces of packs go back to the system. */
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)mallopt(M_MMAP_THRESHOLD, 8 << 20);
}

/* ---- parameters ------------------------------------------------------------------------- */

static int keep(char **to, char *value)
{
    free(*to);
    *to = value;
    return value ? 0 : -1;
}

/* nbdkit gives its standard input away before it serves. */
static int take_leash(const char *value)
{
    if (strcmp(value, "stdin") != 0) {
        nbdkit_error("leash is stdin, or not given");
        return -1;
    }
    self.leash = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    return self.leash < 0 ? -1 : 0;
}

static int config(const char *key, const char *value)
{
    if (strcmp(key, "config") == 0)
        return keep(&self.config, nbdkit_realpath(value));
    if (strcmp(key, "point") == 0)
        return keep(&self.point, strdup(value));
    if (strcmp(key, "disk") == 0)
        return keep(&self.disk, strdup(value));
    if (strcmp(key, "store") == 0)
        return keep(&self.store, strdup(value));
    if (strcmp(key, "leash") == 0)
        return take_leash(value);
    nbdkit_error("there is no parameter '%s'", key);
    return -1;
}

static int config_complete(void)
{
    if (self.config && self.point)
        return 0;
    nbdkit_error("config=FILE and point=POINT are needed");
    return -1;
}

/* Before nbdkit makes its socket: nobody else may connect to it. */
static int get_ready(void)
{
    umask(0177);
    return 0;
}

/* ---- life ------------------------------------------------------------------------------- */

/* A filter or a client may keep nbdkit from ending: then this does. */
static void *watch(void *arg)
{
    struct pollfd fds[] = {{.fd = self.leash, .events = POLLIN},
                           {.fd = hf_cancel_fd(self.ending), .events = POLLIN}};
    (void)arg;
    while (!fds[0].revents && !fds[1].revents)
        if (poll(fds, HF_ARRAY_SIZE(fds), -1) < 0)
            fds[0].revents = fds[1].revents = 0;
    if (fds[1].revents)
        return NULL;
    hf_cancel_set(self.cancel);
    nbdkit_shutdown();
    if (hf_cancel_sleep(self.ending, hf_clock_system(), GRACE_MS))
        kill(getpid(), SIGKILL);
    return NULL;
}

/* The watcher first: opening can take as long as a store does not answer. */
static int start(struct hf_err *err)
{
    struct hf_serve_disk_wish wish = {.config = self.config,
                                      .point = self.point,
                                      .disk = self.disk,
                                      .store = self.store,
                                      .leash = self.leash};
    wish.cancel = self.cancel = hf_cancel_new(err);
    self.ending = wish.cancel ? hf_cancel_new(err) : NULL;
    if (!self.ending)
        return -1;
    int e = self.leash < 0 ? 0 : hf_thread_start(&self.watcher, watch, NULL);
    if (e)
        return hf_fail_sys(err, e, "a thread to watch who started us");
    self.is_watched = self.leash >= 0;
    self.served = hf_serve_disk_open(&wish, err);
    return self.served ? 0 : -1;
}

static int after_fork(void)
{
    struct hf_err err = HF_ERR_INIT;
    umask(0077);
    if (start(&err) == 0) {
        hf_serve_say_ready(self.served);
        return 0;
    }
    hf_serve_say_failed(self.leash, &err);
    nbdkit_error("%s", err.message);
    return -1;
}

static void cleanup(void)
{
    if (self.ending)
        hf_cancel_set(self.ending);
    if (self.is_watched)
        pthread_join(self.watcher, NULL);
    self.is_watched = false;
    hf_serve_disk_close(HF_STEAL(self.served));
}

static void unload(void)
{
    cleanup();
    hf_cancel_free(self.ending);
    hf_cancel_free(self.cancel);
    free(self.config);
    free(self.point);
    free(self.disk);
    free(self.store);
    if (self.leash >= 0)
        close(self.leash);
}

/* ---- serving ---------------------------------------------------------------------------- */

static void *open_handle(int readonly)
{
    (void)readonly;
    return NBDKIT_HANDLE_NOT_NEEDED;
}

static int fail(const struct hf_err *why)
{
    hf_serve_disk_complain(self.served, why);
    nbdkit_error("%s", why->message);
    nbdkit_set_error(EIO);
    return -1;
}

static int64_t get_size(void *handle)
{
    (void)handle;
    return (int64_t)hf_image_cache_shape(hf_serve_disk_cache(self.served))->disk_bytes;
}

static int yes(void *handle)
{
    (void)handle;
    return 1;
}

static int no(void *handle)
{
    (void)handle;
    return 0;
}

static int can_cache(void *handle)
{
    (void)handle;
    return NBDKIT_CACHE_NATIVE;
}

static int block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
    uint32_t chunk = hf_image_cache_shape(hf_serve_disk_cache(self.served))->chunk_bytes;
    (void)handle;
    *minimum = 1;
    *preferred = chunk < BLOCK_MIN ? BLOCK_MIN : chunk > BLOCK_MAX ? BLOCK_MAX : chunk;
    *maximum = UINT32_MAX;
    return 0;
}

static int pread_disk(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
    struct hf_err err = HF_ERR_INIT;
    (void)handle, (void)flags;
    if (hf_image_cache_read(hf_serve_disk_cache(self.served), offset, buf, count, &err) == 0)
        return 0;
    return fail(&err);
}

static int cache_disk(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    struct hf_err err = HF_ERR_INIT;
    (void)handle, (void)flags;
    if (hf_image_cache_want(hf_serve_disk_cache(self.served), offset, count, &err) == 0)
        return 0;
    return fail(&err);
}

static int extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                   struct nbdkit_extents *out)
{
    struct hf_err err = HF_ERR_INIT;
    uint64_t end = offset + count, len = 0;
    (void)handle;
    for (uint64_t at = offset; at < end; at += len) {
        bool is_hole = false;
        if (hf_image_cache_extent(hf_serve_disk_cache(self.served), at, &is_hole, &len, &err) < 0)
            return fail(&err);
        if (nbdkit_add_extent(out, at, len, is_hole ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0) <
            0)
            return -1;
        if (flags & NBDKIT_FLAG_REQ_ONE)
            return 0;
    }
    return 0;
}

static struct nbdkit_plugin plugin = {
    .name = "holdfast",
    .version = HF_VERSION,
    .longname = "holdfast: a disk of a recovery point",
    .description = "Serves a disk straight from a store of holdfast.",
    .config_help = "config=FILE   holdfast's configuration\n"
                   "point=POINT   a recovery point, or VM/POINT\n"
                   "disk=NAME     one of its disks; may be left out when it has only one\n"
                   "store=NAME    only from this store",
    .load = load,
    .unload = unload,
    .config = config,
    .config_complete = config_complete,
    .get_ready = get_ready,
    .after_fork = after_fork,
    .cleanup = cleanup,
    .open = open_handle,
    .get_size = get_size,
    .can_extents = yes,
    .can_multi_conn = yes,
    .is_rotational = no,
    .can_cache = can_cache,
    .block_size = block_size,
    .pread = pread_disk,
    .extents = extents,
    .cache = cache_disk,
};

/* nbdkit's macro declares the entry without a visibility. */
__attribute__((visibility("default"))) struct nbdkit_plugin *plugin_init(void);

NBDKIT_REGISTER_PLUGIN(plugin)
