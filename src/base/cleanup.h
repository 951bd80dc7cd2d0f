/* SPDX-License-Identifier: Apache-2.0
 *
 * base/cleanup.h - scope guards: every owned local is declared with one and initialised.
 *
 *     HF_AUTOFREE char *p = NULL;
 *     HF_AUTOFD int fd = -1;
 *     HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;     (a type that ran HF_DEFINE_AUTO)
 *     return HF_STEAL(p);                                 ownership leaves the scope
 *
 * A destructor takes NULL, keeps errno, cannot fail and means "abandon"; what can
 * fail or must be durable is an explicit *_finish() before the scope ends.
 */
#ifndef HF_BASE_CLEANUP_H
#define HF_BASE_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void hf_autofree_(void *pp)
{
    int saved = errno;
    free(*(void **)pp);
    errno = saved;
}

static inline void hf_autofd_(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

static inline void hf_autofile_(FILE **f)
{
    int saved = errno;
    if (*f)
        fclose(*f);
    errno = saved;
}

#define HF_AUTOFREE __attribute__((cleanup(hf_autofree_)))
#define HF_AUTOFD __attribute__((cleanup(hf_autofd_)))
#define HF_AUTOFILE __attribute__((cleanup(hf_autofile_)))

#define HF_AUTO(name) __attribute__((cleanup(hf_auto_##name##_)))

/* For `struct name *` freed by fn(struct name *): declares the guard HF_AUTO(name). */
#define HF_DEFINE_AUTO(name, fn)                                                                   \
    static inline void hf_auto_##name##_(struct name **pp)                                         \
    {                                                                                              \
        int saved_ = errno;                                                                        \
        if (*pp)                                                                                   \
            fn(*pp);                                                                               \
        errno = saved_;                                                                            \
    }

/* For a `struct name` held by value and emptied by fn(struct name *). */
#define HF_DEFINE_AUTO_VALUE(name, fn)                                                             \
    static inline void hf_auto_##name##_(struct name *p)                                           \
    {                                                                                              \
        int saved_ = errno;                                                                        \
        fn(p);                                                                                     \
        errno = saved_;                                                                            \
    }

#define HF_STEAL(p)                                                                                \
    __extension__({                                                                                \
        __typeof__(p) stolen_ = (p);                                                               \
        (p) = NULL;                                                                                \
        stolen_;                                                                                   \
    })

#define HF_STEAL_FD(fd)                                                                            \
    __extension__({                                                                                \
        int stolen_ = (fd);                                                                        \
        (fd) = -1;                                                                                 \
        stolen_;                                                                                   \
    })

#define HF_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
