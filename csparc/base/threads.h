/* Threads. The only place that knows OpenMP: ops write CS_PARALLEL_FOR before a for loop whose
 * iterations write disjoint outputs. Without OpenMP everything runs serially. */
#ifndef CS_THREADS_H
#define CS_THREADS_H

#include <stddef.h>

/* Threads a parallel loop started now would use: what cs_set_thread_count last set, and 1 in a
 * child made by fork(), because the pool of the parent's OpenMP run time does not exist there. */
int cs_thread_count(void);

/* At least 1; values above 1024 are taken as 1024. */
void cs_set_thread_count(int count);

/* Watch for fork(). Called once, when the module is loaded. */
void cs_threads_init(int count);

#ifdef _OPENMP
int cs_thread_id(void); /* 0 .. cs_thread_count() - 1 inside a parallel loop, 0 outside */
int cs_processor_count(void);

#define CS_PRAGMA(text) _Pragma(#text)
#define CS_PARALLEL_FOR CS_PRAGMA(omp parallel for schedule(static) num_threads(cs_thread_count()))
/* On this thread alone unless it is worth waking the others (about 10 microseconds of work). */
#define CS_PARALLEL_FOR_IF(worth) \
    CS_PRAGMA(omp parallel for schedule(static) num_threads(cs_thread_count()) if (worth))
/* For iterations of unequal cost. Which thread runs which is luck; results must not
 * depend on it. */
#define CS_PARALLEL_FOR_DYNAMIC \
    CS_PRAGMA(omp parallel for schedule(dynamic, 1) num_threads(cs_thread_count()))
/* The same on at most `count` threads: for loops whose scratch was measured for that many. */
#define CS_PARALLEL_FOR_DYNAMIC_ON(count) \
    CS_PRAGMA(omp parallel for schedule(dynamic, 1) num_threads((int)(count)))
#define CS_ON_THREADS(kind, count) \
    CS_PRAGMA(omp parallel for schedule(kind) num_threads((int)(count)))
#else
#define cs_thread_id() 0
#define cs_processor_count() 1
#define CS_PARALLEL_FOR
#define CS_PARALLEL_FOR_IF(worth) (void)(worth);
#define CS_PARALLEL_FOR_DYNAMIC
#define CS_PARALLEL_FOR_DYNAMIC_ON(count) (void)(count);
#define CS_ON_THREADS(kind, count)
#endif

/* For loops that small calls run, too: `call`, an expression of `index`, for every index below
 * `count`. On one thread nothing of OpenMP is entered, whose teams cost a quarter of a microsecond
 * even then. Results must not depend on `threads`. */
#define CS_EACH(index, count, threads, call)                                           \
    do {                                                                               \
        if ((threads) > 1) {                                                           \
            CS_ON_THREADS(static, threads)                                             \
            for (size_t index = 0; index < (count); index++)                           \
                call;                                                                  \
        } else {                                                                       \
            for (size_t index = 0; index < (count); index++)                           \
                call;                                                                  \
        }                                                                              \
    } while (0)
/* The same for indices of unequal cost; `call` may find scratch by `thread`, below `threads`. */
#define CS_EACH_DYNAMIC(index, thread, count, threads, call)                           \
    do {                                                                               \
        if ((threads) > 1) {                                                           \
            CS_ON_THREADS(dynamic, threads)                                            \
            for (size_t index = 0; index < (count); index++) {                         \
                size_t thread = (size_t)cs_thread_id();                                \
                (void)thread;                                                          \
                call;                                                                  \
            }                                                                          \
        } else {                                                                       \
            enum { thread = 0 };                                                       \
            for (size_t index = 0; index < (count); index++)                           \
                call;                                                                  \
        }                                                                              \
    } while (0)

/* Of `threads`, how many to use for `pieces` of work, `terms` multiply-adds in all: one where
 * waking the others would take as long as the work (about 10 microseconds). */
static inline size_t
cs_threads_for(size_t threads, size_t pieces, size_t terms)
{
    enum { WORTH = 400000 };
    return pieces > 1 && terms > WORTH ? threads : 1;
}

/* Threads for a loop: all of them where the work is worth waking them (10 microseconds). */
static inline size_t
cs_threads_if(int worth)
{
    return worth ? (size_t)cs_thread_count() : 1;
}

#endif
