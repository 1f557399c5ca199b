/*
 * Control and debug registers, and the instructions that drive the processor
 * as a whole.  SDM vol. 2 (MOV CRn, MOV DRn, LMSW, INVLPG, SYSENTER...),
 * vol. 3A 2.5, vol. 3B 17.2.  MSRs are sys_msr.c's.
 */
#include "vmm/accel/emu/sys.h"

#include "vmm/x86/cpuid.h"

/* ---- control registers ------------------------------------------------- */

#define CR0_DEFINED                                                            \
    (X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET |          \
     X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD |          \
     X86_CR0_PG)

/* The cached translations go; GLOBAL: those of global pages as well. */
static void flush(struct emu *emu, bool global)
{
    emu_state_changed(emu);
    if (emu->hooks.tlb_flush)
        emu->hooks.tlb_flush(emu->hooks.opaque, global);
}

/* PAE paging reads its PDPTEs once, when they are loaded. */
static bool load_pdptes(struct emu *emu, uint64_t cr3)
{
    struct x86_phys phys = mem_phys(emu->vcpu->mem);

    return x86_load_pdptes(cr3, &phys, emu->st->pdpte) ||
           emu_raise_err(emu, X86_GP, 0);
}

/* With paging, EFER.LME becomes EFER.LMA (SDM vol. 3A 9.8.5). */
static bool switch_long_mode(struct emu *emu, bool paging)
{
    struct x86_state *st = emu->st;

    if (!paging) {
        if ((st->seg[X86_CS].attr & X86_SEG_L) || (st->cr4 & X86_CR4_PCIDE))
            return emu_raise_err(emu, X86_GP, 0);
        st->efer &= ~(uint64_t)X86_EFER_LMA;
        return true;
    }
    if (!(st->cr4 & X86_CR4_PAE) || (st->seg[X86_CS].attr & X86_SEG_L) ||
        (X86_SEG_TYPE(st->tr.attr) & ~SYS_TSS_BUSY) == SYS_TSS16)
        return emu_raise_err(emu, X86_GP, 0);
    st->efer |= X86_EFER_LMA;
    return true;
}

static bool write_cr0(struct emu *emu, uint64_t value)
{
    const uint32_t paging = X86_CR0_PG | X86_CR0_CD | X86_CR0_NW;
    struct x86_state *st = emu->st;
    uint64_t changed;

    if (value >> 32)
        return emu_raise_err(emu, X86_GP, 0);
    value = (value & CR0_DEFINED) | X86_CR0_ET;
    changed = value ^ st->cr0;
    if ((value & X86_CR0_PG) && !(value & X86_CR0_PE))
        return emu_raise_err(emu, X86_GP, 0);
    if ((value & X86_CR0_NW) && !(value & X86_CR0_CD))
        return emu_raise_err(emu, X86_GP, 0);
    if (st->efer & X86_EFER_LME) {
        if ((changed & X86_CR0_PG) &&
            !switch_long_mode(emu, value & X86_CR0_PG))
            return false;
    } else if ((value & X86_CR0_PG) && (st->cr4 & X86_CR4_PAE) &&
               (changed & paging) && !load_pdptes(emu, st->cr3)) {
        return false;
    }
    st->cr0 = value;
    if (changed & (X86_CR0_PG | X86_CR0_WP | X86_CR0_PE))
        flush(emu, true);
    return true;
}

static bool write_cr2(struct emu *emu, uint64_t value)
{
    emu->st->cr2 = value;
    return true;
}

#define CR3_PCID     0xfffu    /* with CR4.PCIDE */
#define CR3_NO_FLUSH BIT64(63) /* the same: what is cached stays */

static bool write_cr3(struct emu *emu, uint64_t value)
{
    struct x86_state *st = emu->st;

    if (st->cr4 & X86_CR4_PCIDE)
        value &= ~CR3_NO_FLUSH;
    if (sys_is_long(emu) && value >> emu->phys_bits)
        return emu_raise_err(emu, X86_GP, 0);
    if ((st->cr0 & X86_CR0_PG) && (st->cr4 & X86_CR4_PAE) &&
        !sys_is_long(emu) && !load_pdptes(emu, value))
        return false;
    st->cr3 = value;
    flush(emu, false);
    return true;
}

/* What long mode and CR3 allow (SDM vol. 3A 4.1.2, 4.10.1). */
static bool check_cr4(struct emu *emu, uint64_t value, uint64_t changed)
{
    const struct x86_state *st = emu->st;

    if (value & ~emu->cr4_valid)
        return emu_raise_err(emu, X86_GP, 0);
    if (sys_is_long(emu) && (!(value & X86_CR4_PAE) || changed & X86_CR4_LA57))
        return emu_raise_err(emu, X86_GP, 0);
    if ((value & changed & X86_CR4_PCIDE) &&
        (!sys_is_long(emu) || (st->cr3 & CR3_PCID)))
        return emu_raise_err(emu, X86_GP, 0);
    return true;
}

static bool write_cr4(struct emu *emu, uint64_t value)
{
    const uint32_t pdptes = X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE;
    const uint32_t paging =
        pdptes | X86_CR4_LA57 | X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP;
    struct x86_state *st = emu->st;
    uint64_t changed = value ^ st->cr4;

    if (!check_cr4(emu, value, changed))
        return false;
    if ((value & X86_CR4_PAE) && (st->cr0 & X86_CR0_PG) && !sys_is_long(emu) &&
        (changed & pdptes) && !load_pdptes(emu, st->cr3))
        return false;
    st->cr4 = value;
    if (changed & paging)
        flush(emu, true);
    return true;
}

/* CR8 is the local APIC's task priority: does the owner keep that? */
static bool leaves_tpr(struct emu *emu)
{
    const uint64_t tpr = 0x80, page = MEM_PAGE_SIZE - 1;

    return emu_leaves(emu, (emu->st->apic_base & ~page) + tpr, false);
}

/* Of long mode alone. */
static bool write_cr8(struct emu *emu, uint64_t value)
{
    const struct vcpu_apic *apic = &emu->vcpu->apic;

    if (!emu_is_long64(emu->st))
        return emu_raise(emu, X86_UD);
    if (value & ~0xfull)
        return emu_raise_err(emu, X86_GP, 0);
    if (leaves_tpr(emu))
        return false;
    emu->st->cr8 = value;
    if (apic->set_cr8)
        apic->set_cr8(apic->opaque, (unsigned)value);
    return true;
}

/* CR writes with all their checks and consequences (#GP, PDPTEs, flushes). */
static bool write_cr(struct emu *emu, unsigned reg, uint64_t value)
{
    static bool (*const write[])(struct emu *, uint64_t) = {
        [0] = write_cr0, [2] = write_cr2, [3] = write_cr3,
        [4] = write_cr4, [8] = write_cr8,
    };

    if (reg >= ARRAY_SIZE(write) || !write[reg])
        return emu_raise(emu, X86_UD);
    return write[reg](emu, value);
}

static bool read_cr8(struct emu *emu, uint64_t *value)
{
    const struct vcpu_apic *apic = &emu->vcpu->apic;

    if (leaves_tpr(emu))
        return false;
    *value = apic->get_cr8 ? apic->get_cr8(apic->opaque) : emu->st->cr8;
    return true;
}

static bool read_cr(struct emu *emu, unsigned reg, uint64_t *value)
{
    const struct x86_state *st = emu->st;
    const uint64_t *const cr[] = {&st->cr0, NULL, &st->cr2, &st->cr3, &st->cr4};

    if (reg == 8 && emu_is_long64(st))
        return read_cr8(emu, value);
    if (reg >= ARRAY_SIZE(cr) || !cr[reg])
        return emu_raise(emu, X86_UD);
    *value = *cr[reg];
    return true;
}

static void report_cr(struct emu *emu, unsigned reg, bool write, uint64_t value)
{
    sys_report_reg(emu, VM_EXIT_CR_ACCESS, reg, write, value);
}

static bool mov_to_cr(struct emu *emu, unsigned reg)
{
    uint64_t value;

    if (!sys_need_cpl0(emu) || !emu_get(emu, &emu->op[1], &value) ||
        !write_cr(emu, reg, value))
        return false;
    report_cr(emu, reg, true, value);
    return true;
}

static bool mov_from_cr(struct emu *emu, unsigned reg)
{
    uint64_t value = 0;

    if (!sys_need_cpl0(emu) || !read_cr(emu, reg, &value) ||
        !emu_put(emu, &emu->op[0], value))
        return false;
    report_cr(emu, reg, false, value);
    return true;
}

bool sys_clts(struct emu *emu)
{
    if (!sys_need_cpl0(emu))
        return false;
    emu->st->cr0 &= ~(uint64_t)X86_CR0_TS;
    report_cr(emu, 0, true, emu->st->cr0);
    return true;
}

/* PE, MP, EM, TS; PE can be set but not cleared. */
bool sys_lmsw(struct emu *emu)
{
    uint64_t cr0 = emu->st->cr0, value;

    if (!sys_need_cpl0(emu) || !emu_get(emu, &emu->op[0], &value))
        return false;
    cr0 = (cr0 & ~0xeull) | (value & 0xf);
    if (!write_cr(emu, 0, cr0))
        return false;
    report_cr(emu, 0, true, cr0);
    return true;
}

/* Not privileged but for UMIP; a wider register gets all of CR0. */
bool sys_smsw(struct emu *emu)
{
    uint64_t cr0 = emu->st->cr0;

    if (!sys_need_umip(emu) || !emu_put(emu, &emu->op[0], cr0))
        return false;
    report_cr(emu, 0, false, cr0);
    return true;
}

/* ---- debug registers --------------------------------------------------- */

/* What can be written, and what reads as 1 (SDM vol. 3B 17.2). */
#define DR6_MASK  0x0000e00fu
#define DR6_FIXED 0xffff0ff0u
#define DR7_MASK  0xffff23ffu
#define DR7_FIXED 0x00000400u

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE. */
static bool check_dr(struct emu *emu, unsigned *reg)
{
    const struct x86_state *st = emu->st;

    if (*reg == 4 || *reg == 5) {
        if (st->cr4 & X86_CR4_DE)
            return emu_raise(emu, X86_UD);
        *reg += 2;
    }
    if (!sys_need_cpl0(emu))
        return false;
    if (st->dr[7] & BIT(13)) { /* GD */
        (void)emu_raise(emu, X86_DB);
        emu->fault_dr6 = BIT(13); /* BD */
        return false;
    }
    return true;
}

static bool mov_to_dr(struct emu *emu, unsigned reg)
{
    uint64_t value;

    if (!check_dr(emu, &reg) || !emu_get(emu, &emu->op[1], &value))
        return false;
    if (reg >= 6 && value >> 32)
        return emu_raise_err(emu, X86_GP, 0);
    if (reg == 6)
        value = (value & DR6_MASK) | DR6_FIXED;
    if (reg == 7)
        value = (value & DR7_MASK) | DR7_FIXED;
    emu->st->dr[reg] = value;
    sys_report_reg(emu, VM_EXIT_DR_ACCESS, reg, true, value);
    return true;
}

static bool mov_from_dr(struct emu *emu, unsigned reg)
{
    if (!check_dr(emu, &reg) || !emu_put(emu, &emu->op[0], emu->st->dr[reg]))
        return false;
    sys_report_reg(emu, VM_EXIT_DR_ACCESS, reg, false, emu->st->dr[reg]);
    return true;
}

/* The number of a register of the class that begins with FIRST, or -1. */
static int number(const ZydisDecodedOperand *op, ZydisRegister first,
                  ZydisRegister last)
{
    if (op->type != ZYDIS_OPERAND_TYPE_REGISTER || op->reg.value < first ||
        op->reg.value > last)
        return -1;
    return (int)op->reg.value - (int)first;
}

bool sys_mov_system(struct emu *emu)
{
    static const struct {
        ZydisRegister first, last;
        bool (*to)(struct emu *, unsigned);
        bool (*from)(struct emu *, unsigned);
    } class[] = {
        {ZYDIS_REGISTER_CR0, ZYDIS_REGISTER_CR15, mov_to_cr, mov_from_cr},
        {ZYDIS_REGISTER_DR0, ZYDIS_REGISTER_DR7, mov_to_dr, mov_from_dr},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(class); i++) {
        int to = number(&emu->op[0], class[i].first, class[i].last);
        int from = number(&emu->op[1], class[i].first, class[i].last);

        if (to >= 0)
            return class[i].to(emu, (unsigned)to);
        if (from >= 0)
            return class[i].from(emu, (unsigned)from);
    }
    return emu_raise(emu, X86_UD);
}

/* ---- caches and translations ------------------------------------------- */

bool sys_invlpg(struct emu *emu)
{
    const ZydisDecodedOperand *mem = &emu->op[0];
    struct vm_exit e = sys_exit(emu, VM_EXIT_INVLPG);
    unsigned seg = (unsigned)(mem->mem.segment - ZYDIS_REGISTER_ES);
    uint64_t gla;

    if (!sys_need_cpl0(emu))
        return false;
    (void)emu_linear_quiet(emu, (enum x86_sreg)seg, emu_ea64(emu, mem), 1,
                           EMU_READ, &gla);
    emu_tlb_flush(emu);
    if (emu->hooks.tlb_flush_page)
        emu->hooks.tlb_flush_page(emu->hooks.opaque, (uint32_t)gla);
    e.u.page.gla = gla;
    vcpu_exit(emu->vcpu, &e);
    return true;
}

static bool cache_control(struct emu *emu, enum vm_exit_kind kind)
{
    struct vm_exit e = sys_exit(emu, kind);

    if (!sys_need_cpl0(emu))
        return false;
    vcpu_exit(emu->vcpu, &e);
    return true;
}

bool sys_invd(struct emu *emu)
{
    return cache_control(emu, VM_EXIT_INVD);
}

bool sys_wbinvd(struct emu *emu)
{
    return cache_control(emu, VM_EXIT_WBINVD);
}

/* RSM: there is no system-management mode to return from. */
bool sys_undefined(struct emu *emu)
{
    return emu_raise(emu, X86_UD);
}

/* ---- HLT, CPUID -------------------------------------------------------- */

/* The exit is the accelerator's: it knows whether anything can wake us. */
bool sys_hlt(struct emu *emu)
{
    if (!sys_need_cpl0(emu))
        return false;
    emu->st->activity = X86_HALTED;
    return true;
}

bool sys_cpuid(struct emu *emu)
{
    struct x86_state *st = emu->st;
    struct vm_exit e = sys_exit(emu, VM_EXIT_CPUID);
    uint32_t leaf = (uint32_t)st->gpr[X86_RAX];
    uint32_t subleaf = (uint32_t)st->gpr[X86_RCX];
    struct x86_cpuid r = x86_cpuid(st, leaf, subleaf);

    st->gpr[X86_RAX] = r.eax;
    st->gpr[X86_RBX] = r.ebx;
    st->gpr[X86_RCX] = r.ecx;
    st->gpr[X86_RDX] = r.edx;
    e.u.cpuid.leaf = leaf;
    e.u.cpuid.subleaf = subleaf;
    vcpu_exit(emu->vcpu, &e);
    return true;
}

/* ---- SYSENTER, SYSEXIT ------------------------------------------------- */

struct x86_seg sys_flat_segment(uint64_t selector, unsigned cpl, bool code)
{
    return (struct x86_seg){
        .selector = (uint16_t)((selector & 0xfffcu) | cpl),
        .attr = (uint16_t)(X86_SEG_G | X86_SEG_DB | X86_SEG_P | cpl << 5 |
                           X86_SEG_S | (code ? X86_SEG_CODE : 0u) | X86_SEG_RW |
                           X86_SEG_ACCESSED),
        .limit = 0xffffffff,
    };
}

static void fast_transfer(struct emu *emu, uint64_t selector, unsigned cpl,
                          uint64_t eip, uint64_t esp)
{
    struct x86_seg cs = sys_flat_segment(selector, cpl, true);

    emu->st->seg[X86_SS] = sys_flat_segment(selector + 8, cpl, false);
    emu->st->gpr[X86_RSP] = (uint32_t)esp;
    sys_jump(emu, &cs, (uint32_t)eip);
    sys_report_reg(emu, VM_EXIT_SYSENTER, X86_CS, true, cs.selector);
}

bool sys_sysenter(struct emu *emu)
{
    struct x86_state *st = emu->st;

    if (!(st->cr0 & X86_CR0_PE) || sys_is_null((uint16_t)st->sysenter_cs))
        return emu_raise_err(emu, X86_GP, 0);
    st->rflags &= ~(uint64_t)(X86_EFLAGS_VM | X86_EFLAGS_IF | X86_EFLAGS_RF);
    fast_transfer(emu, st->sysenter_cs, 0, st->sysenter_eip, st->sysenter_esp);
    return true;
}

bool sys_sysexit(struct emu *emu)
{
    struct x86_state *st = emu->st;

    if (!(st->cr0 & X86_CR0_PE) || sys_is_null((uint16_t)st->sysenter_cs))
        return emu_raise_err(emu, X86_GP, 0);
    if (!sys_need_cpl0(emu))
        return false;
    fast_transfer(emu, st->sysenter_cs + 16, 3, st->gpr[X86_RDX],
                  st->gpr[X86_RCX]);
    return true;
}
