/* Code that no tables describe: assembly, modules without .eh_frame or without its header,
 * code made at run time, code that was unloaded. Each stack ends with a reason, after what
 * came before. Arguments: VICTIM LIBRARIES (victim.c, built in several ways): LABEL=PATH… */
#include "walker.h"
#include <sys/mman.h>

void untabled_plain(void (*callback)(void));

static const char *label;

// chain assembly [NoCfi]: call_back
// chain generated [UnknownCode]: call_back
// chain no-header [NoCfi]: call_back
// chain no-tables [NoCfi]: call_back
static NOINLINE void call_back(void) {
  trace(label);
  KEEP();
}

/* sub $8, %rsp; call *%rdi; add $8, %rsp; ret */
static const uint8_t generated[] = {0x48, 0x83, 0xec, 0x08, 0xff, 0xd7, 0x48, 0x83, 0xc4, 0x08, 0xc3};

static void (*generate(void))(void (*)(void)) {
  void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(code, generated, sizeof generated);
  mprotect(code, 4096, PROT_READ | PROT_EXEC);
  return (void (*)(void (*)(void)))code;
}

int main(int argc, char **argv) {
  walker_prepare();
  know_stack();
  label = "assembly";
  untabled_plain(call_back);
  label = "generated";
  generate()(call_back);
  for (int i = 1; i < argc; i++) {
    char *path = strchr(argv[i], '=');
    *path++ = 0;
    label = argv[i];
    void *library = dlopen(path, RTLD_NOW);
    void (*enter)(void (*)(void)) = library ? (void (*)(void (*)(void)))dlsym(library, "victim_enter") : NULL;
    if (!enter)
      printf("wrong: %s\n", dlerror());
    else
      enter(call_back);
  }
  return 0;
}
