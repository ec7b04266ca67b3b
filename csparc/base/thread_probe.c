#include "base/thread_probe.h"

#if defined(__unix__) || defined(__APPLE__)

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

/* Threads wait here until all have been made. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    int open;
} gate;

static void *
wait_at(void *given)
{
    gate *g = given;
    pthread_mutex_lock(&g->lock);
    while (!g->open)
        pthread_cond_wait(&g->opened, &g->lock);
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

/* The size OpenMP gives its stacks, from the variable it reads: a number and B, K, M or G, K if
 * there is none. 0: that of the system. */
static size_t
stack_size(const char *variable)
{
    const char *text = getenv(variable);
    if (text == NULL)
        return 0;
    char *end;
    unsigned long long size = strtoull(text, &end, 10);
    while (*end == ' ')
        end++;
    int shift = *end == 'B' || *end == 'b'   ? 0
                : *end == 'M' || *end == 'm' ? 20
                : *end == 'G' || *end == 'g' ? 30
                                             : 10;
    return size > SIZE_MAX >> shift ? 0 : (size_t)size << shift;
}

static void
set_stack(pthread_attr_t *attributes)
{
    size_t size = stack_size("OMP_STACKSIZE");
    if (size == 0)
        size = stack_size("GOMP_STACKSIZE");
    if (size > 0) /* what it cannot be, OpenMP ignores, too */
        (void)pthread_attr_setstacksize(attributes, size);
}

int
cs_creatable_threads(int count)
{
    pthread_t threads[CS_MOST_THREADS];
    pthread_attr_t attributes;
    gate g = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    int made = 0;
    if (pthread_attr_init(&attributes) != 0)
        return 0;
    set_stack(&attributes);
    while (made < count && made < CS_MOST_THREADS &&
           pthread_create(&threads[made], &attributes, wait_at, &g) == 0)
        made++;
    pthread_mutex_lock(&g.lock);
    g.open = 1;
    pthread_cond_broadcast(&g.opened);
    pthread_mutex_unlock(&g.lock);
    for (int i = 0; i < made; i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&attributes);
    return made;
}

#else

int
cs_creatable_threads(int count)
{
    return count;
}

#endif
