// Package blobtest calls open, read, pread and close from C, as a library that
// is linked into the process does, so that tests of blob need no engine.
package blobtest

/*
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int openRead(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }
static int openWrite(const char *path) { return open(path, O_RDWR | O_CLOEXEC); }
*/
import "C"

import "unsafe"

// Open opens path for reading and gives the descriptor or an errno.
func Open(path string) (int, error) {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	fd, err := C.openRead(p)
	if fd < 0 {
		return -1, err
	}
	return int(fd), nil
}

// OpenWrite opens path for reading and writing.
func OpenWrite(path string) (int, error) {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	fd, err := C.openWrite(p)
	if fd < 0 {
		return -1, err
	}
	return int(fd), nil
}

// Pread calls pread.
func Pread(fd int, p []byte, off int64) (int, error) {
	n, err := C.pread(C.int(fd), unsafe.Pointer(unsafe.SliceData(p)), C.size_t(len(p)), C.off_t(off))
	if n < 0 {
		return -1, err
	}
	return int(n), nil
}

// Read calls read.
func Read(fd int, p []byte) (int, error) {
	n, err := C.read(C.int(fd), unsafe.Pointer(unsafe.SliceData(p)), C.size_t(len(p)))
	if n < 0 {
		return -1, err
	}
	return int(n), nil
}

// Close calls close.
func Close(fd int) { C.close(C.int(fd)) }
