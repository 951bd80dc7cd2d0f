/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/vmlock.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/point.h"
#include "catalog/state_intern.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 64 /* of the key as it stands in the file name */
#define HOLDER_MAX 128    /* of the holder's text: read from a file that others write */

struct hf_vmlock {
    int fd;
};

/* FNV-1a: tells apart keys whose safe forms are equal. A collision would only make two VMs wait for
 * each other, so nothing stronger is needed. */
static uint64_t hash(const char *s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
    return h;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* The key itself where it is a harmless file name, else its harmless part and a hash. To be freed.
 */
static char *file_name(const char *key)
{
    char safe[NAME_MAX_BYTES + 1] = "";
    size_t len = strnlen(key, NAME_MAX_BYTES);
    bool is_same = len > 0 && !key[len] && key[0] != '.';
    for (size_t i = 0; i < len; i++) {
        bool keep = is_plain(key[i]) && (i > 0 || key[i] != '.');
        safe[i] = keep ? key[i] : '_';
        is_same = is_same && keep;
    }
    return is_same ? hf_asprintf("%s.lock", safe)
                   : hf_asprintf("%s-%016" PRIx64 ".lock", safe, hash(key));
}

/* What the holder wrote about itself. Empty in the instant between its lock and its text. */
static void read_holder(int fd, char out[HOLDER_MAX])
{
    ssize_t n = pread(fd, out, HOLDER_MAX - 1, 0);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    for (char *c = out; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    if (!*out)
        snprintf(out, HOLDER_MAX, "a run that has just begun");
}

/* For the message of the one who waits, and nothing else: the lock counts, not the text, so a full
 * disk does not matter here. */
static void write_holder(int fd, const char *run_id)
{
    char since[HF_TIME_MAX], text[HOLDER_MAX];
    hf_time_rfc3339(hf_clock_wall_us(hf_clock_system()), since);
    int len = snprintf(text, sizeof(text), "run %.48s, pid %ld, since %s\n", run_id, (long)getpid(),
                       since);
    bool is_empty = ftruncate(fd, 0) == 0;
    if (is_empty && pwrite(fd, text, (size_t)len, 0) != len && ftruncate(fd, 0) != 0)
        return; /* half a text is no worse than none */
}

static int lock_fd(int fd, const char *key, struct hf_err *err)
{
    if (!flock(fd, LOCK_EX | LOCK_NB))
        return 0;
    if (errno != EWOULDBLOCK)
        return hf_fail_sys(err, errno, "lock vm '%s'", key);
    char holder[HOLDER_MAX];
    read_holder(fd, holder);
    hf_fail(err, HF_E_BUSY, "held by %s", holder);
    err->retryable = 1;
    return hf_hint(err, "Wait for that run to end; if its process is dead, its guardian is still "
                        "undoing what it began.");
}

static struct hf_vmlock *vmlock_new(int fd, struct hf_err *err)
{
    struct hf_vmlock *l = malloc(sizeof(*l));
    if (!l) {
        hf_fail_nomem(err);
        return NULL;
    }
    l->fd = fd;
    return l;
}

static int open_file(const char *state_dir, const char *key, struct hf_err *err)
{
    HF_AUTOFREE char *dir = hf_state_subdir(state_dir, "locks", err);
    if (!dir)
        return -1;
    HF_AUTOFREE char *name = file_name(key);
    HF_AUTOFREE char *path = name ? hf_path_join(dir, name) : NULL;
    if (!path)
        return hf_fail_nomem(err);
    /* Never removed again: a lock on a file that was just unlinked would exclude nobody. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 ? fd : hf_fail_sys(err, errno, "open lock file '%s'", path);
}

struct hf_vmlock *hf_vmlock_take(const char *state_dir, const char *key, const char *run_id,
                                 struct hf_err *err)
{
    if (HF_POINT_ERR("vmlock.before_take", err))
        return NULL;
    HF_AUTOFD int fd = open_file(state_dir, key, err);
    if (fd < 0 || lock_fd(fd, key, err))
        return NULL;
    struct hf_vmlock *l = vmlock_new(fd, err);
    if (!l)
        return NULL;
    write_holder(HF_STEAL_FD(fd), run_id);
    HF_POINT("vmlock.after_take");
    return l;
}

/* Shared, so that two who ask at a time do not take each other for a holder; whoever wants to take it in this instant tries again. */
int hf_vmlock_is_taken(const char *state_dir, const char *key, struct hf_err *err)
{
    HF_AUTOFD int fd = open_file(state_dir, key, err);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? 1 : hf_fail_sys(err, errno, "look at the lock '%s'", key);
}

struct hf_vmlock *hf_vmlock_adopt(int fd, struct hf_err *err)
{
    /* From here on children get it only when they are given it, as from hf_vmlock_take. */
    if (fcntl(fd, F_SETFD, FD_CLOEXEC)) {
        hf_fail_sys(err, errno, "adopt descriptor %d as the vm's lock", fd);
        return NULL;
    }
    /* On the same open file description this is granted again; it fails if the descriptor is not
     * the one that holds the lock. */
    if (lock_fd(fd, "of the guardian", err))
        return NULL;
    return vmlock_new(fd, err);
}

struct hf_vmlock *hf_vmlock_share(const struct hf_vmlock *l, struct hf_err *err)
{
    HF_AUTOFD int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        hf_fail_sys(err, errno, "share the vm's lock");
        return NULL;
    }
    struct hf_vmlock *shared = vmlock_new(fd, err);
    if (shared)
        (void)HF_STEAL_FD(fd);
    return shared;
}

int hf_vmlock_fd(const struct hf_vmlock *l)
{
    return l->fd;
}

/* close, never LOCK_UN: that would take the lock from a guardian that shares it. */
void hf_vmlock_release(struct hf_vmlock *l)
{
    if (!l)
        return;
    int saved = errno;
    close(l->fd);
    free(l);
    errno = saved;
}
