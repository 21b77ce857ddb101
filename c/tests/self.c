#include "self.h"

#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

const char *self_path(void) {
  static char path[PATH_MAX];
  if (path[0] == '\0') {
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (len < 0)
      abort();
    path[len] = '\0';
  }
  return path;
}

/* The program itself is the first object that dl_iterate_phdr shows. */
static int first_bias(struct dl_phdr_info *info, size_t size, void *bias_out) {
  (void)size;
  *(uintptr_t *)bias_out = info->dlpi_addr;
  return 1;
}

uint64_t self_virt_addr(const void *abs_addr) {
  uintptr_t bias = 0;
  dl_iterate_phdr(first_bias, &bias);
  return (uintptr_t)abs_addr - bias;
}

const void *self_call_site(void) { return (const char *)__builtin_return_address(0) - 1; }
