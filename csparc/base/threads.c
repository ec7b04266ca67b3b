#include "base/threads.h"

#include <stdatomic.h>

#include "base/thread_probe.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define CS_HAS_FORK 1
#endif

/* Read by calls on any thread, while another sets it. */
static atomic_int wanted = 1;
static atomic_int settings; /* how often that was set */
static atomic_int forked;

#ifdef CS_HAS_FORK
static void
after_fork_in_child(void)
{
    atomic_store(&forked, 1);
}
#endif

#ifdef _OPENMP
/* The size of a team that can be made now: `count`, or less where threads cannot be had. One thread
 * more than it takes is made, to leave memory for what OpenMP notes about them. */
static int
team_size(int count)
{
    int made = count > 1 ? cs_creatable_threads(count) : 1;
    return made < 1 ? 1 : made;
}

/* OpenMP makes the pool of a calling thread once for a size of team: as often it is tried here. */
static int
affordable(int count)
{
    static _Thread_local int probed_at = -1, granted = 1;
    int now = atomic_load(&settings);
    if (probed_at != now && !omp_in_parallel()) {
        granted = team_size(count);
        probed_at = now;
    }
    return probed_at == now && granted < count ? granted : count;
}
#else
static int
affordable(int count)
{
    return count;
}
#endif

int
cs_thread_count(void)
{
    return atomic_load(&forked) ? 1 : affordable(atomic_load(&wanted));
}

void
cs_set_thread_count(int count)
{
    atomic_store(&wanted, count < 1 ? 1 : count > CS_MOST_THREADS ? CS_MOST_THREADS : count);
    atomic_fetch_add(&settings, 1);
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
