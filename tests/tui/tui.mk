# What looks at the screen in the terminal tests, and the golden tests' guest.

.PHONY: tui-bins
tui-bins: $(BUILD)/tests/viewer $(BUILD)/guests/golden.elf
unit-bins: tui-bins

$(BUILD)/tests/viewer: tests/tui/viewer.c
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(ALLFLAGS) -o $@ $< -lvterm -lutil

$(BUILD)/guests/golden.elf: tests/golden/guest.S
	@mkdir -p $(@D)
	@echo "  LD $@"; gcc -m32 -g -nostdlib -static -no-pie \
	    -Wl,--build-id=none -Wl,--no-warn-rwx-segments \
	    -Wl,-z,noexecstack -Wl,-e,start -Wl,-Ttext-segment=0x100000 -o $@ $<
