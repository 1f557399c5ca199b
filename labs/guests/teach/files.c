/*
 * The files: a table of names and bytes that the build links in (files.S).
 * Programs are files like any other.
 */
#include "kernel.h"

extern const struct file file_table[]; /* files.S; ends with a NULL name */

const struct file *file_get(unsigned index)
{
    for (unsigned i = 0; file_table[i].name; i++) {
        if (i == index) {
            return &file_table[i];
        }
    }
    return NULL;
}

const struct file *file_find(const char *name)
{
    for (const struct file *f = file_table; f->name; f++) {
        if (str_equal(f->name, name)) {
            return f;
        }
    }
    return NULL;
}
