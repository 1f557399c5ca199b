/*
 * The kernel's statistics files: blocks as Linux writes them (api.rst 4.133),
 * and such as none should write.  Needs no KVM, but for the last.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/accel/kvm/kvm_guest.h"
#include "vmm/accel/kvm/kvm_impl.h"

#define NAME 48u

struct desc {
    struct kvm_stats_desc d;
    char name[NAME];
};

/* Of a vCPU of Linux 6.1, a few of each kind; data in the same order. */
static const struct {
    uint32_t flags;
    int16_t exponent;
    uint16_t size;
    uint32_t offset, bucket_size;
    const char *name;
} rows[] = {
    {KVM_STATS_TYPE_CUMULATIVE, 0, 1, 0, 0, "exits"},
    {KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS | KVM_STATS_BASE_POW10,
     -9, 1, 8, 0, "halt_poll_success_ns"},
    {KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_BYTES | KVM_STATS_BASE_POW2, 10, 1,
     16, 0, "mmu_memory"},
    {KVM_STATS_TYPE_PEAK, 0, 1, 24, 0, "max_mmu_page_hash_collisions"},
    {KVM_STATS_TYPE_LINEAR_HIST, 0, 2, 32, 100, "steps"},
    {KVM_STATS_TYPE_LOG_HIST | KVM_STATS_UNIT_SECONDS, -9, 3, 48, 0,
     "halt_poll_success_hist"},
};
static const uint64_t values[] = {4711, 1500, 12, 3, 7, 8, 1, 2, 4};

static int recorded(struct kvm_stats_header header)
{
    int fd = memfd_create("stats", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct desc d = {
            .d = {.flags = rows[i].flags,
                  .exponent = rows[i].exponent,
                  .size = rows[i].size,
                  .offset = rows[i].offset,
                  .bucket_size = rows[i].bucket_size},
        };
        snprintf(d.name, sizeof(d.name), "%s", rows[i].name);
        assert_int_equal(
            pwrite(fd, &d, sizeof(d), (off_t)(128 + i * sizeof(d))), sizeof(d));
    }
    assert_int_equal(pwrite(fd, values, sizeof(values), 1024), sizeof(values));
    return fd;
}

static const struct kvm_stats_header good = {
    .name_size = NAME,
    .num_desc = ARRAY_SIZE(rows),
    .id_offset = 24,
    .desc_offset = 128,
    .data_offset = 1024,
};

static void all_kinds_are_read(void **unused)
{
    struct kvm_stats_file f = {.vcpu = true};
    struct kvm_stat *list = NULL;
    int n = 0;

    (void)unused;
    assert_int_equal(kvm_stats_open(&f, recorded(good)), 0);
    assert_int_equal(kvm_stats_append(&f, &list, &n), 0);
    assert_int_equal(n, ARRAY_SIZE(values));
    for (int i = 0; i < n; i++) {
        assert_int_equal(list[i].value, values[i]);
        assert_true(list[i].vcpu);
    }
    assert_string_equal(list[0].name, "exits");
    assert_int_equal(list[0].kind, KVM_STAT_COUNTER);
    assert_string_equal(list[1].unit, "s");
    assert_int_equal(list[1].exponent, -9);
    assert_int_equal(list[2].kind, KVM_STAT_GAUGE);
    assert_string_equal(list[2].unit, "bytes");
    assert_int_equal(list[3].kind, KVM_STAT_PEAK);
    assert_int_equal(list[5].kind, KVM_STAT_LINEAR);
    assert_int_equal(list[5].bucket, 1);
    assert_int_equal(list[8].kind, KVM_STAT_LOG);
    assert_int_equal(list[8].bucket, 2);
    assert_int_equal(kvm_stats_get(list, n, "mmu_memory"), 12);
    assert_int_equal(kvm_stats_get(list, n, "no such"), 0);
    free(list);
    kvm_stats_close(&f);
}

/* The VM's file is read before the vCPU's; a name in both is the vCPU's. */
static void of_two_alike_the_vcpus_counts(void **unused)
{
    struct kvm_stats_file of_vm = {.vcpu = false}, of_vcpu = {.vcpu = true};
    struct kvm_stat *list = NULL;
    uint64_t other = 99;
    int n = 0, fd;

    (void)unused;
    fd = recorded(good);
    assert_int_equal(pwrite(fd, &other, sizeof(other), 1024), sizeof(other));
    assert_int_equal(kvm_stats_open(&of_vcpu, fd), 0);
    assert_int_equal(kvm_stats_open(&of_vm, recorded(good)), 0);
    assert_int_equal(kvm_stats_append(&of_vm, &list, &n), 0);
    assert_int_equal(kvm_stats_append(&of_vcpu, &list, &n), 0);
    assert_int_equal(n, 2 * ARRAY_SIZE(values));
    assert_int_equal(kvm_stats_get(list, n, "exits"), 99);
    free(list);
    kvm_stats_close(&of_vm);
    kvm_stats_close(&of_vcpu);
}

static void a_wrong_header_is_refused(void **unused)
{
    struct kvm_stats_header wrong[] = {good, good, good, good, good};

    (void)unused;
    wrong[0].num_desc = UINT32_MAX;
    wrong[1].name_size = UINT32_MAX;
    wrong[2].desc_offset = 1u << 20; /* past the end */
    wrong[3].num_desc = 0;
    wrong[4].name_size = 0;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct kvm_stats_file f = {.fd = -1};

        assert_int_equal(kvm_stats_open(&f, recorded(wrong[i])), -EPROTO);
        assert_int_equal(f.fd, -1);
        assert_null(f.desc);
    }
}

static void data_that_is_not_there_is_an_error(void **unused)
{
    struct kvm_stats_header header = good;
    struct kvm_stats_file f = {.fd = -1};
    struct kvm_stat *list = NULL;
    int n = 0;

    (void)unused;
    header.data_offset = 1024 + 8; /* the last value is past the end */
    assert_int_equal(kvm_stats_open(&f, recorded(header)), 0);
    assert_int_equal(kvm_stats_append(&f, &list, &n), -EIO);
    free(list);
    kvm_stats_close(&f);
}

/* Names without an end, at odd addresses. */
static void a_name_ends_where_its_room_does(void **unused)
{
    struct kvm_stats_header header = good;
    struct kvm_stats_file f = {.fd = -1};
    struct kvm_stat *list = NULL;
    int n = 0;

    (void)unused;
    header.name_size = 3;
    header.num_desc = 1;
    assert_int_equal(kvm_stats_open(&f, recorded(header)), 0);
    assert_int_equal(kvm_stats_append(&f, &list, &n), 0);
    assert_int_equal(n, 1);
    assert_string_equal(list[0].name, "exi");
    free(list);
    kvm_stats_close(&f);
}

static void this_kernel_counts_its_exits(void **unused)
{
    struct kvm_stat *list;
    struct guest g;
    int n;

    (void)unused;
    guest_need_complete();
    guest_init(&g);
    n = kvm_stats_read(&g.vcpu, &list);
    if (n == -ENOTSUP) {
        printf("skipped: this kernel does not show its own counters\n");
        guest_fini(&g);
        skip();
    }
    free(list);
    CODE(&g, 0xe6, 0x10, 0xe6, 0x10, 0xe6, 0x10, 0xf4);
    while (guest_run(&g).kind == VM_EXIT_PIO)
        ;
    n = kvm_stats_read(&g.vcpu, &list);
    assert_true(n > 0);
    assert_true(kvm_stats_get(list, n, "exits") >= 4);
    assert_true(kvm_stats_get(list, n, "io_exits") >= 3);
    free(list);
    guest_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_are_read),
        cmocka_unit_test(of_two_alike_the_vcpus_counts),
        cmocka_unit_test(a_wrong_header_is_refused),
        cmocka_unit_test(data_that_is_not_there_is_an_error),
        cmocka_unit_test(a_name_ends_where_its_room_does),
        cmocka_unit_test(this_kernel_counts_its_exits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
