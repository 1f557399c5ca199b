/*
 * The loaders: images made here, good and broken.  Every refusal is one line
 * that names the file; random mutations of good images do no harm (the point
 * of running this under the sanitizers).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/machine/boot.h"

#define MIB (1u << 20)

static uint64_t no_time(void *opaque)
{
    (void)opaque;
    return 0;
}

static struct machine *board(uint64_t mem)
{
    struct machine_config cfg = {.mem_bytes = mem};
    struct machine *m;

    assert_int_equal(machine_create(&m, &cfg, no_time, NULL), 0);
    return m;
}

/* ---- a file with given content, and what was said about it --------------- */

struct file {
    int fd;
    char path[32];
};

static void file_open(struct file *f, const void *data, size_t len)
{
    f->fd = memfd_create("guest", MFD_CLOEXEC);
    assert_true(f->fd >= 0);
    assert_int_equal(write(f->fd, data, len), (ssize_t)len);
    snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
}

static int said_fd;
static char said[2048];

/* Boots with standard error in `said`. */
static int boot_quietly(struct machine *m, const struct boot_request *req,
                        struct x86_state *st)
{
    int keep = dup(2), err;
    ssize_t n;

    fflush(stderr);
    said_fd = memfd_create("stderr", MFD_CLOEXEC);
    dup2(said_fd, 2);
    err = boot_load(m, req, st);
    fflush(stderr);
    dup2(keep, 2);
    close(keep);
    n = pread(said_fd, said, sizeof(said) - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(said_fd);
    return err;
}

static int boot_bytes(struct machine *m, const void *data, size_t len,
                      struct boot_request req, struct x86_state *st)
{
    struct file f;
    int err;

    file_open(&f, data, len);
    req.path = f.path;
    err = boot_quietly(m, &req, st);
    close(f.fd);
    return err;
}

/* One line, with the reason in it. */
static void expect_refusal(int err, const char *why)
{
    char *newline = strchr(said, '\n');

    assert_true(err < 0);
    assert_non_null(newline);
    assert_int_equal(newline[1], '\0');
    if (!strstr(said, why))
        fail_msg("no '%s' in: %s", why, said);
}

static void refuse(const void *data, size_t len, uint64_t mem, const char *why)
{
    struct machine *m = board(mem);
    struct x86_state st;

    expect_refusal(boot_bytes(m, data, len, (struct boot_request){0}, &st),
                   why);
    machine_destroy(m);
}

static void put(uint8_t *image, size_t at, uint64_t value, size_t size)
{
    memcpy(image + at, &value, size);
}

/* ---- images -------------------------------------------------------------- */

#define LINUX_LEN (5 * 512 + 4096)

static void make_linux(uint8_t image[LINUX_LEN])
{
    memset(image, 0, LINUX_LEN);
    image[0x1f1] = 4;
    put(image, 0x1f4, 4096 / 16, 4);
    put(image, 0x1fe, 0xaa55, 2);
    put(image, 0x200, 0x66eb, 2);
    memcpy(image + 0x202, "HdrS", 4);
    put(image, 0x206, 0x20f, 2);
    image[0x211] = 1;
    put(image, 0x214, MIB, 4);
    put(image, 0x22c, 0x7fffffff, 4);
    put(image, 0x238, 100, 4);
    put(image, 0x258, MIB, 8);
    put(image, 0x260, 2 * MIB, 4);
    memset(image + 5 * 512, 0x90, 4096);
}

#define ELF_LEN 0x2000u

static void make_elf32(uint8_t image[ELF_LEN])
{
    Elf32_Ehdr eh = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB,
                    EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_386,
        .e_version = EV_CURRENT,
        .e_entry = 0xc0100010,
        .e_phoff = sizeof(eh),
        .e_ehsize = sizeof(eh),
        .e_phentsize = sizeof(Elf32_Phdr),
        .e_phnum = 1,
    };
    Elf32_Phdr ph = {
        .p_type = PT_LOAD,
        .p_offset = 0x1000,
        .p_vaddr = 0xc0100000,
        .p_paddr = 0x100000,
        .p_filesz = 0x800,
        .p_memsz = 0x3000,
    };

    memset(image, 0, ELF_LEN);
    memcpy(image, &eh, sizeof(eh));
    memcpy(image + sizeof(eh), &ph, sizeof(ph));
    memset(image + 0x1000, 0xcc, 0x800);
}

static void make_elf64(uint8_t image[ELF_LEN])
{
    Elf64_Ehdr eh = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                    EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_entry = 0x200000,
        .e_phoff = sizeof(eh),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1,
    };
    Elf64_Phdr ph = {
        .p_type = PT_LOAD,
        .p_offset = 0x1000,
        .p_vaddr = 0x200000,
        .p_paddr = 0x200000,
        .p_filesz = 0x1000,
        .p_memsz = 0x1000,
    };

    memset(image, 0, ELF_LEN);
    memcpy(image, &eh, sizeof(eh));
    memcpy(image + sizeof(eh), &ph, sizeof(ph));
}

static void put_multiboot(uint8_t *image, size_t at, uint32_t flags)
{
    put(image, at, 0x1badb002, 4);
    put(image, at + 4, flags, 4);
    put(image, at + 8, -(0x1badb002u + flags), 4);
}

/* A file that is not an ELF, with its addresses in the header. */
static void make_kludge(uint8_t image[4096])
{
    memset(image, 0x90, 4096);
    put_multiboot(image, 64, 0x10003);
    put(image, 76, 0x100040, 4); /* header */
    put(image, 80, 0x100000, 4); /* load */
    put(image, 84, 0x101000, 4); /* load end */
    put(image, 88, 0x104000, 4); /* bss end */
    put(image, 92, 0x100200, 4); /* entry */
}

/* ---- entry states ------------------------------------------------------- */

static void expect_flat(const struct x86_state *st, uint64_t entry)
{
    assert_int_equal(st->rip, entry);
    assert_int_equal(st->cr0 & (X86_CR0_PE | X86_CR0_PG), X86_CR0_PE);
    assert_int_equal(st->rflags & X86_EFLAGS_IF, 0);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++) {
        assert_int_equal(st->seg[i].base, 0);
        assert_int_equal(st->seg[i].limit, 0xffffffff);
    }
    assert_int_equal(st->seg[X86_CS].selector, 0x10);
    assert_int_equal(st->seg[X86_DS].selector, 0x18);
    assert_int_equal(x86_code_bits(st), 32);
}

static void test_linux(void **state)
{
    uint8_t image[LINUX_LEN], zp[4096], byte, gdt[32];
    struct machine *m = board(16 * MIB);
    struct x86_state st;
    struct file initrd;
    char text[16];
    uint32_t at, size;

    (void)state;
    make_linux(image);
    file_open(&initrd, "an initrd", 9);
    assert_int_equal(boot_bytes(m, image, sizeof(image),
                                (struct boot_request){.cmdline = "console=x",
                                                      .initrd = initrd.path},
                                &st),
                     0);
    close(initrd.fd);
    expect_flat(&st, MIB);
    mem_read(&m->mem, st.gpr[X86_RSI], zp, sizeof(zp));
    assert_memory_equal(zp + 0x202, "HdrS", 4);
    memcpy(&at, zp + 0x228, 4);
    mem_read(&m->mem, at, text, sizeof(text));
    assert_string_equal(text, "console=x");
    memcpy(&at, zp + 0x218, 4);
    memcpy(&size, zp + 0x21c, 4);
    assert_int_equal(at, 16 * MIB - 4096);
    assert_int_equal(size, 9);
    mem_read(&m->mem, at, text, 9);
    assert_memory_equal(text, "an initrd", 9);
    assert_int_equal(zp[0x1e8], 4);
    assert_int_equal(zp[0x210], 0xff);
    assert_int_equal(zp[7], 80);
    mem_read(&m->mem, MIB + 4095, &byte, 1);
    assert_int_equal(byte, 0x90);
    mem_read(&m->mem, st.gdt.base, gdt, sizeof(gdt));
    assert_int_equal(gdt[0x10 + 5], 0x9b);
    machine_destroy(m);
}

/* What has no 32-bit entry begins in its setup code, with the BIOS there. */
static void expect_setup(uint8_t *image)
{
    uint8_t setup[5 * 512], text[10];
    struct machine *m = board(16 * MIB);
    struct x86_state st;
    struct file initrd;
    uint32_t at;

    file_open(&initrd, "an initrd", 9);
    assert_int_equal(boot_bytes(m, image, LINUX_LEN,
                                (struct boot_request){.cmdline = "console=x",
                                                      .initrd = initrd.path},
                                &st),
                     0);
    close(initrd.fd);
    assert_int_equal(st.cr0 & X86_CR0_PE, 0);
    assert_int_equal(st.rflags & X86_EFLAGS_IF, 0);
    for (unsigned i = 0; i < X86_SREG_COUNT; i++) {
        unsigned add = i == X86_CS ? 0x20 : 0;

        assert_int_equal(st.seg[i].selector, st.seg[X86_DS].selector + add);
        assert_int_equal(st.seg[i].base, st.seg[i].selector * 16);
    }
    assert_int_equal(st.rip, 0);
    mem_read(&m->mem, st.seg[X86_DS].base, setup, sizeof(setup));
    assert_memory_equal(setup + 0x200, image + 0x200, 0x10);
    assert_memory_equal(setup + 0x290, image + 0x290, sizeof(setup) - 0x290);
    assert_int_equal(setup[0x210], 0xff);
    assert_int_equal(setup[0x211], 0x81);
    assert_true(st.gpr[X86_RSP] >= setup[0x224] + setup[0x225] * 256u + 0x200);
    memcpy(&at, setup + 0x228, 4);
    mem_read(&m->mem, at, text, sizeof(text));
    assert_string_equal(text, "console=x");
    memcpy(&at, setup + 0x218, 4);
    mem_read(&m->mem, at, text, 9);
    assert_memory_equal(text, "an initrd", 9);
    mem_read(&m->mem, MIB + 4095, text, 1);
    assert_int_equal(text[0], 0x90);
    machine_destroy(m);
}

static void test_linux_real_mode(void **state)
{
    uint8_t image[LINUX_LEN];

    (void)state;
    make_linux(image);
    put(image, 0x214, 0, 4); /* code32_start */
    expect_setup(image);
    make_linux(image);
    put(image, 0x1f4, 0, 4); /* syssize */
    expect_setup(image);
}

static void test_linux_refused(void **state)
{
    uint8_t image[LINUX_LEN];
    struct machine *m = board(16 * MIB);
    struct x86_state st;
    struct file initrd;
    char *big = test_calloc(1, 17 * MIB), cmdline[200];

    (void)state;
    make_linux(image);
    refuse(image, LINUX_LEN - 100, 16 * MIB, "truncated bzImage");
    refuse(image, 0x240, 16 * MIB, "truncated bzImage");
    refuse(image, 3000, 16 * MIB, "truncated bzImage");
    refuse(image, LINUX_LEN, 2 * MIB, "needs memory up to 3 MiB");
    put(image, 0x206, 0x201, 2);
    refuse(image, LINUX_LEN, 16 * MIB, "too old");
    make_linux(image);
    image[0x211] = 0;
    refuse(image, LINUX_LEN, 16 * MIB, "loaded low");
    make_linux(image);
    put(image, 0x214, 0, 4);
    image[0x1f1] = 200;
    refuse(image, LINUX_LEN, 16 * MIB, "truncated bzImage");
    memcpy(big, image, LINUX_LEN);
    refuse(big, 14 * MIB, 16 * MIB, "do not fit in a segment");
    memset(big, 0, LINUX_LEN);
    make_linux(image);
    memset(cmdline, 'x', sizeof(cmdline));
    cmdline[sizeof(cmdline) - 1] = '\0';
    expect_refusal(boot_bytes(m, image, sizeof(image),
                              (struct boot_request){.cmdline = cmdline}, &st),
                   "command line of 199 bytes");
    file_open(&initrd, big, 14 * MIB);
    expect_refusal(boot_bytes(m, image, sizeof(image),
                              (struct boot_request){.initrd = initrd.path},
                              &st),
                   "no room for initrd");
    close(initrd.fd);
    expect_refusal(boot_bytes(m, image, sizeof(image),
                              (struct boot_request){.initrd = "/no/such"}, &st),
                   "/no/such");
    test_free(big);
    machine_destroy(m);
}

static void test_elf(void **state)
{
    uint8_t image[ELF_LEN], byte = 0xff;
    struct machine *m = board(4 * MIB);
    struct boot_request req = {0};
    struct x86_state st;

    (void)state;
    mem_write(&m->mem, 0x102fff, &byte, 1);
    make_elf32(image);
    assert_int_equal(boot_bytes(m, image, sizeof(image), req, &st), 0);
    expect_flat(&st, 0x100010); /* the virtual entry, translated */
    mem_read(&m->mem, 0x1007ff, &byte, 1);
    assert_int_equal(byte, 0xcc);
    mem_read(&m->mem, 0x102fff, &byte, 1);
    assert_int_equal(byte, 0); /* bss */
    make_elf64(image);
    assert_int_equal(boot_bytes(m, image, sizeof(image), req, &st), 0);
    expect_flat(&st, 0x200000);
    machine_destroy(m);
}

static void test_elf_refused(void **state)
{
    const size_t ph = sizeof(Elf32_Ehdr);
    uint8_t image[ELF_LEN];

    (void)state;
    make_elf32(image);
    refuse(image, 20, 4 * MIB, "truncated ELF");
    refuse(image, 60, 4 * MIB, "program headers");
    refuse(image, 0x1400, 4 * MIB, "segment 0");
    put(image, ph + 12, 0x80000000, 4); /* p_paddr */
    refuse(image, ELF_LEN, 4 * MIB, "no RAM");
    put(image, ph + 12, 0xb8000, 4);
    refuse(image, ELF_LEN, 4 * MIB, "no RAM");
    put(image, ph + 12, 0xfffff000, 4);
    refuse(image, ELF_LEN, 4 * MIB, "no RAM");
    make_elf32(image);
    put(image, 24, 0x12345678, 4); /* e_entry */
    refuse(image, ELF_LEN, 4 * MIB, "entry point 0x12345678");
    make_elf32(image);
    put(image, ph + 20, 0x100, 4); /* p_memsz < p_filesz */
    refuse(image, ELF_LEN, 4 * MIB, "broken ELF");
    make_elf32(image);
    put(image, 18, EM_ARM, 2);
    refuse(image, ELF_LEN, 4 * MIB, "another processor");
    make_elf32(image);
    put(image, 16, ET_REL, 2);
    refuse(image, ELF_LEN, 4 * MIB, "not an executable");
    make_elf32(image);
    put(image, 44, 0, 2);
    refuse(image, ELF_LEN, 4 * MIB, "program headers");
    make_elf64(image);
    put(image, 24, UINT64_MAX, 8);
    refuse(image, ELF_LEN, 4 * MIB, "entry point");
}

static void test_multiboot(void **state)
{
    uint8_t image[ELF_LEN], info[64], module[16];
    struct machine *m = board(4 * MIB);
    struct boot_request req = {.cmdline = "-v"};
    struct x86_state st;
    struct file initrd;
    uint32_t v[16];
    char text[8];

    (void)state;
    make_elf32(image);
    put_multiboot(image, 0x1004, 3);
    file_open(&initrd, "module", 6);
    req.initrd = initrd.path;
    assert_int_equal(boot_bytes(m, image, sizeof(image), req, &st), 0);
    close(initrd.fd);
    expect_flat(&st, 0x100010);
    assert_int_equal(st.gpr[X86_RAX], 0x2badb002);
    mem_read(&m->mem, st.gpr[X86_RBX], info, sizeof(info));
    memcpy(v, info, sizeof(v));
    assert_int_equal(v[0] & 0x49, 0x49);
    assert_int_equal(v[1], 639);
    assert_int_equal(v[2], 3 * 1024);
    mem_read(&m->mem, v[4], text, 3);
    assert_string_equal(text, "-v");
    assert_int_equal(v[5], 1);
    mem_read(&m->mem, v[6], module, sizeof(module));
    memcpy(v, module, 8);
    assert_int_equal(v[1] - v[0], 6);
    mem_read(&m->mem, v[0], text, 6);
    assert_memory_equal(text, "module", 6);

    make_kludge(image);
    req.initrd = NULL;
    assert_int_equal(boot_bytes(m, image, 4096, req, &st), 0);
    expect_flat(&st, 0x100200);
    machine_destroy(m);

    put(image, 68, 0x10023, 4); /* a required feature nobody has */
    put(image, 72, -(0x1badb002u + 0x10023u), 4);
    refuse(image, 4096, 4 * MIB, "features 0x20");
    make_kludge(image);
    refuse(image, 2000, 4 * MIB, "truncated");
    put(image, 92, 0x900000, 4);
    refuse(image, 4096, 4 * MIB, "entry point 0x900000");
    make_kludge(image);
    put(image, 88, 0x7fffffff, 4);
    refuse(image, 4096, 4 * MIB, "no RAM");
    make_kludge(image);
    put(image, 76, 0x200000, 4);
    refuse(image, 4096, 4 * MIB, "multiboot header at 0x40");
}

static void test_sector(void **state)
{
    static uint8_t image[70000];
    struct machine *m = board(MIB);
    struct boot_request req = {0};
    struct x86_state st;
    struct file f;
    uint8_t byte;

    (void)state;
    memset(image, 0xf4, sizeof(image));
    put(image, 510, 0xaa55, 2);
    /* A disk image may hold a multiboot kernel further on. */
    put_multiboot(image, 1024, 0);
    assert_int_equal(boot_bytes(m, image, 512, req, &st), 0);
    assert_int_equal(boot_bytes(m, image, sizeof(image), req, &st), 0);
    assert_int_equal(st.rip, 0x7c00);
    assert_int_equal(st.seg[X86_CS].base, 0);
    assert_int_equal(st.gpr[X86_RDX], 0x80);
    assert_int_equal(x86_mode(&st), X86_MODE_REAL);
    file_open(&f, image, sizeof(image));
    assert_string_equal(boot_format_name(f.path), "disk image");
    close(f.fd);
    assert_null(boot_format_name("/no/such"));
    /* Without the signature: flat, up to 64 KiB. */
    put(image, 1024, 0, 4);
    put(image, 510, 0, 2);
    assert_int_equal(boot_bytes(m, image, 1000, req, &st), 0);
    assert_int_equal(st.rip, 0x7c00);
    mem_read(&m->mem, 0x7c00 + 999, &byte, 1);
    assert_int_equal(byte, 0xf4);
    machine_destroy(m);
    refuse(image, 65537, MIB, "unknown format");
    put(image, 0, 0x8b1f, 2);
    refuse(image, 65537, MIB, "gzip");
}

static void test_files(void **state)
{
    struct machine *m = board(MIB);
    struct x86_state st;
    uint8_t *big = test_calloc(1, 2 * MIB);

    (void)state;
    expect_refusal(
        boot_quietly(m, &(struct boot_request){.path = "/no/such"}, &st),
        "/no/such: No such file");
    expect_refusal(boot_quietly(m, &(struct boot_request){.path = "/tmp"}, &st),
                   "/tmp: Is a directory");
    expect_refusal(boot_bytes(m, "", 0, (struct boot_request){0}, &st),
                   "empty file");
    make_elf32(big);
    expect_refusal(boot_bytes(m, big, 2 * MIB, (struct boot_request){0}, &st),
                   "do not fit in 1 MiB");
    test_free(big);
    machine_destroy(m);
}

/* ---- random damage ------------------------------------------------------ */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void damage(uint8_t *image, size_t len, uint32_t *seed)
{
    static const uint8_t nasty[] = {0x00, 0xff, 0x7f, 0x80, 0x01, 0xfe};
    unsigned n = next_random(seed) % 6 + 1;
    size_t window = len < 0x300 ? len : 0x300; /* where the headers are */

    while (n-- > 0) {
        size_t at = next_random(seed) % window;
        image[at] = next_random(seed) & 1
                        ? nasty[next_random(seed) % sizeof(nasty)]
                        : (uint8_t)next_random(seed);
    }
}

static void mutate(struct machine *m, const uint8_t *image, size_t len,
                   uint32_t seed)
{
    uint8_t *copy = test_malloc(len);

    for (unsigned i = 0; i < 400; i++) {
        struct x86_state st;
        size_t cut = next_random(&seed) % 8 ? len : next_random(&seed) % len;
        int err;

        memcpy(copy, image, len);
        damage(copy, len, &seed);
        err = boot_bytes(m, copy, cut, (struct boot_request){0}, &st);
        if (err)
            expect_refusal(err, "/proc/self/fd");
    }
    test_free(copy);
}

static void test_damage(void **state)
{
    struct machine *m = board(4 * MIB);
    uint8_t image[LINUX_LEN], elf[ELF_LEN];

    (void)state;
    make_linux(image);
    mutate(m, image, sizeof(image), 1);
    make_elf32(elf);
    mutate(m, elf, sizeof(elf), 2);
    make_elf64(elf);
    mutate(m, elf, sizeof(elf), 3);
    make_elf32(elf);
    put_multiboot(elf, 0x80, 3);
    mutate(m, elf, sizeof(elf), 4);
    make_kludge(image);
    mutate(m, image, 4096, 5);
    machine_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linux),
        cmocka_unit_test(test_linux_real_mode),
        cmocka_unit_test(test_linux_refused),
        cmocka_unit_test(test_elf),
        cmocka_unit_test(test_elf_refused),
        cmocka_unit_test(test_multiboot),
        cmocka_unit_test(test_sector),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests_name("boot", tests, NULL, NULL);
}
