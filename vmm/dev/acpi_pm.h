/*
 * ACPI fixed hardware: PM1a event and control blocks, PM timer, SMI command.
 *
 *   base + 0   PM1a_STS, +2 PM1a_EN   (PM1a_EVT_BLK, 4 bytes)
 *   base + 4   PM1a_CNT               (2 bytes)
 *   base + 8   PM_TMR                 (4 bytes, 32-bit)
 *   B2h        SMI_CMD
 *
 * cfg: base = first port; irq[0] = SCI (level); irq[1] = power off, pulsed.
 */
#ifndef VMM_DEV_ACPI_PM_H
#define VMM_DEV_ACPI_PM_H
#include "vmm/dev/device.h"

extern const struct device_class acpi_pm_class;

#define ACPI_PM_BASE 0x600u
#define ACPI_PM_CNT  4u
#define ACPI_PM_TMR  8u
#define ACPI_SMI_CMD 0xb2u
#define ACPI_ENABLE  0xa1u
#define ACPI_DISABLE 0xa0u
/* Small kernels write 2000h to port 604h without reading the tables, for that
 * is what QEMU's boards take; so the type is theirs. */
#define ACPI_SLP_TYP_S5 0u
#define ACPI_PM_HZ      3579545u
#endif
