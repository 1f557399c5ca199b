/* The processor model, against SDM vol. 2A. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/x86/cpuid.h"

static struct x86_cpuid ask(uint32_t leaf)
{
    struct x86_state st;

    x86_state_reset(&st);
    return x86_cpuid(&st, leaf, 0);
}

static void names_its_vendor(void **state)
{
    struct x86_cpuid r = ask(0);
    uint32_t text[3] = {r.ebx, r.edx, r.ecx};

    (void)state;
    assert_memory_equal(text, "GenuineIntel", 12);
    r = ask(0x40000000);
    text[0] = r.ebx, text[1] = r.ecx, text[2] = r.edx;
    assert_memory_equal(text, "RingsideVMM ", 12);
}

static void spells_the_brand(void **state)
{
    struct x86_cpuid r[3] = {ask(0x80000002), ask(0x80000003), ask(0x80000004)};

    (void)state;
    assert_string_equal((const char *)r, "Ringside virtual CPU");
}

static void has_no_long_mode(void **state)
{
    (void)state;
    assert_int_equal(ask(0x80000001).edx, 1u << 20); /* NX alone */
    assert_int_equal(ask(1).eax, 0x106ca);
    assert_int_equal(ask(1).ecx, 0x80000000);
}

static void apic_bit_follows_the_msr(void **state)
{
    struct x86_state st;

    (void)state;
    x86_state_reset(&st);
    assert_true(x86_cpuid(&st, 1, 0).edx & BIT(9));
    st.apic_base &= ~(uint64_t)BIT(11);
    assert_false(x86_cpuid(&st, 1, 0).edx & BIT(9));
}

static void unknown_leaves_answer_as_the_last(void **state)
{
    (void)state;
    assert_int_equal(ask(7).edx, ask(2).edx);
    assert_int_equal(ask(0xc0000000).edx, ask(2).edx);
    assert_int_equal(ask(0x40000001).eax, 0); /* in range, but empty */
    assert_int_equal(ask(0x40000010).eax, X86_TSC_KHZ);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_its_vendor),
        cmocka_unit_test(spells_the_brand),
        cmocka_unit_test(has_no_long_mode),
        cmocka_unit_test(apic_bit_follows_the_msr),
        cmocka_unit_test(unknown_leaves_answer_as_the_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
