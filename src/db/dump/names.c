/* SPDX-License-Identifier: Apache-2.0 */
#include "db/dump/names.h"

#include "base/buf.h"

#include <search.h>
#include <string.h>

#define LONGEST 64
#define STAND_IN "mydumper_"

struct given {
    char *name; /* first: the tree compares by it */
    char *file;
};

struct hf_dump_names {
    void *tree; /* of struct given */
    unsigned next;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct given *)a)->name, ((const struct given *)b)->name);
}

static void entry_free(void *p)
{
    struct given *e = p;
    free(e->name);
    free(e->file);
    free(e);
}

struct hf_dump_names *hf_dump_names_new(struct hf_err *err)
{
    struct hf_dump_names *n = calloc(1, sizeof *n);
    if (!n)
        hf_fail_nomem(err);
    return n;
}

void hf_dump_names_free(struct hf_dump_names *n)
{
    if (!n)
        return;
    tdestroy(n->tree, entry_free);
    free(n);
}

bool hf_dump_name_is_harmless(const char *name)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t len = strlen(name);
    return len > 0 && len <= LONGEST && strspn(name, letters) == len && name[0] != '-' &&
           strncmp(name, STAND_IN, strlen(STAND_IN)) != 0 && !strstr(name, "-schema");
}

static const char *add(struct hf_dump_names *n, const char *name)
{
    struct given *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->name = strdup(name);
    e->file = hf_asprintf(STAND_IN "%u", n->next);
    if (!e->name || !e->file || !tsearch(e, &n->tree, by_name)) {
        entry_free(e);
        return NULL;
    }
    n->next++;
    return e->file;
}

const char *hf_dump_names_get(struct hf_dump_names *n, const char *name)
{
    struct given looked_for = {.name = (char *)name};
    if (hf_dump_name_is_harmless(name))
        return name;
    struct given **found = tfind(&looked_for, &n->tree, by_name);
    return found ? (*found)->file : add(n, name);
}
