// Lets one system call fail that changes files below CHAOS_ROOT, or every one from it on.
//
// CHAOS_NTH: the number of the call, counted from 1; 0 only counts. CHAOS_ERRNO: the error. CHAOS_STAYS: set if all
// later calls fail too. CHAOS_COUNT: the file to which the number of calls is written at the end.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static long nth;
static int error_number;
static int stays;
static const char *root;
static const char *count_file;

__attribute__((constructor)) static void start(void) {
  const char *text = getenv("CHAOS_NTH");
  nth = text ? atol(text) : 0;
  text = getenv("CHAOS_ERRNO");
  error_number = text ? atoi(text) : EIO;
  stays = getenv("CHAOS_STAYS") != NULL;
  root = getenv("CHAOS_ROOT");
  count_file = getenv("CHAOS_COUNT");
}

__attribute__((destructor)) static void end(void) {
  if (!count_file) return;
  char text[32];
  int length = snprintf(text, sizeof text, "%ld", atomic_load(&calls));
  int fd = syscall(SYS_openat, AT_FDCWD, count_file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) return;
  if (syscall(SYS_write, fd, text, length) < 0) {}
  syscall(SYS_close, fd);
}

static int below(const char *path) { return root && path && strncmp(path, root, strlen(root)) == 0; }

static int fd_below(int fd) {
  char link[64], path[4096];
  int saved = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = saved;
  if (length <= 0) return 0;
  path[length] = 0;
  return below(path);
}

static int at_below(int folder, const char *path) {
  if (path && path[0] == '/') return below(path);
  return folder == AT_FDCWD ? 0 : fd_below(folder);
}

// Counts a call; returns whether it has to fail.
static int strikes(int ours) {
  if (!ours) return 0;
  long number = atomic_fetch_add(&calls, 1) + 1;
  if (nth == 0 || number < nth || (number > nth && !stays)) return 0;
  errno = error_number;
  return 1;
}

#define NEXT(type, name) static type (*next)(); if (!next) next = (type(*)())dlsym(RTLD_NEXT, #name)
#define WRAP(type, name, parameters, ours, arguments) \
  type name parameters { \
    NEXT(type, name); \
    if (strikes(ours)) return -1; \
    return next arguments; \
  }

#define OPEN(name, parameters, ours, arguments) \
  int name parameters { \
    NEXT(int, name); \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
    if ((flags & (O_CREAT | O_WRONLY | O_RDWR)) && strikes(ours)) return -1; \
    return next arguments; \
  }
OPEN(open, (const char *path, int flags, ...), below(path), (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), below(path), (path, flags, mode))
OPEN(openat, (int folder, const char *path, int flags, ...), at_below(folder, path), (folder, path, flags, mode))
OPEN(openat64, (int folder, const char *path, int flags, ...), at_below(folder, path), (folder, path, flags, mode))

WRAP(ssize_t, write, (int fd, const void *bytes, size_t size), fd_below(fd), (fd, bytes, size))
WRAP(ssize_t, writev, (int fd, const struct iovec *parts, int count), fd_below(fd), (fd, parts, count))
WRAP(ssize_t, pwrite, (int fd, const void *bytes, size_t size, off_t at), fd_below(fd), (fd, bytes, size, at))
WRAP(ssize_t, pwrite64, (int fd, const void *bytes, size_t size, off64_t at), fd_below(fd), (fd, bytes, size, at))
WRAP(int, rename, (const char *from, const char *to), below(to), (from, to))
WRAP(int, renameat, (int a, const char *from, int b, const char *to), at_below(b, to), (a, from, b, to))
WRAP(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), at_below(b, to), (a, from, b, to, flags))
WRAP(int, link, (const char *from, const char *to), below(to), (from, to))
WRAP(int, linkat, (int a, const char *from, int b, const char *to, int flags), at_below(b, to), (a, from, b, to, flags))
WRAP(int, symlink, (const char *target, const char *path), below(path), (target, path))
WRAP(int, symlinkat, (const char *target, int folder, const char *path), at_below(folder, path), (target, folder, path))
WRAP(int, unlink, (const char *path), below(path), (path))
WRAP(int, unlinkat, (int folder, const char *path, int flags), at_below(folder, path), (folder, path, flags))
WRAP(int, rmdir, (const char *path), below(path), (path))
WRAP(int, mkdir, (const char *path, mode_t mode), below(path), (path, mode))
WRAP(int, mkdirat, (int folder, const char *path, mode_t mode), at_below(folder, path), (folder, path, mode))
WRAP(int, fsync, (int fd), fd_below(fd), (fd))
WRAP(int, fdatasync, (int fd), fd_below(fd), (fd))
WRAP(int, syncfs, (int fd), fd_below(fd), (fd))
WRAP(int, ftruncate, (int fd, off_t size), fd_below(fd), (fd, size))
WRAP(int, ftruncate64, (int fd, off64_t size), fd_below(fd), (fd, size))
WRAP(int, fchmod, (int fd, mode_t mode), fd_below(fd), (fd, mode))
WRAP(int, chmod, (const char *path, mode_t mode), below(path), (path, mode))
WRAP(int, fchmodat, (int folder, const char *path, mode_t mode, int flags), at_below(folder, path), (folder, path, mode, flags))
WRAP(ssize_t, copy_file_range, (int a, off64_t *from, int b, off64_t *to, size_t size, unsigned flags), fd_below(b), (a, from, b, to, size, flags))
WRAP(ssize_t, sendfile, (int to, int from, off_t *at, size_t size), fd_below(to), (to, from, at, size))
WRAP(ssize_t, sendfile64, (int to, int from, off64_t *at, size_t size), fd_below(to), (to, from, at, size))
