# The classic kernel: what teaching kernels ask of the board.  Included by the
# top Makefile; adds to its goal `guests`: $(BUILD)/guests/classic.img, to boot,
# and classic-disk.img, its second disk.

CLASSIC       := tests/guest/classic
CLASSIC_BUILD := $(BUILD)/guests/classic
CLASSIC_CC    := gcc -m32 -march=i686
CLASSIC_FLAGS := -std=gnu17 -O1 -g -ffreestanding -fno-pic -fno-pie \
                 -fno-stack-protector -fno-asynchronous-unwind-tables \
                 -fcf-protection=none -mgeneral-regs-only \
                 -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror

guests: $(BUILD)/guests/classic.img $(BUILD)/guests/classic-disk.img

$(CLASSIC_BUILD)/%.o: $(CLASSIC)/% $(CLASSIC)/layout.h
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CLASSIC_CC) $(CLASSIC_FLAGS) -c -o $@ $<

$(BUILD)/guests/classic.img: $(CLASSIC_BUILD)/boot.S.o \
                             $(CLASSIC_BUILD)/main.c.o $(CLASSIC)/classic.ld
	@echo "  IMG $@"
	@$(CLASSIC_CC) -E -P -x c -o $(CLASSIC_BUILD)/ld $(CLASSIC)/classic.ld
	@$(CLASSIC_CC) -nostdlib -static -no-pie -Wl,--build-id=none \
	    -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -T $(CLASSIC_BUILD)/ld \
	    -o $(CLASSIC_BUILD)/elf $(filter %.o,$^)
	@objcopy -O binary $(CLASSIC_BUILD)/elf $@
	@truncate -s 32K $@

$(BUILD)/guests/classic-disk.img:
	@mkdir -p $(@D)
	@{ head -c 512 /dev/zero; echo 'hello from sector 1'; } >$@
	@truncate -s 64K $@
