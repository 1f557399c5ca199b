/*
 * Differential tests: random instruction sequences, executed by this processor
 * in 32-bit mode and by an executor of the monitor; everything a program can
 * see must be equal.  Any executor can be put under test: it gets a machine
 * with the sequence loaded and runs it until CS:EIP reaches the end or an
 * exception is raised.
 */
#ifndef TESTS_DIFF_DIFF_H
#define TESTS_DIFF_DIFF_H
#include "tests/diff/diff_layout.h"
#include "vmm/mem/mem.h"
#include "vmm/x86/state.h"

/*
 * A machine for sequences: CPL 3, flat or with a base (diff_layout.h), 2-level
 * paging, pages scattered.
 */
struct diff_machine {
    struct mem mem;
    struct x86_state st; /* in: the state to start with; out: at the end */
};

/* What an executor says of a run. */
struct diff_end {
    int vector; /* of the exception that ended it; -1: the end was reached */
    uint32_t error, cr2;
};

struct diff_executor {
    const char *name;
    void *opaque;
    /*
     * Runs from M->st to linear address STOP or to the first exception (not
     * delivered: M->st as it was before the faulting instruction).  False:
     * neither happened within a reasonable number of instructions.
     */
    bool (*run)(void *opaque, struct diff_machine *m, uint32_t stop,
                struct diff_end *end);
};

struct diff_options {
    const char *runner; /* the 32-bit native program */
    uint64_t seed;
    uint32_t count; /* sequences */
    uint32_t first; /* to repeat one: its number */
};

/* From the words RUNNER [COUNT [SEED [FIRST]]]; the runner is borrowed. */
struct diff_options diff_options_of(int argc, char **argv);

/*
 * Prints what differs, with bytes and disassembly.  The program's exit status:
 * 0 all are equal, 1 one is not, 3 this host does not run 32-bit programs.
 */
int diff_run(const struct diff_options *opt, struct diff_machine *m,
             const struct diff_executor *ex);

int diff_machine_init(struct diff_machine *m);
void diff_machine_fini(struct diff_machine *m);
/* Memory and M->st as SEQ wants them. */
void diff_machine_load(struct diff_machine *m, const struct diff_seq *seq);
/* Memory and M->st as a result. */
void diff_machine_store(const struct diff_machine *m,
                        const struct diff_end *end, struct diff_result *r);

/*
 * An executor that delivers exceptions ends in the guest's handler, a HLT at
 * CPL 0: puts back into ST what the exception pushed.  False: it is not there.
 */
bool diff_machine_frame(const struct diff_machine *m, struct x86_state *st,
                        bool has_error);

/* The sequence that SEED stands for. */
void diff_generate(struct diff_seq *seq, uint64_t seed);
#endif
