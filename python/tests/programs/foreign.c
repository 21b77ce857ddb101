/* A libffikit.so.0 of somebody else: the right name, the ABI version asked for. */
#include <stdint.h>

uint32_t ffikit_abi_version(void) { return ABI; }
