// Slows fsync and fdatasync of a process down while a file exists: LD_PRELOAD of the `slow fsync` fault in hosts.py.
// SLOW_FSYNC_WHILE names the file, SLOW_FSYNC_MS says how long each takes more.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_if_told(void) {
    const char *file = getenv("SLOW_FSYNC_WHILE"), *ms = getenv("SLOW_FSYNC_MS");
    if (file && ms && access(file, F_OK) == 0) usleep(atoi(ms) * 1000);
}

int fsync(int fd) {
    static int (*next)(int);
    if (!next) next = dlsym(RTLD_NEXT, "fsync");
    wait_if_told();
    return next(fd);
}

int fdatasync(int fd) {
    static int (*next)(int);
    if (!next) next = dlsym(RTLD_NEXT, "fdatasync");
    wait_if_told();
    return next(fd);
}
