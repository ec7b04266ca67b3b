/* How many threads can be made now, found by making them.
 *
 * GNU's OpenMP ends the process where a thread of a team cannot be made: under a limit on
 * processes or on memory, as containers and clusters set them. Threads made here, with the stacks
 * OpenMP would give them, fail without harm.
 */
#ifndef CS_THREAD_PROBE_H
#define CS_THREAD_PROBE_H

enum { CS_MOST_THREADS = 1024 };

/* Of `count` threads, at most CS_MOST_THREADS, how many could be made side by side; they have ended
 * when this returns. About 20 microseconds a thread. Where there are no POSIX threads: `count`. */
int cs_creatable_threads(int count);

#endif
