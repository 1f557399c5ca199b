/* MP and ACPI tables: found as a guest finds them, sums right, AML sound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/machine/tables.h"

static uint8_t rom[ROM_SIZE];

static int build(void **state)
{
    (void)state;
    memset(rom, 0, sizeof(rom));
    tables_build_mp(rom);
    tables_build_acpi(rom);
    return 0;
}

static uint32_t u32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint8_t *at(uint32_t gpa)
{
    assert_in_range(gpa, ROM_BASE, ROM_BASE + ROM_SIZE - 36);
    return rom + (gpa - ROM_BASE);
}

static uint8_t sum(const uint8_t *p, size_t len)
{
    return (uint8_t)-tables_checksum(p, len);
}

/* On 16-byte borders, as operating systems look for them. */
static uint8_t *scan(const char *signature, size_t len)
{
    for (size_t i = 0; i < ROM_SIZE; i += 16)
        if (memcmp(rom + i, signature, len) == 0)
            return rom + i;
    fail_msg("no %s", signature);
    return NULL;
}

static void test_mp(void **state)
{
    uint8_t *mp = scan("_MP_", 4), *table = at(u32(mp + 4)), *p;
    unsigned count, seen[5] = {0}, timer_pin = 99;

    (void)state;
    assert_int_equal(sum(mp, 16), 0);
    assert_memory_equal(table, "PCMP", 4);
    assert_int_equal(sum(table, table[4] | table[5] << 8), 0);
    assert_int_equal(u32(table + 36), 0xfee00000);
    count = table[34];
    p = table + 44;
    for (unsigned i = 0; i < count; i++) {
        assert_true(p[0] < 5);
        seen[p[0]]++;
        if (p[0] == 3 && p[1] == 0 && p[5] == 0)
            timer_pin = p[7];
        p += p[0] == 0 ? 20 : 8;
    }
    assert_ptr_equal(p, table + (table[4] | table[5] << 8));
    assert_int_equal(seen[0], 1);
    assert_int_equal(seen[1], 1);
    assert_int_equal(seen[2], 1);
    assert_int_equal(seen[3], 16); /* 15 ISA and the 8259A */
    assert_int_equal(seen[4], 2);
    assert_int_equal(timer_pin, 2);
}

static uint8_t *find_table(const char *signature)
{
    uint8_t *rsdp = scan("RSD PTR ", 8), *rsdt = at(u32(rsdp + 16));

    assert_int_equal(sum(rsdp, 20), 0);
    assert_memory_equal(rsdt, "RSDT", 4);
    for (uint32_t i = 36; i < u32(rsdt + 4); i += 4) {
        uint8_t *table = at(u32(rsdt + i));
        if (memcmp(table, signature, 4) == 0)
            return table;
    }
    fail_msg("no %s", signature);
    return NULL;
}

static void test_acpi(void **state)
{
    uint8_t *fadt = find_table("FACP"), *madt = find_table("APIC"), facs[64];
    uint8_t *dsdt = at(u32(fadt + 40));
    uint8_t *const tables[] = {fadt, madt, dsdt};

    (void)state;
    assert_memory_equal(dsdt, "DSDT", 4);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(sum(tables[i], u32(tables[i] + 4)), 0);
    assert_int_equal(u32(fadt + 4), 244);
    assert_int_equal(u32(fadt + 36), FACS_BASE);
    assert_int_equal(u32(fadt + 48), 0xb2);
    assert_int_equal(u32(fadt + 56), 0x600);
    assert_int_equal(u32(fadt + 64), 0x604);
    assert_int_equal(u32(fadt + 76), 0x608);
    assert_int_equal(fadt[88], 4);
    assert_int_equal(fadt[89], 2);
    assert_int_equal(fadt[91], 4);
    assert_int_equal(u32(fadt + 120), 0xcf9);
    assert_int_equal(fadt[128], 6);
    tables_build_facs(facs);
    assert_memory_equal(facs, "FACS", 4);
    assert_int_equal(u32(facs + 4), 64);
}

static void dump_table(const char *dir, const char *name, const uint8_t *table)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s.dat", dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(table, 1, u32(table + 4), f), u32(table + 4));
    assert_int_equal(fclose(f), 0);
}

/* Intel's own disassembler and compiler take the tables without complaint. */
static void test_iasl(void **state)
{
    char dir[] = "/tmp/test_tables.XXXXXX", cmd[512];
    uint8_t *fadt = find_table("FACP");

    (void)state;
    if (system("command -v iasl >/dev/null 2>&1") != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    dump_table(dir, "dsdt", at(u32(fadt + 40)));
    dump_table(dir, "facp", fadt);
    dump_table(dir, "apic", find_table("APIC"));
    snprintf(cmd, sizeof(cmd),
             "cd %s && iasl -d dsdt.dat facp.dat apic.dat >log 2>&1 && "
             "grep -q '_S5' dsdt.dsl && grep -q PNP0501 dsdt.dsl && "
             "! grep -i 'error\\|invalid\\|incorrect' log && "
             "iasl -we dsdt.dsl >log2 2>&1 || { cat log log2; false; }",
             dir);
    assert_int_equal(system(cmd), 0);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
    assert_int_equal(system(cmd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_mp, build),
        cmocka_unit_test_setup(test_acpi, build),
        cmocka_unit_test_setup(test_iasl, build),
    };

    return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
