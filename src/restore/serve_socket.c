/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include "base/strv.h"
#include "restore/serve_intern.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>

#define TMPFS 0x01021994
#define RAMFS 0x858458f6
#define GREETING "NBDMAGIC"
#define ANSWER_MS 10000
#define LOCK_TRIES 100

/* ---- a folder for machines ------------------------------------------------------------- */

const char *hf_serve_dir(struct hf_err *err)
{
    const char *own = geteuid() == 0 ? "/run" : secure_getenv("XDG_RUNTIME_DIR");
    if (own && *own == '/')
        return own;
    hf_fail(err, HF_E_CONFIG, "no place for the sockets of its disks: XDG_RUNTIME_DIR is not set");
    return NULL;
}

int hf_serve_make_dir(const char *path, struct hf_err *err)
{
    if (mkdir(path, 0700) != 0 || chmod(path, 0711) != 0)
        return hf_fail_sys(err, errno, "folder '%s'", path);
    return 0;
}

/* ---- its place -------------------------------------------------------------------------- */

/* Whoever can write there can put a socket of his own in the place of ours. */
static int check_folder(const char *folder, const char *socket, struct hf_err *err)
{
    struct stat st;
    if (stat(folder, &st) < 0)
        return hf_fail_sys(err, errno, "folder '%s'", folder);
    bool is_ours = st.st_uid == geteuid() || st.st_uid == 0;
    if (is_ours && (!(st.st_mode & (S_IWGRP | S_IWOTH)) || st.st_mode & S_ISVTX))
        return 0;
    hf_fail(err, HF_E_CONFIG, "others can write to the folder of socket '%s'", socket);
    return hf_hint(err, "Take one that is yours alone (chmod 700).");
}

static int set_paths(struct hf_serving *s, const char *path, struct hf_err *err)
{
    HF_AUTOFREE char *one = strdup(path), *two = strdup(path);
    struct sockaddr_un limit;
    if (!one || !two)
        return hf_fail_nomem(err);
    const char *folder = dirname(one), *name = basename(two);
    HF_AUTOFREE char *real = realpath(folder, NULL);
    if (!real) {
        hf_fail_sys(err, errno, "the folder of socket '%.200s'", path);
        err->cls = HF_E_CONFIG;
        return -1;
    }
    s->socket = hf_path_join(real, name);
    s->lock_path = s->socket ? hf_asprintf("%s.lock", s->socket) : NULL;
    if (!s->lock_path)
        return hf_fail_nomem(err);
    if (!*path || path[strlen(path) - 1] == '/' || strlen(s->socket) >= sizeof limit.sun_path)
        return hf_fail(err, HF_E_CONFIG, "'%.200s' cannot be a socket: a name of %zu bytes at most",
                       s->socket, sizeof limit.sun_path - 1);
    return check_folder(real, s->socket, err);
}

static int set_uri(struct hf_serving *s, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf uri = HF_BUF_INIT;
    hf_buf_str_add(&uri, "nbd+unix:///?socket=");
    for (const char *p = s->socket; *p; p++) {
        bool is_plain = strchr("/-._~", *p) || (*p >= '0' && *p <= '9') ||
                        (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
        hf_buf_printf(&uri, is_plain ? "%c" : "%%%02X", (unsigned char)*p);
    }
    if (!hf_buf_ok(&uri))
        return hf_fail_nomem(err);
    s->uri = hf_buf_steal(&uri);
    return 0;
}

static int fill_address(const struct hf_serving *s, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->sun_path, s->socket, strlen(s->socket) + 1);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int remove_left_over(const struct hf_serving *s, struct hf_err *err)
{
    struct stat st;
    struct sockaddr_un address;
    if (lstat(s->socket, &st) < 0)
        return errno == ENOENT ? 0 : hf_fail_sys(err, errno, "socket '%s'", s->socket);
    if (!S_ISSOCK(st.st_mode))
        return hf_fail(err, HF_E_CONFLICT, "'%s' is there already, and no socket", s->socket);
    HF_AUTOFD int fd = fill_address(s, &address);
    if (fd < 0)
        return hf_fail_sys(err, errno, "a socket");
    /* EAGAIN: so many wait to be let in that there is no place; so somebody listens. */
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ||
        errno != ECONNREFUSED) {
        hf_fail(err, HF_E_BUSY, "somebody serves at socket '%s' already", s->socket);
        return hf_hint(err, "Take another name, or end the other server.");
    }
    return unlink(s->socket) < 0 && errno != ENOENT
               ? hf_fail_sys(err, errno, "remove the old socket '%s'", s->socket)
               : 0;
}

/* ---- whose name it is ------------------------------------------------------------------- */

/* A file that nobody else can open: what others can open, they can lock. */
static int open_lock(const struct hf_serving *s, struct hf_err *err)
{
    struct stat st;
    HF_AUTOFD int fd =
        open(s->lock_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st) < 0)
        return hf_fail_sys(err, errno, "lock '%s'", s->lock_path);
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink > 1 || st.st_size > 0 ||
        st.st_mode & (S_IRWXG | S_IRWXO))
        return hf_fail(err, HF_E_CONFLICT, "'%s' is there, and not ours", s->lock_path);
    return HF_STEAL_FD(fd);
}

/* Whoever had the lock before us took its name away when he let go, perhaps after we had opened it. */
static bool is_named(const char *path, int fd)
{
    struct stat named, st;
    return fstat(fd, &st) == 0 && lstat(path, &named) == 0 && named.st_ino == st.st_ino &&
           named.st_dev == st.st_dev;
}

static int take_lock(struct hf_serving *s, struct hf_err *err)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        HF_AUTOFD int fd = open_lock(s, err);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            if (errno != EWOULDBLOCK)
                return hf_fail_sys(err, errno, "lock '%s'", s->lock_path);
            break;
        }
        if (is_named(s->lock_path, fd)) {
            s->lock_fd = HF_STEAL_FD(fd);
            return 0;
        }
    }
    return hf_fail(err, HF_E_BUSY, "another server is being started at socket '%s'", s->socket);
}

/* Two who take the same left-over away would take each other's socket away: locked until ours listens. */
int hf_serve_socket_claim(struct hf_serving *s, const char *path, struct hf_err *err)
{
    if (set_paths(s, path, err) < 0 || set_uri(s, err) < 0 || take_lock(s, err) < 0)
        return -1;
    s->is_claimed = remove_left_over(s, err) == 0;
    return s->is_claimed ? 0 : -1;
}

/* The name first: who opens it afterwards makes another one. */
void hf_serve_socket_let_go(struct hf_serving *s)
{
    if (s->lock_fd < 0)
        return;
    if (is_named(s->lock_path, s->lock_fd))
        unlink(s->lock_path);
    close(HF_STEAL_FD(s->lock_fd));
}

/* ---- does it answer? -------------------------------------------------------------------- */

static int await_greeting(struct hf_serving *s, int fd, struct hf_err *err)
{
    char greeting[sizeof GREETING - 1];
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
                           {.fd = hf_cancel_fd(s->env->cancel), .events = POLLIN}};
    int64_t deadline_ms = hf_clock_mono_ms(s->env->clock) + ANSWER_MS;
    while (poll(fds, HF_ARRAY_SIZE(fds), hf_clock_left_ms(s->env->clock, deadline_ms)) < 0)
        if (errno != EINTR)
            return hf_fail_sys(err, errno, "socket '%s'", s->socket);
    if (hf_cancel_check(s->env->cancel, err) < 0)
        return -1;
    ssize_t n = recv(fd, greeting, sizeof greeting, MSG_DONTWAIT);
    if (n == sizeof greeting && memcmp(greeting, GREETING, sizeof greeting) == 0)
        return 0;
    return hf_fail(err, HF_E_PLUGIN, "nbdkit does not answer at '%s'", s->socket);
}

int hf_serve_socket_try(struct hf_serving *s, struct hf_err *err)
{
    struct stat st;
    struct sockaddr_un address;
    if (lstat(s->socket, &st) < 0 || !S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
        return hf_fail(err, HF_E_PLUGIN, "nbdkit made no socket '%s'", s->socket);
    s->inode = st.st_ino;
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return hf_fail(err, HF_E_PLUGIN, "socket '%s' is open to others", s->socket);
    HF_AUTOFD int fd = fill_address(s, &address);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return hf_fail_sys(err, errno, "socket '%s'", s->socket);
    return await_greeting(s, fd, err);
}

/* Later somebody may have taken it away, and put another one there. */
void hf_serve_socket_remove(struct hf_serving *s)
{
    struct stat st;
    if (s->is_claimed && lstat(s->socket, &st) == 0 && S_ISSOCK(st.st_mode) &&
        (!s->inode || st.st_ino == s->inode))
        unlink(s->socket);
}

/* ---- scratch ---------------------------------------------------------------------------- */

static bool is_in_memory(const char *folder)
{
    struct statfs fs;
    return folder && *folder == '/' && statfs(folder, &fs) == 0 &&
           ((unsigned long)fs.f_type == TMPFS || (unsigned long)fs.f_type == RAMFS) &&
           access(folder, W_OK | X_OK) == 0;
}

static const char *find_memory(struct hf_err *err)
{
    const char *folders[] = {secure_getenv("TMPDIR"), "/dev/shm"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(folders); i++)
        if (is_in_memory(folders[i]))
            return folders[i];
    hf_fail(err, HF_E_CONFIG, "there is no tmpfs for what is written: neither TMPDIR nor /dev/shm");
    hf_hint(err, "Mount one, and set TMPDIR to it; what was decrypted is kept in memory only.");
    return NULL;
}

char *hf_serve_scratch(struct hf_err *err)
{
    const char *folder = find_memory(err);
    char *text = folder ? hf_asprintf("TMPDIR=%s", folder) : NULL;
    if (folder && !text)
        hf_fail_nomem(err);
    return text;
}

/* A tmpfs without a limit says that it has no blocks: it is never full. */
int hf_serve_memory(unsigned *out_percent, char **out_folder, struct hf_err *err)
{
    struct statfs fs;
    const char *folder = find_memory(err);
    if (!folder)
        return -1;
    if (statfs(folder, &fs) != 0)
        return hf_fail_sys(err, errno, "'%s'", folder);
    uint64_t all = fs.f_blocks, used = all - (fs.f_bavail < all ? fs.f_bavail : all);
    *out_percent = all ? (unsigned)(used * 100 / all) : 0;
    *out_folder = strdup(folder);
    return *out_folder ? 0 : hf_fail_nomem(err);
}
