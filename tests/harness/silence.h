/* SPDX-License-Identifier: Apache-2.0
 *
 * harness/silence.h - that something writes nothing on standard error: a library has it to itself, past our log.
 *
 *     HF_SILENT(state) { call(); }
 */
#ifndef HF_TEST_SILENCE_H
#define HF_TEST_SILENCE_H

#include "harness/hf_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct hf_test_silence {
    int saved, file;
};

static inline struct hf_test_silence hf_test_silence_begin(void **state)
{
    const char *path = hf_test_file(state, "stderr", "", 0600);
    struct hf_test_silence s = {dup(STDERR_FILENO), open(path, O_WRONLY | O_CLOEXEC)};
    assert_true(s.saved >= 0 && s.file >= 0);
    dup2(s.file, STDERR_FILENO);
    return s;
}

static inline void hf_test_silence_end(struct hf_test_silence *s)
{
    struct stat st;
    fflush(stderr);
    dup2(s->saved, STDERR_FILENO);
    assert_int_equal(fstat(s->file, &st), 0);
    close(s->saved);
    close(s->file);
    s->saved = -1;
    assert_int_equal(st.st_size, 0);
}

#define HF_SILENT(state)                                                                           \
    for (struct hf_test_silence hf_silence = hf_test_silence_begin(state); hf_silence.saved >= 0;  \
         hf_test_silence_end(&hf_silence))

#endif
