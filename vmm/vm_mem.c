/*
 * The guest's memory as a debugger sees it, and the digest of a whole machine.
 * Nothing here sets an accessed bit, or touches more of a device than memory.
 */
#include <stdio.h>
#include <string.h>

#include <sha2.h>

#include "vmm/vm_impl.h"

/* Memory that a chip has: a screen's.  OUT or IN is NULL. */
static size_t copy_chip(struct vm *vm, uint64_t gpa, uint8_t *out,
                        const uint8_t *in, size_t len)
{
    const struct bus_range *r = bus_find(&vm->machine->bus, IO_MEM, gpa);

    if (!r || !r->is_memory)
        return 0;
    gpa -= r->base;
    if (len > r->len - gpa)
        len = (size_t)(r->len - gpa);
    for (size_t i = 0; i < len; i++)
        if (out)
            out[i] = (uint8_t)r->ops->read(r->opaque, gpa + i, 1);
        else
            r->ops->write(r->opaque, gpa + i, 1, in[i]);
    return len;
}

size_t vm_read_gpa(struct vm *vm, uint64_t gpa, void *buf, size_t len)
{
    struct mem *mem = &vm->machine->mem;
    uint8_t *out = buf;
    size_t done = 0;

    while (done < len) {
        size_t page_left = MEM_PAGE_SIZE - (gpa + done) % MEM_PAGE_SIZE;
        size_t n = len - done < page_left ? len - done : page_left;

        if (!mem_read(mem, gpa + done, out + done, n))
            n = copy_chip(vm, gpa + done, out + done, NULL, n);
        if (!n)
            break;
        done += n;
    }
    return done;
}

size_t vm_write_gpa(struct vm *vm, uint64_t gpa, const void *buf, size_t len)
{
    struct mem *mem = &vm->machine->mem;
    const uint8_t *in = buf;
    size_t done = 0;

    while (done < len) {
        size_t page_left = MEM_PAGE_SIZE - (gpa + done) % MEM_PAGE_SIZE;
        size_t n = len - done < page_left ? len - done : page_left;

        if (!mem_write(mem, gpa + done, in + done, n))
            n = copy_chip(vm, gpa + done, NULL, in + done, n);
        if (!n)
            break;
        done += n;
    }
    return done;
}

/* Walks page by page; OUT or IN is NULL. */
static size_t copy_gla(struct vm *vm, const struct x86_state *st, uint64_t gla,
                       uint8_t *out, const uint8_t *in, size_t len)
{
    struct x86_phys phys = mem_phys(&vm->machine->mem);
    struct x86_access look = {.no_check = true};
    struct x86_paging paging;
    size_t done = 0;

    x86_paging_init(&paging, st);
    while (done < len) {
        uint64_t at = gla + done;
        size_t page_left = MEM_PAGE_SIZE - at % MEM_PAGE_SIZE, n, got;
        struct x86_walk walk;

        if (!(st->efer & X86_EFER_LMA))
            at &= 0xffffffffu;
        n = len - done < page_left ? len - done : page_left;
        x86_walk(&walk, &paging, &phys, at, look);
        if (walk.result != X86_WALK_OK)
            break;
        got = out ? vm_read_gpa(vm, walk.gpa, out + done, n)
                  : vm_write_gpa(vm, walk.gpa, in + done, n);
        done += got;
        if (got < n)
            break;
    }
    return done;
}

size_t vm_read_gla(struct vm *vm, uint64_t gla, void *buf, size_t len)
{
    struct x86_state st;

    return vm_get_state(vm, &st) < 0 ? 0
                                     : copy_gla(vm, &st, gla, buf, NULL, len);
}

size_t vm_read_gla_as(struct vm *vm, const struct x86_state *st, uint64_t gla,
                      void *buf, size_t len)
{
    return copy_gla(vm, st, gla, buf, NULL, len);
}

size_t vm_write_gla(struct vm *vm, uint64_t gla, const void *buf, size_t len)
{
    struct x86_state st;

    return vm_get_state(vm, &st) < 0 ? 0
                                     : copy_gla(vm, &st, gla, NULL, buf, len);
}

int vm_get_state(struct vm *vm, struct x86_state *st)
{
    return vm->vcpu.ops->get_state(&vm->vcpu, st);
}

int vm_set_state(struct vm *vm, const struct x86_state *st)
{
    vm->halted = st->activity == X86_HALTED;
    vm->halted_if = st->rflags & X86_EFLAGS_IF;
    return vm->vcpu.ops->set_state(&vm->vcpu, st);
}

void vm_digest(struct vm *vm, char hex[65])
{
    const struct mem *mem = &vm->machine->mem;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    struct x86_state st = {0};
    SHA2_CTX ctx;

    SHA256Init(&ctx);
    if (vm_get_state(vm, &st) == 0)
        SHA256Update(&ctx, (const uint8_t *)&st, sizeof(st));
    SHA256Update(&ctx, (const uint8_t *)&vm->vcpu.icount,
                 sizeof(vm->vcpu.icount));
    SHA256Update(&ctx, mem->base, mem->size);
    SHA256Final(digest, &ctx);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
