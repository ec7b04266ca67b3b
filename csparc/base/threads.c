#include "base/threads.h"

#include <stdatomic.h>

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define CS_HAS_FORK 1
#endif

enum { MOST_THREADS = 1024 };

/* Read by calls on any thread, while another sets it. */
static atomic_int wanted = 1;
static atomic_int forked = 0;

#ifdef CS_HAS_FORK
static void
after_fork_in_child(void)
{
    forked = 1;
}
#endif

int
cs_thread_count(void)
{
    return forked ? 1 : wanted;
}

void
cs_set_thread_count(int count)
{
    wanted = count < 1 ? 1 : count > MOST_THREADS ? MOST_THREADS : count;
}

void
cs_threads_init(int count)
{
    cs_set_thread_count(count);
#ifdef CS_HAS_FORK
    static int watching = 0;
    if (!watching && pthread_atfork(NULL, NULL, after_fork_in_child) == 0)
        watching = 1;
#endif
}

#ifdef _OPENMP
int
cs_thread_id(void)
{
    return omp_get_thread_num();
}

int
cs_processor_count(void)
{
    return omp_get_num_procs();
}
#endif
