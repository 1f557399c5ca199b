# The privileged-behaviour test kernel.  Included by the top Makefile; adds to
# its goal `guests`: $(BUILD)/guests/priv.elf, a multiboot kernel.

PRIV       := tests/guest/priv
PRIV_BUILD := $(BUILD)/guests/priv
PRIV_CC    := gcc -m32 -march=i686
PRIV_FLAGS := -std=gnu17 -O1 -g -ffreestanding -fno-pic -fno-pie \
              -fno-stack-protector -fno-asynchronous-unwind-tables \
              -fno-omit-frame-pointer -fcf-protection=none \
              -mgeneral-regs-only -fno-tree-loop-distribute-patterns \
              -fno-toplevel-reorder -Wall -Wextra -Werror
PRIV_LINK  := -nostdlib -static -no-pie -Wl,--build-id=none \
              -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack

PRIV_OBJS  := $(PRIV_BUILD)/entry.S.o \
              $(patsubst $(PRIV)/%,$(PRIV_BUILD)/%.o,$(sort $(wildcard $(PRIV)/*.c)))

guests: $(BUILD)/guests/priv.elf

$(PRIV_BUILD)/%.c.o: $(PRIV)/%.c
	@mkdir -p $(@D)
	@echo "  CC $<"; $(PRIV_CC) $(PRIV_FLAGS) -MMD -MP -c -o $@ $<

$(PRIV_BUILD)/%.S.o: $(PRIV)/%.S
	@mkdir -p $(@D)
	@echo "  AS $<"; $(PRIV_CC) -g -MMD -MP -c -o $@ $<

$(BUILD)/guests/priv.elf: $(PRIV_OBJS) $(PRIV)/priv.ld
	@echo "  LD $@"; $(PRIV_CC) $(PRIV_LINK) -T $(PRIV)/priv.ld -o $@ $(PRIV_OBJS)

-include $(wildcard $(PRIV_BUILD)/*.d)
