/* The calls by which a library in this process reaches files, wrapped by the
   linker (ld's --wrap). A descriptor that was opened by a mounted path belongs
   to a mount, and its reads are answered by Go; for every other one the cost is
   one look into a table. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "_cgo_export.h"
#include "wrap.h"

int __real_open(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __real_pread(int fd, void *buf, size_t n, off_t off);
int __real_close(int fd);

enum { MAX_FD = 65536 };

static _Atomic uint32_t owner[MAX_FD]; /* mount of a descriptor; 0: none */
static atomic_int mounts;

void lakeport_mounts_add(int n) { atomic_fetch_add(&mounts, n); }

static uint32_t owner_of(int fd) {
  return fd >= 0 && fd < MAX_FD ? atomic_load_explicit(&owner[fd], memory_order_acquire) : 0;
}

int __wrap_open(const char *path, int flags, ...) {
  mode_t mode = 0;
  if (flags & (O_CREAT | O_TMPFILE)) {
    va_list ap;
    va_start(ap, flags);
    mode = (mode_t)va_arg(ap, int);
    va_end(ap);
  }
  uint32_t id = atomic_load(&mounts) > 0 ? lakeportFind((char *)path) : 0;
  if (id == 0) return __real_open(path, flags, mode);
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)) {
    errno = EROFS;
    return -1;
  }
  /* What is received for a read is written to the file before the read returns. */
  int fd = __real_open(path, (flags & ~O_ACCMODE) | O_RDWR | O_CLOEXEC);
  if (fd >= MAX_FD) {
    __real_close(fd);
    errno = EMFILE;
    return -1;
  }
  if (fd >= 0) atomic_store_explicit(&owner[fd], id, memory_order_release);
  return fd;
}

static ssize_t answer(uint32_t id, int fd, void *buf, size_t n, off_t off) {
  int64_t got = lakeportRead(id, fd, buf, n, off);
  if (got >= 0) return (ssize_t)got;
  errno = (int)-got;
  return -1;
}

ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t off) {
  uint32_t id = owner_of(fd);
  return id ? answer(id, fd, buf, n, off) : __real_pread(fd, buf, n, off);
}

ssize_t __wrap_read(int fd, void *buf, size_t n) {
  uint32_t id = owner_of(fd);
  if (!id) return __real_read(fd, buf, n);
  off_t off = lseek(fd, 0, SEEK_CUR);
  if (off < 0) return -1;
  ssize_t got = answer(id, fd, buf, n, off);
  if (got > 0 && lseek(fd, off + got, SEEK_SET) < 0) return -1;
  return got;
}

int __wrap_close(int fd) {
  /* Cleared first: once closed, the number may already be another file. */
  if (fd >= 0 && fd < MAX_FD) atomic_store_explicit(&owner[fd], 0, memory_order_release);
  return __real_close(fd);
}
