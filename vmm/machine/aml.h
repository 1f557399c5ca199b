/*
 * Just enough ACPI Machine Language to describe ISA devices: a writer of bytes
 * (ACPI 2.0 ch. 17).  Names are four characters, padded with '_'.
 */
#ifndef VMM_MACHINE_AML_H
#define VMM_MACHINE_AML_H
#include "vmm/base/base.h"

struct aml {
    uint8_t *at; /* where the next byte goes; the caller sees to the room */
};

/* An open block: where its length goes. */
struct aml_block {
    uint8_t *length;
};

struct aml_device {
    const char *name; /* 4 characters */
    const char *hid;  /* EISA ID, "PNP0303" */
    unsigned uid;     /* 0: none */
    struct aml_io {
        uint16_t base;
        uint8_t len; /* 0: no range */
    } io[2];
    uint16_t irqs; /* bit n: ISA IRQ n */
};

void aml_name_package(struct aml *aml, const char *name, const uint8_t *bytes,
                      unsigned count);
struct aml_block aml_scope_begin(struct aml *aml, const char *name);
void aml_block_end(struct aml *aml, struct aml_block block);
void aml_put_device(struct aml *aml, const struct aml_device *dev);
#endif
