/* Exit statuses of `ringside run`; the man page's table is made from these. */
#ifndef VMM_EXIT_STATUS_H
#define VMM_EXIT_STATUS_H

enum exit_status {
    EXIT_STATUS_OK = 0,           /* the guest powered off */
    EXIT_STATUS_FAILED = 1,       /* the host or the accelerator failed */
    EXIT_STATUS_USAGE = 2,        /* bad option, missing or malformed file */
    EXIT_STATUS_TRIPLE_FAULT = 4, /* with --no-reboot */
    EXIT_STATUS_RESET = 6,        /* with --no-reboot */
    EXIT_STATUS_HALTED = 8,       /* HLT with interrupts off: for ever */
    EXIT_STATUS_MAX_INSNS = 10,   /* --max-insns reached */
    EXIT_STATUS_TIMEOUT = 124,    /* --timeout, as timeout(1) */
    EXIT_STATUS_USER = 130,       /* Ctrl-A x or a signal */
    /* Odd values 3, 5, ...: (value << 1) | 1 from the debug-exit port. */
};
#endif
