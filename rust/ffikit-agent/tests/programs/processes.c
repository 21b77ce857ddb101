// processes.c KIND: programs that fork, exec, unload, close what they did not open, and end abruptly.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define CHECK(what) do { if (!(what)) { printf("failed: %s (%d)\n", #what, __LINE__); fflush(stdout); abort(); } } while (0)

NOINLINE static char *make(size_t n) {
    char *p = malloc(n); /* ALLOC */
    CHECK(p);
    return p;
}
NOINLINE static int use(volatile char *p) {
    return p[0]; /* USE */
}
// One report; the program goes on (halt_on_error=0).
NOINLINE static int fault(void) {
    char *p = make(24);
    free(p); /* FREE */
    return use(p) & 0;
}
NOINLINE static int child_fault(void) {
    return fault(); /* CHILD */
}
NOINLINE static int parent_fault(void) {
    return fault(); /* PARENT */
}

static void wait_for(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

NOINLINE static void forks(void) {
    char *before = make(10); // allocated by the parent, used after free by the child
    parent_fault();
    pid_t child = fork();
    if (child == 0) {
        free(before);
        use(before);
        child_fault();
        exit(0);
    }
    wait_for(child);
    printf("child %d\n", child);
    free(before);
    parent_fault();
}

static int in_clone(void *arg) {
    (void)arg;
    child_fault();
    return 0;
}

NOINLINE static void vforks(char **argv) {
    parent_fault();
    pid_t child = vfork();
    if (child == 0) {
        execl("/proc/self/exe", argv[0], "one", (char *)NULL);
        _exit(1);
    }
    wait_for(child);
    printf("child %d\n", child);
    // A child that shares our memory, with a number of its own.
    size_t len = 1 << 20;
    char *stack = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    child = clone(in_clone, stack + len, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    CHECK(child > 0);
    wait_for(child);
    printf("child %d\n", child);
    parent_fault();
}

NOINLINE static void closes(void) {
    parent_fault();
    for (int fd = 3; fd < 4096; fd++)
        close(fd);
    int fds[700];
    for (int i = 0; i < 700; i++)
        CHECK((fds[i] = open("/dev/zero", O_RDONLY)) == 3 + i);
    int mine = memfd_create("mine", 0);
    for (int i = 0; i < 700; i++) // whatever number was ours is now the program's
        CHECK(dup2(mine, fds[i]) == fds[i]);
    parent_fault();
    // The sanitizer writes its log there, which is text. Records have zeros.
    size_t len = lseek(mine, 0, SEEK_END);
    char *text = malloc(len + 1);
    CHECK(pread(mine, text, len, 0) == (ssize_t)len && !memchr(text, 0, len));
    free(text);
    CHECK(chdir("/") == 0);
    parent_fault();
}

NOINLINE static void unloads(const char *library) {
    for (int i = 0; i < 3; i++) {
        void *handle = dlopen(library, RTLD_NOW);
        CHECK(handle);
        char *(*plugin_make)(void);
        *(void **)&plugin_make = dlsym(handle, "plugin_make");
        char *p = plugin_make();
        CHECK(dlclose(handle) == 0);
        CHECK(dlopen(library, RTLD_NOW | RTLD_NOLOAD) == NULL);
        free(p);
        use(p);
    }
}

NOINLINE static void errnos(void) {
    for (int i = 1; i < 5000; i++) {
        errno = i;
        free(malloc(i % 300 + 1));
        CHECK(errno == i);
        char *p = malloc(i);
        CHECK(errno == i);
        p = realloc(p, 3 * i);
        CHECK(errno == i);
        free(p);
        CHECK(errno == i);
    }
}

static void *small(void *arg) {
    return free(malloc(100)), arg;
}
NOINLINE static void small_stacks(void) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstacksize(&attributes, 64 << 10) == 0);
    for (int i = 0; i < 50; i++) {
        pthread_t t;
        void *result;
        CHECK(pthread_create(&t, &attributes, small, &t) == 0);
        CHECK(pthread_join(t, &result) == 0 && result == &t);
    }
    // A stack of the program's own making.
    size_t len = 256 << 10;
    void *stack = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pthread_attr_setstack(&attributes, stack, len) == 0);
    pthread_t t;
    CHECK(pthread_create(&t, &attributes, small, NULL) == 0 && pthread_join(t, NULL) == 0);
}

static void alternate(int signal) {
    (void)signal;
    free(malloc(33));
    fault();
}
NOINLINE static void alternate_stack(void) {
    stack_t stack = {.ss_sp = mmap(NULL, 256 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), .ss_size = 256 << 10};
    struct sigaction action = {.sa_handler = alternate, .sa_flags = SA_ONSTACK};
    CHECK(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    raise(SIGUSR1); /* ALTERNATE */
}

int main(int argc, char **argv) {
    const char *kind = argc > 1 ? argv[1] : "";
    if (!strcmp(kind, "one"))
        parent_fault(); /* ONE */
    if (!strcmp(kind, "forks"))
        forks();
    if (!strcmp(kind, "vforks"))
        vforks(argv);
    if (!strcmp(kind, "exec")) {
        parent_fault();
        parent_fault();
        execl("/proc/self/exe", argv[0], "one", (char *)NULL);
        return 1;
    }
    if (!strcmp(kind, "closes"))
        closes();
    if (!strcmp(kind, "unloads"))
        unloads(argv[2]);
    if (!strcmp(kind, "errno"))
        errnos();
    if (!strcmp(kind, "small"))
        small_stacks();
    if (!strcmp(kind, "alternate"))
        alternate_stack();
    if (!strcmp(kind, "killed")) {
        parent_fault();
        raise(SIGKILL);
    }
    if (!strcmp(kind, "_exit")) {
        parent_fault();
        _exit(0);
    }
    printf("done\n");
    return 0;
}
