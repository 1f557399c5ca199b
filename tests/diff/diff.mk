# The differential tests: programs under $(BUILD)/tests/diff.

DIFF_DIR := $(BUILD)/tests/diff
DIFF_COMMON := tests/diff/diff_gen.c tests/diff/diff_machine.c \
               tests/diff/diff_run.c
DIFF_HEADERS := $(wildcard tests/diff/*.h)
DIFF_BINS := $(DIFF_DIR)/native32 $(DIFF_DIR)/diff_emu $(DIFF_DIR)/diff_bt \
             $(DIFF_DIR)/diff_stops

.PHONY: diff-bins
diff-bins: $(DIFF_BINS)
# What runs the tests builds the unit tests first, and these with them.
unit-bins: diff-bins

# This processor in 32-bit mode; no 32-bit C library is needed.
$(DIFF_DIR)/native32: tests/diff/native32.c tests/diff/native32_enter.S \
                      $(DIFF_HEADERS)
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) -m32 -O1 -Wall -Wextra -ffreestanding -fno-builtin \
	    -fno-stack-protector -mgeneral-regs-only -fno-pic -no-pie -nostdlib \
	    -static -o $@ $(filter %.c %.S,$^)

$(DIFF_DIR)/diff_%: tests/diff/diff_%.c $(DIFF_COMMON) $(DIFF_HEADERS) \
                    $(LIBOBJS)
	@mkdir -p $(@D)
	@echo "  LD $@"; $(CC) $(ALLFLAGS) -o $@ $< $(DIFF_COMMON) $(LIBOBJS) \
	    $(LIBS)
