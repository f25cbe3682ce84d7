"""Sets the clock for one instance alone: a small preloaded library adds an offset to the real time.

The monotonic clock, and the databases' clocks, stay as they are.
"""

import os
import shutil
import struct
import subprocess
from pathlib import Path

FILE = "clock-offset"
SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t nothing = 0;
static volatile int64_t *offset = &nothing; /* seconds */

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("CANDID_FAULTS_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *seen = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
    if (seen != MAP_FAILED) offset = seen;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += *offset;
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


def prepare(folder: Path) -> dict[str, str]:
    """Environment variables that give a process this clock; none if the library cannot be built."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler or os.uname().sysname != "Linux":
        return {}
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(SOURCE)
    built = subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source], capture_output=True)
    if built.returncode:
        return {}
    set_offset(folder / FILE, 0)
    return {"LD_PRELOAD": str(library), "CANDID_FAULTS_CLOCK": str(folder / FILE)}


def set_offset(file: Path, seconds: int) -> None:
    """Set the clock this many seconds ahead; behind, if negative."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(descriptor, struct.pack("=q", seconds), 0)
    finally:
        os.close(descriptor)
