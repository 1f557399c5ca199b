/*
 * The kernel's own counters of a VM and its vCPU (KVM_GET_STATS_FD), which
 * describe themselves: names, units and kinds come from the kernel, so that a
 * new one needs no change here.  virt/kvm/api.rst 4.133.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/accel/kvm/kvm_impl.h"

/* More than any kernel has; a wrong header must not make us allocate. */
#define STATS_DESC_MAX   1024u
#define STATS_VALUES_MAX 256u
#define STATS_NAME_MAX   256u

static bool read_all(int fd, void *buf, size_t len, off_t at)
{
    return pread(fd, buf, len, at) == (ssize_t)len;
}

int kvm_stats_open(struct kvm_stats_file *f, int fd)
{
    size_t len;

    f->fd = fd;
    f->desc = NULL;
    if (!read_all(fd, &f->header, sizeof(f->header), 0) ||
        f->header.num_desc == 0 || f->header.num_desc > STATS_DESC_MAX ||
        f->header.name_size == 0 || f->header.name_size > STATS_NAME_MAX)
        goto bad;
    f->desc_size = sizeof(struct kvm_stats_desc) + f->header.name_size;
    len = f->desc_size * f->header.num_desc;
    f->desc = malloc(len);
    if (f->desc && read_all(fd, f->desc, len, f->header.desc_offset))
        return 0;
bad:
    kvm_stats_close(f);
    return -EPROTO;
}

void kvm_stats_close(struct kvm_stats_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->desc);
    f->fd = -1;
    f->desc = NULL;
}

void kvm_stats_init(struct kvm_accel *k)
{
    const int owner[] = {k->vm_fd, k->vcpu_fd};

    for (unsigned i = 0; i < ARRAY_SIZE(owner); i++) {
        int fd = ioctl(owner[i], KVM_GET_STATS_FD, NULL);

        k->stats[i].vcpu = i == 1;
        if (fd >= 0)
            (void)kvm_stats_open(&k->stats[i], fd); /* without, if it fails */
    }
}

void kvm_stats_fini(struct kvm_accel *k)
{
    for (unsigned i = 0; i < ARRAY_SIZE(k->stats); i++)
        kvm_stats_close(&k->stats[i]);
}

static const char *unit_name(uint32_t flags)
{
    static const struct {
        uint32_t unit;
        const char *name;
    } names[] = {
        {KVM_STATS_UNIT_BYTES, "bytes"},
        {KVM_STATS_UNIT_SECONDS, "s"},
        {KVM_STATS_UNIT_CYCLES, "cycles"},
        {4 << KVM_STATS_UNIT_SHIFT, "bool"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if ((flags & KVM_STATS_UNIT_MASK) == names[i].unit)
            return names[i].name;
    return "";
}

static struct kvm_stat *append(struct kvm_stat **list, int *n)
{
    struct kvm_stat *grown;

    if ((*n & (*n - 1)) == 0) { /* full at each power of two */
        grown = realloc(*list, sizeof(**list) * (*n ? 2 * (size_t)*n : 1));
        if (!grown)
            return NULL;
        *list = grown;
    }
    return &(*list)[(*n)++];
}

static int read_desc(const struct kvm_stats_file *f, unsigned index,
                     struct kvm_stat **list, int *n)
{
    const char *at = f->desc + index * f->desc_size;
    uint64_t value[STATS_VALUES_MAX];
    struct kvm_stats_desc d;
    unsigned size;

    memcpy(&d, at, sizeof(d));
    size = d.size < STATS_VALUES_MAX ? d.size : STATS_VALUES_MAX;
    if (!read_all(f->fd, value, size * sizeof(value[0]),
                  (off_t)f->header.data_offset + d.offset))
        return -EIO;
    for (unsigned i = 0; i < size; i++) {
        struct kvm_stat *s = append(list, n);

        if (!s)
            return -ENOMEM;
        *s = (struct kvm_stat){
            .unit = unit_name(d.flags),
            .exponent = d.exponent,
            .kind = (enum kvm_stat_kind)(d.flags & KVM_STATS_TYPE_MASK),
            .bucket = i,
            .vcpu = f->vcpu,
            .value = value[i],
        };
        snprintf(s->name, sizeof(s->name), "%.*s", (int)f->header.name_size,
                 at + sizeof(d));
    }
    return 0;
}

int kvm_stats_append(const struct kvm_stats_file *f, struct kvm_stat **list,
                     int *n)
{
    int ret = 0;

    for (unsigned i = 0; f->fd >= 0 && i < f->header.num_desc && ret == 0; i++)
        ret = read_desc(f, i, list, n);
    return ret;
}

int kvm_stats_read(const struct vcpu *vcpu, struct kvm_stat **out)
{
    const struct kvm_accel *k = kvm_of(vcpu);
    int n = 0, ret = 0;

    *out = NULL;
    if (vcpu->ops != &accel_kvm || !k)
        return -ENOTSUP;
    for (unsigned i = 0; i < ARRAY_SIZE(k->stats) && ret == 0; i++)
        ret = kvm_stats_append(&k->stats[i], out, &n);
    if (ret == 0 && n > 0)
        return n;
    free(*out);
    *out = NULL;
    return ret < 0 ? ret : -ENOTSUP;
}

bool kvm_stat_is_count(const struct kvm_stat *stat)
{
    return stat->kind == KVM_STAT_COUNTER && !stat->unit[0] && stat->value;
}

uint64_t kvm_stats_get(const struct kvm_stat *stats, int count,
                       const char *name)
{
    const struct kvm_stat *found = NULL;

    for (int i = 0; i < count; i++)
        if (strcmp(stats[i].name, name) == 0 && (!found || stats[i].vcpu))
            found = &stats[i];
    return found ? found->value : 0;
}

void kvm_dump(struct vcpu *vcpu, struct strbuf *out)
{
    struct kvm_stat *list;
    int n = kvm_stats_read(vcpu, &list);

    if (n < 0) {
        strbuf_puts(out, "This kernel does not show its own exit counters "
                         "(Linux 5.14 does).\n");
        return;
    }
    strbuf_puts(out, "Counted by the kernel, of exits that it may have handled "
                     "alone:\n");
    for (int i = 0; i < n; i++) {
        const struct kvm_stat *s = &list[i];

        if (s->value == 0 || s->kind >= KVM_STAT_LINEAR)
            continue;
        strbuf_printf(out, "  %-28s %14llu %s%s\n", s->name,
                      (unsigned long long)s->value,
                      s->exponent == -9 ? "n" : "", s->unit);
    }
    free(list);
}
