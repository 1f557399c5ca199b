#include "vmm/view/symbols.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/log.h"

/* How far a label without a size reaches, if no symbol follows. */
#define LABEL_REACH 4096u

#define MAP_BYTES_MAX (64u << 20) /* Linux' are of 2 to 10 MiB */

struct symbol {
    uint64_t addr, size;
    const char *name; /* in the ELF file's string table, or in map */
};

struct symbols {
    struct symbols *next; /* one more file, owned; or NULL */
    char *path;
    Dwfl *dwfl; /* of an ELF file */
    Dwfl_Module *module;
    char *map; /* of a list: its text, NULs between */
    int64_t delta;
    struct symbol *by_addr, *by_name;
    size_t count;
};

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
    .section_address = dwfl_offline_section_address,
};

static int compare_addr(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    /* Of two names for one place the sized one is the function. */
    return (x->size > y->size) - (x->size < y->size);
}

static int compare_name(const void *a, const void *b)
{
    return strcmp(((const struct symbol *)a)->name,
                  ((const struct symbol *)b)->name);
}

static bool is_useful(const GElf_Sym *sym, const char *name)
{
    unsigned type = GELF_ST_TYPE(sym->st_info);

    return name && name[0] && sym->st_shndx != SHN_UNDEF &&
           sym->st_shndx != SHN_ABS && type != STT_SECTION && type != STT_FILE;
}

static int make_room(struct symbols *s, size_t total)
{
    s->by_addr = calloc(total + 1, sizeof(*s->by_addr));
    s->by_name = calloc(total + 1, sizeof(*s->by_name));
    return s->by_addr && s->by_name ? 0 : -ENOMEM;
}

static void sort(struct symbols *s)
{
    memcpy(s->by_name, s->by_addr, s->count * sizeof(*s->by_name));
    qsort(s->by_addr, s->count, sizeof(*s->by_addr), compare_addr);
    qsort(s->by_name, s->count, sizeof(*s->by_name), compare_name);
}

static int collect(struct symbols *s)
{
    int total = dwfl_module_getsymtab(s->module);

    if (total < 0)
        return -ENOEXEC;
    if (make_room(s, (size_t)total))
        return -ENOMEM;
    for (int i = 0; i < total; i++) {
        GElf_Addr addr;
        GElf_Sym sym;
        const char *name = dwfl_module_getsym_info(s->module, i, &sym, &addr,
                                                   NULL, NULL, NULL);
        if (is_useful(&sym, name))
            s->by_addr[s->count++] = (struct symbol){addr, sym.st_size, name};
    }
    sort(s);
    return 0;
}

static int load_elf(struct symbols *s, const char *path)
{
    s->dwfl = dwfl_begin(&callbacks);
    if (s->dwfl)
        s->module = dwfl_report_offline(s->dwfl, "", path, -1);
    if (!s->module)
        return -ENOEXEC;
    dwfl_report_end(s->dwfl, NULL, NULL);
    return collect(s);
}

/* ---- lists: System.map, /proc/kallsyms, nm ------------------------------ */

/* "c1000000 T _text", with a tab and "[module]" in kallsyms.  Cuts the name
 * out of LINE; false: no such line. */
static bool parse_line(char *line, struct symbol *sym, char *type)
{
    char *p;

    errno = 0;
    sym->addr = strtoull(line, &p, 16);
    if (p == line || errno || p[0] != ' ' || !p[1] || p[2] != ' ' || !p[3])
        return false;
    *type = p[1];
    sym->name = p + 3;
    p += 3 + strcspn(p + 3, " \t\r");
    if (*p == ' ')
        return false;
    *p = '\0';
    return true;
}

/* A size is not in the list: each reaches to the next one. */
static void reach_to_next(struct symbols *s)
{
    for (size_t i = 0; i + 1 < s->count; i++)
        s->by_addr[i].size = s->by_addr[i + 1].addr - s->by_addr[i].addr;
}

static int parse_map(struct symbols *s)
{
    size_t lines = 1;

    for (const char *p = s->map; *p; p++)
        lines += *p == '\n';
    if (make_room(s, lines))
        return -ENOMEM;
    for (char *next, *line = s->map; line; line = next) {
        struct symbol sym = {0};
        char type;

        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (!*line)
            continue;
        if (!parse_line(line, &sym, &type))
            return -ENOEXEC;
        /* absolute: numbers, and a CPU's own data by its offset; undefined */
        if (!strchr("aAUw", type))
            s->by_addr[s->count++] = sym;
    }
    sort(s);
    reach_to_next(s);
    return s->count ? 0 : -ENOEXEC;
}

/* All of F as text; -ENOEXEC as soon as it is none (a disk image may be long).
 * Its length is not known before: files of /proc have none. */
static int read_text(struct symbols *s, FILE *f)
{
    size_t n = 0, got;

    for (size_t room = 1u << 16; room <= MAP_BYTES_MAX; room *= 2) {
        char *more = realloc(s->map, room + 1);

        if (!more)
            return -ENOMEM;
        s->map = more;
        got = fread(s->map + n, 1, room - n, f);
        if (memchr(s->map + n, '\0', got))
            return -ENOEXEC;
        n += got;
        s->map[n] = '\0';
        if (n < room)
            return 0;
    }
    return -EFBIG;
}

static int load_map(struct symbols *s, const char *path)
{
    FILE *f = fopen(path, "rb");
    int err;

    if (!f)
        return -errno;
    err = read_text(s, f);
    fclose(f);
    return err ? err : parse_map(s);
}

int symbols_load(struct symbols **out, const char *path)
{
    struct symbols *s = calloc(1, sizeof(*s));
    int err;

    *out = NULL;
    if (!s)
        return -ENOMEM;
    s->path = realpath(path, NULL);
    if (!s->path) /* a pipe, as of <(nm kernel) */
        s->path = strdup(path);
    err = s->path ? load_elf(s, path) : -ENOMEM;
    if (err == -ENOEXEC)
        err = load_map(s, path);
    if (err) {
        symbols_free(s);
        return err;
    }
    *out = s;
    return 0;
}

static void free_one(struct symbols *s)
{
    if (s->dwfl)
        dwfl_end(s->dwfl);
    free(s->map);
    free(s->by_addr);
    free(s->by_name);
    free(s->path);
    free(s);
}

void symbols_free(struct symbols *s)
{
    while (s) {
        struct symbols *next = s->next;

        free_one(s);
        s = next;
    }
}

struct symbols *symbols_add(struct symbols *s, struct symbols *more)
{
    struct symbols **at = &s;

    while (*at && strcmp((*at)->path, more->path) != 0)
        at = &(*at)->next;
    if (*at) {
        more->next = (*at)->next;
        free_one(*at);
    }
    *at = more;
    return s;
}

void symbols_relocate(struct symbols *s, int64_t delta)
{
    s->delta = delta;
}

int64_t symbols_delta(const struct symbols *s)
{
    return s ? s->delta : 0;
}

size_t symbols_count(const struct symbols *s)
{
    return s ? s->count : 0;
}

const char *symbols_path(const struct symbols *s)
{
    return s ? s->path : NULL;
}

const struct symbols *symbols_next(const struct symbols *s)
{
    return s ? s->next : NULL;
}

bool symbols_base(const struct symbols *s, uint64_t *addr)
{
    GElf_Addr bias, low = 0, end = 0;
    GElf_Phdr ph;
    size_t n = 0;
    Elf *elf = s && s->module ? dwfl_module_getelf(s->module, &bias) : NULL;
    bool found = false;

    if (!elf || elf_getphdrnum(elf, &n) < 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD)
            continue;
        if (!found)
            low = ph.p_vaddr;
        if (ph.p_vaddr < low)
            return false;
        if (ph.p_vaddr + ph.p_memsz > end)
            end = ph.p_vaddr + ph.p_memsz;
        found = true;
    }
    *addr = low + bias + (uint64_t)s->delta;
    return found && *addr + (end - low) >= *addr;
}

static const char *one_at(const struct symbols *s, uint64_t addr,
                          uint64_t *offset)
{
    size_t lo = 0, hi = s->count;
    const struct symbol *sym;

    addr -= (uint64_t)s->delta;
    while (lo < hi) { /* the last symbol at or below addr */
        size_t mid = (lo + hi) / 2;
        if (s->by_addr[mid].addr <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return NULL;
    sym = &s->by_addr[lo - 1];
    /* Assembly labels have no size: they reach to the next symbol. */
    if (addr - sym->addr >= (sym->size ? sym->size : LABEL_REACH))
        return NULL;
    *offset = addr - sym->addr;
    return sym->name;
}

/* Where files overlap, the nearest label wins. */
const char *symbols_at(const struct symbols *s, uint64_t addr, uint64_t *offset)
{
    const char *best = NULL;

    for (; s; s = s->next) {
        uint64_t in;
        const char *name = one_at(s, addr, &in);

        if (name && (!best || in < *offset)) {
            best = name;
            *offset = in;
        }
    }
    return best;
}

bool symbols_lookup(const struct symbols *s, const char *name, uint64_t *addr,
                    uint64_t *size)
{
    struct symbol key = {.name = name};
    const struct symbol *sym = NULL;

    for (; s; s = s->next) {
        sym = bsearch(&key, s->by_name, s->count, sizeof(key), compare_name);
        if (sym)
            break;
    }
    if (!sym)
        return false;
    *addr = sym->addr + (uint64_t)s->delta;
    if (size)
        *size = sym->size;
    return true;
}

/* The first of by_name that is AFTER what begins with PREFIX, or not before. */
static size_t first_name(const struct symbols *s, const char *prefix,
                         bool after)
{
    size_t len = strlen(prefix), lo = 0, hi = s->count;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int order = strncmp(s->by_name[mid].name, prefix, len);

        if (order < 0 || (after && order == 0))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const char *symbols_complete(const struct symbols *s, const char *prefix,
                             size_t n)
{
    for (; s; s = s->next) {
        size_t at = first_name(s, prefix, false);
        size_t found = first_name(s, prefix, true) - at;

        if (n < found)
            return s->by_name[at + n].name;
        n -= found;
    }
    return NULL;
}

bool symbols_line(const struct symbols *s, uint64_t addr, const char **file,
                  int *line)
{
    for (; s; s = s->next) {
        Dwfl_Line *l = NULL;

        if (s->module)
            l = dwfl_module_getsrc(s->module, addr - (uint64_t)s->delta);
        if (l) {
            *file = dwfl_lineinfo(l, NULL, line, NULL, NULL, NULL);
            if (*file)
                return true;
        }
    }
    return false;
}

static bool find_line(const struct symbols *s, const char *file, int line,
                      uint64_t *addr)
{
    Dwfl_Line **found = NULL;
    size_t n = 0, known = 0;
    Dwarf_Addr at;

    if (!s->module ||
        dwfl_module_getsrc_file(s->module, file, line, 0, &found, &n) != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (dwfl_lineinfo(found[i], &at, NULL, NULL, NULL, NULL) &&
            (known++ == 0 || at + (uint64_t)s->delta < *addr))
            *addr = at + (uint64_t)s->delta;
    free(found);
    return known > 0;
}

bool symbols_find_line(const struct symbols *s, const char *file, int line,
                       uint64_t *addr)
{
    while (s && !find_line(s, file, line, addr))
        s = s->next;
    return s != NULL;
}

void symbols_lines(const struct symbols *s, uint64_t addr, const char *file,
                   uint64_t *first, size_t n)
{
    Dwarf_Addr bias, at;
    Dwarf_Die *unit = NULL;
    size_t lines = 0;

    memset(first, 0, n * sizeof(*first));
    for (; s; s = s->next) {
        if (s->module)
            unit = dwfl_module_addrdie(s->module, addr - (uint64_t)s->delta,
                                       &bias);
        if (unit)
            break;
    }
    if (!unit || dwfl_getsrclines(unit, &lines) != 0)
        return;
    for (size_t i = 0; i < lines; i++) {
        Dwfl_Line *l = dwfl_onesrcline(unit, i);
        int line = 0;
        const char *name =
            l ? dwfl_lineinfo(l, &at, &line, NULL, NULL, NULL) : NULL;

        if (!name || line <= 0 || (size_t)line >= n || strcmp(name, file) != 0)
            continue;
        at += (uint64_t)s->delta;
        if (!first[line] || at < first[line])
            first[line] = at;
    }
}

void symbols_format(const struct symbols *s, uint64_t addr, char *buf,
                    size_t len)
{
    uint64_t offset = 0;
    const char *name = symbols_at(s, addr, &offset);

    if (!name)
        snprintf(buf, len, "%#llx", (unsigned long long)addr);
    else if (offset)
        snprintf(buf, len, "%s+%#llx", name, (unsigned long long)offset);
    else
        snprintf(buf, len, "%s", name);
}
