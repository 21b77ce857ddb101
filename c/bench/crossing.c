/* Prints the nanoseconds that one call from C into the Go core takes:
 * ffikit_report_count, which checks a handle and returns a number. */
#include <ffikit/ffikit.h>
#include <stdio.h>
#include <time.h>

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(void) {
  ffikit_report reports = {0};
  if (ffikit_report_parse(NULL, 0, NULL, &reports, NULL) != FFIKIT_OK)
    return 1;
  size_t count = 0;
  const int calls = 500000;
  double start = 0;
  for (int i = -calls / 10; i < calls; i++) {
    if (i == 0)
      start = seconds(); /* the calls before were to warm up */
    if (ffikit_report_count(reports, &count, NULL) != FFIKIT_OK)
      return 1;
  }
  printf("%.1f\n", (seconds() - start) / calls * 1e9);
  ffikit_report_free(reports);
  return 0;
}
