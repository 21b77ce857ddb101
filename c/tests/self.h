/* self.h - the test program's own addresses, as an ELF reader sees them. */
#ifndef SELF_H
#define SELF_H

#include <stddef.h>
#include <stdint.h>

/** The path of the running program. */
const char *self_path(void);

/** The file-virtual address of an address in the running program. */
uint64_t self_virt_addr(const void *abs_addr);

/** An address within the call of this function: its return address less one. */
const void *self_call_site(void) __attribute__((noinline));

#endif /* SELF_H */
