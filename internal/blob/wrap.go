package blob

/*
#cgo LDFLAGS: -Wl,-wrap=open -Wl,-wrap=read -Wl,-wrap=pread -Wl,-wrap=close
#include <stdint.h>
#include <stddef.h>
#include "wrap.h"
*/
import "C"

import (
	"fmt"
	"runtime/debug"
	"sync"
	"syscall"
	"unsafe"
)

// mounts is what the wrapped calls know: one table for the process, as there is
// one linked library. An id is never used twice.
var mounts = struct {
	sync.RWMutex
	last   uint32
	byID   map[uint32]*mount
	byPath map[string]*mount
}{byID: map[uint32]*mount{}, byPath: map[string]*mount{}}

// register makes m's path answer to wrapped calls.
func register(m *mount) {
	mounts.Lock()
	defer mounts.Unlock()
	mounts.last++
	m.id = mounts.last
	mounts.byID[m.id] = m
	mounts.byPath[m.path] = m
	C.lakeport_mounts_add(1)
}

// unregister ends that. A descriptor left open fails from now on.
func unregister(m *mount) {
	mounts.Lock()
	defer mounts.Unlock()
	if mounts.byID[m.id] == m {
		delete(mounts.byID, m.id)
		delete(mounts.byPath, m.path)
		C.lakeport_mounts_add(-1)
	}
}

func mountAt(path string) *mount {
	mounts.RLock()
	defer mounts.RUnlock()
	return mounts.byPath[path]
}

//export lakeportFind
func lakeportFind(path *C.char) C.uint32_t {
	if m := mountAt(C.GoString(path)); m != nil {
		return C.uint32_t(m.id)
	}
	return 0
}

// lakeportRead answers a read of n bytes at off: the number of bytes, or a
// negative errno. It runs on the reader's thread and must not panic, for there
// is no Go above it that could recover.
//
//export lakeportRead
func lakeportRead(id C.uint32_t, fd C.int, buf unsafe.Pointer, n C.size_t, off C.int64_t) (got C.int64_t) {
	mounts.RLock()
	m := mounts.byID[uint32(id)]
	mounts.RUnlock()
	if m == nil {
		return -C.int64_t(syscall.EIO)
	}
	defer func() {
		if r := recover(); r != nil {
			_ = m.scan.st.fail(fmt.Errorf("read %s: internal fault: %v\n%s", m.object.URI(), r, debug.Stack()))
			got = -C.int64_t(syscall.EIO)
		}
	}()
	length := min(int64(n), m.object.Size-int64(off))
	if off < 0 || length <= 0 {
		return 0
	}
	if err := m.read(int(fd), unsafe.Slice((*byte)(buf), length), int64(off)); err != nil {
		return -C.int64_t(syscall.EIO)
	}
	return C.int64_t(length)
}
