/* Preloaded: tells the stack wherever a thread is created. Labels count: thread-0, thread-1 … */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    static atomic_int count;
    create *real = (create *)dlsym(RTLD_NEXT, "pthread_create");
    void (*probe)(const char *) = (void (*)(const char *))dlsym(RTLD_DEFAULT, "ffikit_probe");
    char label[32];
    snprintf(label, sizeof label, "thread-%d", atomic_fetch_add(&count, 1));
    probe(label);
    return real(thread, attributes, start, argument);
}
