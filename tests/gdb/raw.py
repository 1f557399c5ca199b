#!/usr/bin/python3
"""raw.py RINGSIDE ACCEL REAL PROT MODES LONG: the stub by packets, also wrong
ones.

Faults that other stubs have or had, and the test that would find each here:

    `bs` when nothing is recorded aborts           test_unknown_packets
    `g`, then `G` of the same, changes registers   test_registers_round_trip*
    ST(i) is the wrong register after a push       test_fpu_order
    in real mode, CS not 0: hit for ever           test_real_mode
    stale bytes of an unmapped page                test_unmapped_memory
    a name longer than the buffer                  test_unknown_packets
    the escape character inside binary data        test_escape_in_data
    a stop reply before any resume                 test_first_words,
                                         test_stop_reply_only_when_asked
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import raw_clients  # noqa: E402
import raw_packets  # noqa: E402
import raw_runs  # noqa: E402
from raw_guest import ACCEL  # noqa: E402
from rsp import Closed  # noqa: E402


def main():
    failed = 0
    only = os.environ.get("ONLY", "")
    tests = {name: fn for part in (raw_packets, raw_runs, raw_clients)
             for name, fn in vars(part).items()
             if name.startswith("test_") and only in name}
    for name, fn in sorted(tests.items()):
        label = "gdb-raw-%s-%s" % (name[5:].replace("_", "-"), ACCEL)
        try:
            fn()
            print("PASS", label, flush=True)
        except (AssertionError, Closed, LookupError, OSError, ValueError,
                subprocess.TimeoutExpired) as e:
            where = e.__traceback__
            while where.tb_next and where.tb_frame.f_code is not fn.__code__:
                where = where.tb_next
            print("FAIL %s: line %d: %s %s" % (label, where.tb_lineno,
                                               type(e).__name__, e),
                  flush=True)
            failed = 1
    sys.exit(failed)


main()
