/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "point/manifest_intern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hf_point_artifact_free(struct hf_point_artifact *a)
{
    for (size_t i = 0; i < a->n_objects; i++)
        free(a->objects[i].name);
    free(a->objects);
    hf_db_position_free(&a->position);
    free(a->name);
    free(a->incremental_why);
    hf_point_pushed_free(&a->pushed);
    *a = (struct hf_point_artifact){0};
}

void hf_manifest_free(struct hf_manifest *m)
{
    for (size_t i = 0; i < m->n_artifacts; i++)
        hf_point_artifact_free(&m->artifacts[i]);
    for (size_t i = 0; i < m->n_events; i++)
        free(m->events[i].event);
    hf_db_position_free(&m->position);
    hf_db_position_free(&m->min);
    hf_db_position_free(&m->max);
    free(m->artifacts);
    free(m->events);
    free(m->packs);
    free(m->hypervisor);
    free(m->vm_id);
    free(m->holdfast);
    free(m->proof);
    free(m->grade_why);
    free(m->server);
    free(m->checkpoint);
    *m = (struct hf_manifest){0};
}

/* ---- lists that double ------------------------------------------------------------------ */

/* Room for one more: the array is full when n is a power of two (or 0). */
static void *grow(void *items, size_t n, size_t size, struct hf_err *err)
{
    if (n != 0 && (n & (n - 1)) != 0)
        return items;
    void *more = reallocarray(items, n ? 2 * n : 1, size);
    if (!more)
        hf_fail_nomem(err);
    return more;
}

int hf_manifest_add_event(struct hf_manifest *m, double at_ms, const char *event,
                          struct hf_err *err)
{
    if (m->n_events == HF_MANIFEST_EVENTS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "more than %u events", HF_MANIFEST_EVENTS_MAX);
    struct hf_point_event *more = grow(m->events, m->n_events, sizeof *more, err);
    if (!more)
        return -1;
    m->events = more;
    char *copy = strdup(event);
    if (!copy)
        return hf_fail_nomem(err);
    m->events[m->n_events++] = (struct hf_point_event){at_ms, copy};
    return 0;
}

const struct hf_point_artifact *hf_manifest_find(const struct hf_manifest *m,
                                                 enum hf_point_kind kind)
{
    for (size_t i = 0; i < m->n_artifacts; i++)
        if (m->artifacts[i].kind == kind)
            return &m->artifacts[i];
    return NULL;
}

struct hf_point_artifact *hf_manifest_add_artifact(struct hf_manifest *m, enum hf_point_kind kind,
                                                   const char *name, struct hf_err *err)
{
    if (m->n_artifacts == HF_MANIFEST_ARTIFACTS_MAX) {
        hf_fail(err, HF_E_CORRUPT, "more than %u artifacts", HF_MANIFEST_ARTIFACTS_MAX);
        return NULL;
    }
    struct hf_point_artifact *more = grow(m->artifacts, m->n_artifacts, sizeof *more, err);
    if (!more)
        return NULL;
    m->artifacts = more;
    char *copy = strdup(name);
    if (!copy) {
        hf_fail_nomem(err);
        return NULL;
    }
    struct hf_point_artifact *a = &m->artifacts[m->n_artifacts++];
    *a = (struct hf_point_artifact){.kind = kind, .name = copy};
    return a;
}

int hf_manifest_add_object(struct hf_point_artifact *a, const struct hf_point_object *object,
                           struct hf_err *err)
{
    if (a->n_objects == HF_MANIFEST_OBJECTS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "more than %u objects", HF_MANIFEST_OBJECTS_MAX);
    struct hf_point_object *more = grow(a->objects, a->n_objects, sizeof *more, err);
    if (!more)
        return -1;
    a->objects = more;
    char *copy = strdup(object->name);
    if (!copy)
        return hf_fail_nomem(err);
    a->objects[a->n_objects] = *object;
    a->objects[a->n_objects++].name = copy;
    return 0;
}

int hf_manifest_add_packs(struct hf_manifest *m, const unsigned char (*packs)[HF_IMAGE_PACK_ID],
                          size_t n, struct hf_err *err)
{
    if (n == 0)
        return 0;
    if (n > HF_MANIFEST_PACKS_MAX || m->n_packs > HF_MANIFEST_PACKS_MAX - n)
        return hf_fail(err, HF_E_UNSUPPORTED, "the disks lie in more than %zu packs",
                       HF_MANIFEST_PACKS_MAX);
    unsigned char(*more)[HF_IMAGE_PACK_ID] = reallocarray(m->packs, m->n_packs + n, sizeof *more);
    if (!more)
        return hf_fail_nomem(err);
    m->packs = more;
    memcpy(m->packs + m->n_packs, packs, n * sizeof *packs);
    m->n_packs += n;
    return 0;
}

/* ---- asked ------------------------------------------------------------------------------ */

static int compare_packs(const void *a, const void *b)
{
    return memcmp(a, b, HF_IMAGE_PACK_ID);
}

bool hf_manifest_has_pack(const struct hf_manifest *m, const unsigned char id[HF_IMAGE_PACK_ID])
{
    return m->n_packs && bsearch(id, m->packs, m->n_packs, sizeof *m->packs, compare_packs);
}

void hf_manifest_own(const struct hf_manifest *m, uint64_t *out_objects, uint64_t *out_bytes)
{
    *out_objects = *out_bytes = 0;
    for (size_t i = 0; i < m->n_artifacts; i++) {
        const struct hf_point_artifact *a = &m->artifacts[i];
        *out_objects += a->n_objects;
        for (size_t j = 0; j < a->n_objects; j++)
            *out_bytes += a->objects[j].stored_bytes;
    }
}

void hf_point_mark(const char *point_id, char out[HF_POINT_MARK_MAX])
{
    snprintf(out, HF_POINT_MARK_MAX, "hf-%s", point_id);
}

int hf_manifest_digest(const struct hf_point_artifact *a, char out[HF_SHA256_HEX],
                       struct hf_err *err)
{
    if (a->kind == HF_POINT_IMAGE) {
        hf_hex(a->root, sizeof a->root, out);
        return 0;
    }
    HF_AUTO(hf_sha256) struct hf_sha256 *sha = hf_sha256_new(err);
    if (!sha)
        return -1;
    for (size_t i = 0; i < a->n_objects; i++) {
        const struct hf_point_object *o = &a->objects[i];
        if (hf_sha256_add(sha, o->sha256, strlen(o->sha256), err) < 0 ||
            hf_sha256_add(sha, "  ", 2, err) < 0 ||
            hf_sha256_add(sha, o->name, strlen(o->name), err) < 0 ||
            hf_sha256_add(sha, "\n", 1, err) < 0)
            return -1;
    }
    return hf_sha256_end(sha, out, err);
}
