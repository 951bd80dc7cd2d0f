/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/tunnel_socket.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define BACKLOG 8

static int check_dir(const char *path, struct hf_err *err)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    HF_AUTOFREE char *dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (!dir)
        return hf_fail_nomem(err);
    if (lstat(dir, &st) < 0)
        return hf_fail_sys(err, errno, "directory '%s' of the tunnel's socket", dir);
    if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & (S_IRWXG | S_IRWXO)))
        return 0;
    hf_fail(err, HF_E_CONFIG,
            "'%s' is no place for a socket: it has to be a directory of our own "
            "that nobody else may enter",
            dir);
    return hf_hint(err, "Run: chmod 700 '%s'", dir);
}

static int make_address(struct sockaddr_un *a, const char *path, struct hf_err *err)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (path[0] != '/' || strlen(path) >= sizeof a->sun_path)
        return hf_fail(err, HF_E_CONFIG, "'%s' cannot be a socket: not absolute, or over %zu bytes",
                       path, sizeof a->sun_path - 1);
    memcpy(a->sun_path, path, strlen(path));
    return 0;
}

static int new_socket(struct hf_err *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return hf_fail_sys(err, errno, "unix socket");
    return fd;
}

/* The name is taken. Nobody listens when a connection is refused: then its owner is dead. */
static int remove_stale(const struct sockaddr_un *a, struct hf_err *err)
{
    struct stat st;
    if (lstat(a->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : hf_fail_sys(err, errno, "socket '%s'", a->sun_path);
    if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
        return hf_fail(err, HF_E_CONFLICT, "'%s' exists and is not a socket of ours", a->sun_path);
    HF_AUTOFD int fd = new_socket(err);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 || errno != ECONNREFUSED)
        return hf_fail(err, HF_E_BUSY, "somebody else listens on '%s'", a->sun_path);
    if (unlink(a->sun_path) < 0 && errno != ENOENT)
        return hf_fail_sys(err, errno, "cannot remove '%s'", a->sun_path);
    return 0;
}

int hf_tunnel_socket_open(struct hf_tunnel_socket *s, const char *path, struct hf_err *err)
{
    struct sockaddr_un a;
    if (make_address(&a, path, err) < 0 || check_dir(path, err) < 0 || remove_stale(&a, err) < 0)
        return -1;
    HF_AUTOFD int fd = new_socket(err);
    if (fd < 0)
        return -1;
    /* Before bind, which gives the file the socket's mode: there is no instant with another one. */
    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) < 0)
        return hf_fail_sys(err, errno, "cannot make the socket '%s'", path);
    if (listen(fd, BACKLOG) < 0) {
        hf_fail_sys(err, errno, "cannot listen on '%s'", path);
        unlink(path);
        return -1;
    }
    s->fd = HF_STEAL_FD(fd);
    memcpy(s->path, a.sun_path, sizeof s->path);
    return 0;
}

void hf_tunnel_socket_close(struct hf_tunnel_socket *s)
{
    if (s->fd < 0)
        return;
    unlink(s->path);
    close(HF_STEAL_FD(s->fd));
}
