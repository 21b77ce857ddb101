/* Other threads load and unload a library while this one walks through it: through its
 * code, tables and headers that may be gone at any instruction. Arguments: COPY-OF-VICTIM… MILLISECONDS.
 *
 * The walked stack is forged: return addresses into where the libraries lay lately. */
#include "walker.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static atomic_bool is_over;
static _Atomic uint64_t entries[16]; /* where victim_enter is, or was */
static atomic_ulong loads, walks, found;

struct library {
  const char *path;
  int index;
};

static void *load_and_unload(void *argument) {
  struct library *of = (struct library *)argument;
  while (!is_over) {
    void *library = dlopen(of->path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      printf("wrong: %s\n", dlerror());
      return NULL;
    }
    entries[of->index] = (uint64_t)dlsym(library, "victim_enter");
    loads++;
    dlclose(library);
    walker_forget();
  }
  return NULL;
}

static NOINLINE void walk_forged(uint64_t seed, int count) {
  uint64_t words[64];
  struct stack stack = {{0}, 0, 0};
  for (int i = 0; i < 64; i++)
    words[i] = entries[(seed + (uint64_t)i) % (uint64_t)count] + (seed * 7 + (uint64_t)i * 13) % 24;
  uint64_t registers[8] = {words[0], (uint64_t)words, (uint64_t)(words + 8)};
  stack.len = walker_from(registers, own_bounds, stack.frames, 64, &stack.end);
  found += stack.len > 0;
  if (stack.end >= ENDS)
    printf("wrong: end %u\n", stack.end);
  walks++;
}

static void *walk_always(void *argument) {
  know_stack();
  for (uint64_t seed = 1; !is_over; seed++)
    walk_forged(seed, *(int *)argument);
  return NULL;
}

int main(int argc, char **argv) {
  walker_prepare();
  walker_compare_trails(false); /* code goes while it is walked through */
  know_stack();
  int count = argc - 2;
  pthread_t loaders[16], walkers[2];
  struct library libraries[16];
  for (int i = 0; i < count; i++) {
    libraries[i] = (struct library){argv[1 + i], i};
    pthread_create(&loaders[i], NULL, load_and_unload, &libraries[i]);
  }
  for (int i = 0; i < 2; i++)
    pthread_create(&walkers[i], NULL, walk_always, &count);
  struct timespec time = {0, 1000000};
  for (int i = atoi(argv[argc - 1]); i > 0 || loads < 50 || walks < 1000; i--)
    nanosleep(&time, NULL);
  is_over = true;
  for (int i = 0; i < count; i++)
    pthread_join(loaders[i], NULL);
  for (int i = 0; i < 2; i++)
    pthread_join(walkers[i], NULL);
  printf("loads %lu walks %lu with frames %lu\n", loads, walks, found);
  return 0;
}
