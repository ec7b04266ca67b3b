/* Threads. The only place that knows OpenMP; without it everything runs on the calling thread.
 *
 * Two loops, CS_EACH and CS_EACH_DYNAMIC, run an expression for every index below a count. Their
 * iterations write disjoint outputs, so no result depends on the number of threads or on which of
 * them ran an iteration. The caller says how many threads to use: cs_threads_for() and the two
 * functions beside it decide whether the work is worth more than one.
 */
#ifndef CS_THREADS_H
#define CS_THREADS_H

#include <stddef.h>

/* Threads a parallel loop started now would use: what cs_set_thread_count last set; fewer where so
 * many cannot be made (base/thread_probe.h), which every calling thread finds out once after each
 * setting; and 1 in a child made by fork(), because the pool of the parent's OpenMP run time does
 * not exist there. */
int cs_thread_count(void);

/* At least 1; values above 1024 are taken as 1024. */
void cs_set_thread_count(int count);

/* Watch for fork(). Called once, when the module is loaded. */
void cs_threads_init(int count);

#ifdef _OPENMP
int cs_thread_id(void); /* 0 .. cs_thread_count() - 1 inside a parallel loop, 0 outside */
int cs_processor_count(void);

#define CS_PRAGMA(text) _Pragma(#text)
#define CS_ON_THREADS(kind, count) \
    CS_PRAGMA(omp parallel for schedule(kind) num_threads((int)(count)))
#else
#define cs_thread_id() 0
#define cs_processor_count() 1
#define CS_ON_THREADS(kind, count)
#endif

/* Indices of equal cost. On one thread nothing of OpenMP is entered, whose teams cost a quarter of
 * a microsecond even then: small calls run these loops, too. */
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

/* Indices of unequal cost, taken one by one by whichever thread is free. `call` may use `thread`,
 * below `threads`, to find scratch of its own. */
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

/* Work worth waking threads for, by its kind. Waking them takes about 10 microseconds, in which one
 * thread does about this much. */
enum {
    CS_ENTRIES_WORTH_THREADS = 65536, /* numbers read or written, a few operations on each */
    CS_TERMS_WORTH_THREADS = 400000,  /* multiply-adds of a product */
    CS_EXPS_WORTH_THREADS = 4096      /* exp or log of a number, by the C library */
};

/* All threads if `worth`, else the calling one alone. */
static inline size_t
cs_threads_if(int worth)
{
    return worth ? (size_t)cs_thread_count() : 1;
}

/* The same for a loop of `pieces` iterations that pass over so many entries, or take so many exps,
 * in all. */
static inline size_t
cs_threads_for_entries(size_t pieces, size_t entries)
{
    return cs_threads_if(pieces > 1 && entries > CS_ENTRIES_WORTH_THREADS);
}

static inline size_t
cs_threads_for_exps(size_t pieces, size_t exps)
{
    return cs_threads_if(pieces > 1 && exps > CS_EXPS_WORTH_THREADS);
}

/* `threads`, for which scratch was measured, if `pieces` of work of so many multiply-adds in all
 * are worth them, else 1. */
static inline size_t
cs_threads_for(size_t threads, size_t pieces, size_t terms)
{
    return pieces > 1 && terms > CS_TERMS_WORTH_THREADS ? threads : 1;
}

#endif
