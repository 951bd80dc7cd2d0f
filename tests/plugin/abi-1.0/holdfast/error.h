/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast/error.h - the error object, shared by the program and its plugins.
 *
 * A function that can fail returns int (0, -1) or a pointer (NULL: failed) and
 * takes a `struct hf_err *err` as its last argument, never NULL. On success err
 * is untouched. The object lives on the caller's stack: nothing to allocate,
 * nothing to free, usable when memory is gone and on both sides of the plugin
 * boundary. Programs switch on the class; people read message, hint and left.
 *
 * message  what happened, lower case, no full stop, outermost context first
 * hint     what to do about it: a sentence of its own, or empty
 * left     what remains in the outside world for somebody to clean up, or empty
 */
#ifndef HOLDFAST_ERROR_H
#define HOLDFAST_ERROR_H

#include <stdbool.h>
#include <stdint.h>

/* Each class maps to one exit status (base/err.h: hf_err_exit_status). */
enum hf_err_class {
    HF_E_NONE = 0,
    HF_E_CONFIG,      /* usage or configuration: nothing was tried */
    HF_E_AUTH,        /* wrong secret, or a right is missing */
    HF_E_UNREACHABLE, /* nobody answers, connection lost */
    HF_E_TIMEOUT,     /* the deadline passed; whether it happened is unknown unless said */
    HF_E_EXPIRED,     /* a hold outlived its limit and was released by its dead-man */
    HF_E_BUSY,        /* somebody else holds it: another run, a foreign job */
    HF_E_NOT_FOUND,
    HF_E_CONFLICT,    /* exists already, or changed under our hands */
    HF_E_UNSUPPORTED, /* this machine, server or version cannot do it: refused, with the reason */
    HF_E_NOSPACE,
    HF_E_CORRUPT,     /* data is not what was recorded */
    HF_E_CANCELLED,   /* a signal or the user */
    HF_E_PLUGIN,      /* the plugin broke its contract, or the hypervisor answered an error */
    HF_E_INTERNAL,    /* a bug, or memory ran out */
    HF_E_CLASSES      /* count, not a class */
};

#define HF_ERR_MESSAGE_MAX 512
#define HF_ERR_HINT_MAX 512
#define HF_ERR_LEFT_MAX 512

struct hf_err {
    uint32_t struct_size; /* sizeof (struct hf_err) of whoever owns the object */
    int32_t cls;          /* enum hf_err_class */
    int32_t sys_errno;    /* errno behind it, or 0 */
    uint8_t retryable;    /* the same call may succeed later, unchanged */
    uint8_t reserved[3];
    char message[HF_ERR_MESSAGE_MAX];
    char hint[HF_ERR_HINT_MAX];
    char left[HF_ERR_LEFT_MAX];
};

/* Designated initialiser for an error object on the stack. */
#define HF_ERR_INIT                                                                                \
    {                                                                                              \
        .struct_size = sizeof(struct hf_err)                                                       \
    }

#endif
