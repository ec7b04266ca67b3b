/* Answers as file systems do that lack an operation; preloaded, LACKS chooses which one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int lacks(const char *what) {
    const char *chosen = getenv("LACKS");
    return chosen && !strcmp(chosen, what);
}

int flock(int file, int operation) {
    if (lacks("flock")) {
        errno = ENOSYS;
        return -1;
    }
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    return real(file, operation);
}

int fsync(int file) {
    struct stat found;
    if (lacks("fsync") && !fstat(file, &found) && S_ISDIR(found.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    return real(file);
}

int posix_fallocate(int file, long begin, long length) {
    if (lacks("posix_fallocate"))
        return ENOSYS;
    int (*real)(int, long, long) = dlsym(RTLD_NEXT, "posix_fallocate");
    return real(file, begin, length);
}

int posix_fallocate64(int file, long begin, long length) {
    return posix_fallocate(file, begin, length);
}
