/* Runs one command and prints what it cost, for scripts/benching:
 *
 *   launch SECONDS INPUT OUTPUT COMMAND ARGUMENT...
 *
 * prints "STATUS CPU_MICROSECONDS WALL_MICROSECONDS PEAK_RSS_KB"; a command that
 * is not done after SECONDS is killed, with all that it started (status 137). The kernel counts to a child's
 * peak also the memory of the process that forked it, up to exec: a Python script
 * would hide every small tool behind its own 30 MB, this one does not. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile pid_t child;

static void too_long(int signal) {
  (void)signal;
  kill(-child, SIGKILL);
  kill(child, SIGKILL); /* should it have no group of its own yet */
}

static void redirect(const char *path, int flags, int to) {
  int from = open(path, flags | O_CLOEXEC, 0600);
  if (from < 0 || dup2(from, to) < 0) {
    perror(path);
    _exit(126);
  }
}

static long long microseconds(long long seconds, long long rest) { return seconds * 1000000 + rest; }

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: launch SECONDS INPUT OUTPUT COMMAND ARGUMENT...\n");
    return 2;
  }
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  child = fork();
  if (child < 0) {
    perror("fork");
    return 2;
  }
  if (child == 0) {
    setpgid(0, 0);
    redirect(argv[2], O_RDONLY, STDIN_FILENO);
    redirect(argv[3], O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect("/dev/null", O_WRONLY, STDERR_FILENO);
    execvp(argv[4], argv + 4);
    _exit(127);
  }
  signal(SIGALRM, too_long);
  alarm((unsigned)strtoul(argv[1], NULL, 10));
  int status;
  struct rusage usage;
  if (wait4(child, &status, 0, &usage) != child) {
    perror("wait4");
    return 2;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  long long cpu =
      microseconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec, usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  long long wall = microseconds(end.tv_sec - start.tv_sec, (end.tv_nsec - start.tv_nsec) / 1000);
  int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  printf("%d %lld %lld %ld\n", code, cpu, wall, usage.ru_maxrss);
  return 0;
}
