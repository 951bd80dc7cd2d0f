/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/vmlock.h"
#include "harness/hf_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN "20261123T030000Z-7f3a9c21"
#define OTHER "20261123T030001Z-00000001"

static struct hf_vmlock *take(void **state, const char *key)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_vmlock *l = hf_vmlock_take(hf_test_dir(state), key, RUN, &err);
    assert_hf_got(l, &err);
    return l;
}

static void assert_busy(void **state, const char *key, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(hf_vmlock_take(hf_test_dir(state), key, OTHER, &err));
    assert_hf_err(&err, HF_E_BUSY, piece);
    assert_true(err.retryable);
}

static void the_second_taker_learns_who_holds_the_vm(void **state)
{
    char pid[32];
    snprintf(pid, sizeof(pid), ", pid %ld, since 20", (long)getpid());
    HF_AUTO(hf_vmlock) struct hf_vmlock *l = take(state, "lab.web01");
    assert_busy(state, "lab.web01", "held by run " RUN);
    assert_busy(state, "lab.web01", pid);
    HF_AUTO(hf_vmlock) struct hf_vmlock *another = take(state, "lab.web02");
}

static void a_released_vm_can_be_taken_and_its_file_stays(void **state)
{
    struct stat first, second;
    const char *path = hf_test_path(state, "locks/lab.web01.lock");
    hf_vmlock_release(take(state, "lab.web01"));
    assert_int_equal(stat(path, &first), 0);
    assert_int_equal(first.st_mode & 07777, 0600);
    hf_vmlock_release(take(state, "lab.web01"));
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    hf_vmlock_release(NULL);
}

/* Asking takes it from nobody, and leaves nothing behind. */
static void who_asks_learns_whether_it_is_taken(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *dir = hf_test_dir(state);
    assert_int_equal(hf_vmlock_is_taken(dir, "holdfastd", &err), 0);
    struct hf_vmlock *l = take(state, "holdfastd");
    assert_int_equal(hf_vmlock_is_taken(dir, "holdfastd", &err), 1);
    assert_int_equal(hf_vmlock_is_taken(dir, "web01", &err), 0);
    assert_busy(state, "holdfastd", "held by run " RUN);
    hf_vmlock_release(l);
    assert_int_equal(hf_vmlock_is_taken(dir, "holdfastd", &err), 0);
    hf_vmlock_release(take(state, "holdfastd"));
}

static void a_shorter_text_leaves_nothing_of_a_longer_one(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    hf_vmlock_release(take(state, "vm"));
    HF_AUTO(hf_vmlock) struct hf_vmlock *l = hf_vmlock_take(hf_test_dir(state), "vm", "r", &err);
    assert_hf_got(l, &err);
    assert_null(hf_vmlock_take(hf_test_dir(state), "vm", OTHER, &err));
    assert_contains(err.message, "run r, pid");
    assert_int_equal(err.message[strlen(err.message) - 1], 'Z');
}

static int is_regular(const struct dirent *item)
{
    return item->d_type == DT_REG;
}

static void any_key_makes_a_harmless_file_name(void **state)
{
    static char long_key[400];
    memset(long_key, 'x', sizeof(long_key) - 1);
    const char *const keys[] = {"../../etc/passwd",
                                "a/b",
                                "a_b",
                                "a:b",
                                "",
                                ".",
                                "..",
                                "/",
                                "ü",
                                "a b\n",
                                "%s",
                                "a\\b",
                                "aB",
                                "ab",
                                "-rf",
                                ".a",
                                long_key,
                                long_key + 1,
                                "x.lock"};
    struct hf_vmlock *locks[HF_ARRAY_SIZE(keys)];
    /* All at once: keys that look alike do not exclude each other. */
    for (size_t i = 0; i < HF_ARRAY_SIZE(keys); i++)
        locks[i] = take(state, keys[i]);
    struct dirent **names;
    int n = scandir(hf_test_path(state, "locks"), &names, is_regular, alphasort);
    assert_int_equal(n, HF_ARRAY_SIZE(keys));
    for (int i = 0; i < n; i++) {
        assert_true(strlen(names[i]->d_name) < 100);
        assert_int_equal(strspn(names[i]->d_name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                                                  "WXYZ0123456789._-"),
                         strlen(names[i]->d_name));
        assert_int_not_equal(names[i]->d_name[0], '.');
        free(names[i]);
    }
    free(names);
    for (size_t i = 0; i < HF_ARRAY_SIZE(keys); i++)
        hf_vmlock_release(locks[i]);
}

static int hold_by_hand(void **state, const char *text, size_t len)
{
    hf_vmlock_release(take(state, "vm"));
    int fd = open(hf_test_path(state, "locks/vm.lock"), O_RDWR | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(write(fd, text, len), len);
    return fd;
}

static void a_strange_holder_text_is_bounded_and_printable(void **state)
{
    static char junk[10000];
    struct hf_err err = HF_ERR_INIT;
    memset(junk, '\x1b', sizeof(junk));
    HF_AUTOFD int fd = hold_by_hand(state, junk, sizeof(junk));
    assert_null(hf_vmlock_take(hf_test_dir(state), "vm", OTHER, &err));
    assert_hf_err(&err, HF_E_BUSY, "held by ???");
    assert_true(strlen(err.message) < 200);
    assert_lacks(err.message, "\x1b");
}

static void a_holder_without_a_text_yet_is_still_named(void **state)
{
    HF_AUTOFD int fd = hold_by_hand(state, "", 0);
    assert_busy(state, "vm", "has just begun");
}

static void does_not_follow_a_link(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    hf_vmlock_release(take(state, "vm"));
    const char *victim = hf_test_file(state, "victim", "precious", 0600);
    assert_int_equal(symlink(victim, hf_test_path(state, "locks/evil.lock")), 0);
    assert_null(hf_vmlock_take(hf_test_dir(state), "evil", RUN, &err));
    assert_contains(err.message, "evil.lock");
    struct stat st;
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_size, 8);
}

static void a_child_that_executes_something_does_not_get_it(void **state)
{
    HF_AUTO(hf_vmlock) struct hf_vmlock *l = take(state, "vm");
    assert_int_equal(fcntl(hf_vmlock_fd(l), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

/* What the guardian does: adopts the descriptor that it was given by number, says so, and lives
 * until its standard input ends. */
static int be_guardian(const char *number)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_vmlock) struct hf_vmlock *l = hf_vmlock_adopt(atoi(number), &err);
    char c;
    if (!l || write(STDOUT_FILENO, "r", 1) != 1)
        return 1;
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
    return 0;
}

static void spawn_guardian(int lock, int in, int out)
{
    char number[16];
    if (fork())
        return;
    snprintf(number, sizeof(number), "%d", lock);
    fcntl(lock, F_SETFD, 0);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    execl("/proc/self/exe", "test_vmlock", "guardian", number, NULL);
    _exit(127);
}

/* Takes the lock, starts a guardian, and is killed. */
static void lose_a_coordinator(void **state, int in, int out)
{
    int status;
    const char *dir = hf_test_dir(state);
    pid_t pid = fork();
    if (!pid) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_vmlock *l = hf_vmlock_take(dir, "vm", RUN, &err);
        if (l)
            spawn_guardian(hf_vmlock_fd(l), in, out);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void the_guardian_keeps_the_vm_after_the_coordinators_death(void **state)
{
    int in[2], out[2];
    char c;
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    lose_a_coordinator(state, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    assert_int_equal(read(out[0], &c, 1), 1); /* it has adopted the lock */
    assert_busy(state, "vm", "run " RUN);
    close(in[1]);
    assert_int_equal(read(out[0], &c, 1), 0); /* it is gone */
    close(out[0]);
    /* The pipe is closed a little earlier than the lock's descriptor, so look for a while. */
    struct hf_vmlock *l = NULL;
    for (int i = 0; i < 200 && !l; i++) {
        struct hf_err err = HF_ERR_INIT;
        l = hf_vmlock_take(hf_test_dir(state), "vm", OTHER, &err);
        if (!l)
            usleep(10000);
    }
    assert_non_null(l);
    hf_vmlock_release(l);
}

static void adopts_only_the_descriptor_that_holds_the_lock(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_vmlock) struct hf_vmlock *l = take(state, "vm");
    HF_AUTOFD int fd = open(hf_test_path(state, "locks/vm.lock"), O_RDWR | O_CLOEXEC);
    assert_null(hf_vmlock_adopt(fd, &err));
    assert_hf_err(&err, HF_E_BUSY, "held by run " RUN);
    assert_true(fcntl(fd, F_GETFD) >= 0); /* still the caller's */
    assert_null(hf_vmlock_adopt(9999, &err));
    assert_contains(err.message, "descriptor 9999");

    int shared = dup(hf_vmlock_fd(l));
    HF_AUTO(hf_vmlock) struct hf_vmlock *mine = hf_vmlock_adopt(shared, &err);
    assert_hf_got(mine, &err);
    assert_int_equal(fcntl(shared, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    /* One share goes, the VM stays held. */
    hf_vmlock_release(HF_STEAL(l));
    assert_busy(state, "vm", RUN);
}

/* One of several that run at the same instant: exit status 0 when it got the lock. It keeps it
 * until all have tried. */
static _Noreturn void race(const char *dir, int start, int stop)
{
    struct hf_err err = HF_ERR_INIT;
    char c;
    if (read(start, &c, 1) != 0)
        _exit(2);
    struct hf_vmlock *l = hf_vmlock_take(dir, "vm", RUN, &err);
    close(start);
    if (!l)
        _exit(err.cls == HF_E_BUSY ? 1 : 2);
    while (read(stop, &c, 1) > 0)
        ;
    _exit(0);
}

static int count_winners(const char *dir, int takers)
{
    int start[2], stop[2], winners = 0, status;
    assert_int_equal(pipe2(start, O_CLOEXEC), 0);
    assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
    for (int i = 0; i < takers; i++) {
        if (!fork()) {
            close(start[1]);
            close(stop[1]);
            race(dir, start[0], stop[0]);
        }
    }
    close(start[0]);
    close(stop[0]);
    close(start[1]); /* go */
    for (int i = 0; i < takers - 1; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(WEXITSTATUS(status), 1);
    }
    close(stop[1]);
    assert_true(wait(&status) > 0);
    winners += WEXITSTATUS(status) == 0;
    return winners;
}

static void of_many_takers_one_wins(void **state)
{
    hf_vmlock_release(take(state, "vm"));
    for (int i = 0; i < 20; i++)
        assert_int_equal(count_winners(hf_test_dir(state), 6), 1);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(the_second_taker_learns_who_holds_the_vm),
        HF_TEST(a_released_vm_can_be_taken_and_its_file_stays),
        HF_TEST(who_asks_learns_whether_it_is_taken),
        HF_TEST(a_shorter_text_leaves_nothing_of_a_longer_one),
        HF_TEST(any_key_makes_a_harmless_file_name),
        HF_TEST(a_strange_holder_text_is_bounded_and_printable),
        HF_TEST(a_holder_without_a_text_yet_is_still_named),
        HF_TEST(does_not_follow_a_link),
        HF_TEST(a_child_that_executes_something_does_not_get_it),
        HF_TEST(the_guardian_keeps_the_vm_after_the_coordinators_death),
        HF_TEST(adopts_only_the_descriptor_that_holds_the_lock),
        HF_TEST(of_many_takers_one_wins),
    };
    if (argc == 3 && !strcmp(argv[1], "guardian"))
        return be_guardian(argv[2]);
    return HF_RUN_TESTS("catalog.vmlock", tests);
}
