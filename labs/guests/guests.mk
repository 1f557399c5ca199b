# The built-in guests.  Included by the top Makefile; adds to its goal `guests`.
#
#   $(BUILD)/guests/teach.elf   the teaching kernel, multiboot, with symbols
#   $(BUILD)/guests/teach.img   the same as a disk image with a boot sector
#   $(BUILD)/guests/ports.img   a boot sector in real mode, and what exits it has

TEACH       := labs/guests/teach
TEACH_BUILD := $(BUILD)/guests/teach
TEACH_CC    := gcc -m32 -march=i686
TEACH_FLAGS := -std=gnu17 -O1 -g -ffreestanding -fno-pic -fno-pie \
               -fno-stack-protector -fno-asynchronous-unwind-tables \
               -fno-omit-frame-pointer -fcf-protection=none \
               -mgeneral-regs-only -fno-tree-loop-distribute-patterns \
               $(WARN) $(WERROR)
TEACH_LINK  := -nostdlib -static -no-pie -Wl,--build-id=none \
               -Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096

TEACH_KERNEL := $(addprefix $(TEACH_BUILD)/, boot.S.o trap.S.o switch.S.o \
                  $(patsubst $(TEACH)/%,%.o,$(sort $(wildcard $(TEACH)/*.c))) \
                  files.o)
TEACH_PROGS  := $(filter-out ulib,$(patsubst $(TEACH)/user/%.c,%,$(sort \
                  $(wildcard $(TEACH)/user/*.c))))
TEACH_TEXTS  := $(notdir $(sort $(wildcard $(TEACH)/files/*)))

INSTALL_GUESTS += $(BUILD)/guests/teach.elf $(BUILD)/guests/teach.img \
                  $(BUILD)/guests/ports.img

guests: $(BUILD)/guests/teach.elf $(BUILD)/guests/teach.img \
        $(BUILD)/guests/ports.img

$(TEACH_BUILD)/%.c.o: $(TEACH)/%.c
	@mkdir -p $(@D)
	@echo "  CC $<"; $(TEACH_CC) $(TEACH_FLAGS) -MMD -MP -c -o $@ $<

$(TEACH_BUILD)/%.S.o: $(TEACH)/%.S
	@mkdir -p $(@D)
	@echo "  AS $<"; $(TEACH_CC) -g -MMD -MP -c -o $@ $<

# Programs, each with the library; what is embedded has no symbols.
$(TEACH_BUILD)/user/%.elf: $(TEACH_BUILD)/user/%.c.o \
    $(TEACH_BUILD)/user/ulib.c.o $(TEACH_BUILD)/format.c.o \
    $(TEACH)/user/user.ld
	@echo "  LD $@"; $(TEACH_CC) $(TEACH_LINK) -T $(TEACH)/user/user.ld \
	    -o $@ $(filter %.o,$^)

$(TEACH_BUILD)/file/%: $(TEACH_BUILD)/user/%.elf
	@mkdir -p $(@D)
	@objcopy --strip-all $< $@

$(TEACH_BUILD)/file/%: $(TEACH)/files/%
	@mkdir -p $(@D)
	@cp $< $@

# The file table: names, contents, and where each begins and ends.
$(TEACH_BUILD)/files.S: $(TEACH)/mkfiles.sh $(addprefix $(TEACH_BUILD)/file/,$(TEACH_PROGS) $(TEACH_TEXTS))
	@sh $(TEACH)/mkfiles.sh $(filter-out %.sh,$^) >$@

$(TEACH_BUILD)/files.o: $(TEACH_BUILD)/files.S
	@$(TEACH_CC) -c -o $@ $<

$(BUILD)/guests/teach.elf: $(TEACH_KERNEL) $(TEACH)/kernel.ld
	@echo "  LD $@"; $(TEACH_CC) $(TEACH_LINK) -T $(TEACH)/kernel.ld \
	    -o $@ $(TEACH_KERNEL)

# The disk image: a boot sector that knows how long the kernel behind it is.
$(TEACH_BUILD)/flat: $(BUILD)/guests/teach.elf
	@objcopy -O binary $< $@

$(BUILD)/guests/teach.img: $(TEACH)/bootsect.S $(TEACH_BUILD)/flat
	@echo "  IMG $@"; sh $(TEACH)/mkimage.sh "$(TEACH_CC)" \
	    $(TEACH)/bootsect.S $(TEACH_BUILD)/flat $(BUILD)/guests/teach.elf $@

$(BUILD)/guests/ports.img: labs/guests/ports/ports.S
	@mkdir -p $(@D)
	@echo "  IMG $@"; $(TEACH_CC) $(TEACH_LINK) -Wl,-Ttext=0x7c00 \
	    -Wl,--oformat=binary -o $@ $<

.SECONDARY:
-include $(wildcard $(TEACH_BUILD)/*.d $(TEACH_BUILD)/user/*.d)

# What types to the guests in tests.
guests: $(BUILD)/tests/typist
$(BUILD)/tests/typist: tests/guest/tools/typist.c
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(ALLFLAGS) -o $@ $<
