/* children [AGAIN]: memory before and after fork, a fork behind the C library's back, vfork, exec; mappings. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *blocks[100];

__attribute__((noinline)) static char *make(size_t len_bytes) {
  return malloc(len_bytes); /* MAKE */
}

static void child(int count) {
  for (int i = 0; i < 50; i++)
    free(blocks[i]);
  for (int i = 0; i < count; i++)
    blocks[i] = make(500);
  _exit(0);
}

static void ended(pid_t pid) {
  int status;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
    exit(2);
}

int main(int argc, char **argv) {
  for (int i = 0; i < 100; i++)
    blocks[i] = make(1000);
  pid_t pid = fork();
  if (!pid)
    child(7);
  ended(pid);
  pid = syscall(SYS_fork);
  if (!pid)
    child(9);
  ended(pid);
  pid = vfork();
  if (!pid) {
    execl("/bin/true", "true", (char *)NULL);
    _exit(1);
  }
  ended(pid);
  for (int i = 0; i < 10; i++)
    free(blocks[i]);
  char *pages = mmap(NULL, 10 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* MMAP */
  munmap(pages + 4096, 4096);
  pages = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* MMAP_MOVED */
  pages = mremap(pages, 4 * 4096, 8 * 4096, MREMAP_MAYMOVE);                               /* MREMAP */
  fflush(stdout);
  if (argc > 1)
    execl(argv[0], argv[0], (char *)NULL);
  kill(getpid(), SIGKILL);
}
