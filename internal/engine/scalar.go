package engine

/*
extern void lakeportScalarCall(void *info, void *input, void *output);
*/
import "C"

import (
	"fmt"
	"runtime/debug"
	"unicode/utf8"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// addScalar makes a function of Go's in the instance. It is pure: the optimizer
// may compute it once for equal arguments.
func (c *Conn) addScalar(f *lake.Function) error {
	s := duckdb.CreateScalarFunction()
	defer duckdb.DestroyScalarFunction(&s)
	duckdb.ScalarFunctionSetName(s, f.Name)
	for n, param := range f.Params {
		t, err := paramType(param)
		if err != nil {
			return fmt.Errorf("define function %s: %w", f.Name, err)
		}
		duckdb.ScalarFunctionAddParameter(s, t)
		if f.Variadic && n == len(f.Params)-1 {
			duckdb.ScalarFunctionSetVarargs(s, t)
		}
		duckdb.DestroyLogicalType(&t)
	}
	t, err := makeType(lake.Type{Kind: f.Result})
	if err != nil {
		return fmt.Errorf("define function %s: %w", f.Name, err)
	}
	duckdb.ScalarFunctionSetReturnType(s, t)
	duckdb.DestroyLogicalType(&t)
	data, drop := box(f)
	duckdb.ScalarFunctionSetExtraInfo(s, data, drop)
	duckdb.ScalarFunctionSetFunction(s, unsafe.Pointer(C.lakeportScalarCall))
	if duckdb.RegisterScalarFunction(c.handle, s) == duckdb.StateError {
		return sqlerr.New(sqlerr.Internal, "define function %s: DuckDB refuses it", f.Name)
	}
	return nil
}

// paramType is a parameter's type; one of no kind takes all.
func paramType(t lake.Type) (duckdb.LogicalType, error) {
	if t.Kind == lake.Invalid {
		return duckdb.CreateLogicalType(duckdb.TypeAny), nil
	}
	return makeType(t)
}

//export lakeportScalarCall
func lakeportScalarCall(p, input, output unsafe.Pointer) {
	info := duckdb.FunctionInfo{Ptr: p}
	f := unbox[*lake.Function](duckdb.ScalarFunctionGetExtraInfo(info))
	defer func() {
		if r := recover(); r != nil {
			duckdb.ScalarFunctionSetError(info, fmt.Sprintf("compute %s: internal fault: %v\n%s", f.Name, r, debug.Stack()))
		}
	}()
	if err := callScalar(f, duckdb.DataChunk{Ptr: input}, duckdb.Vector{Ptr: output}); err != nil {
		duckdb.ScalarFunctionSetError(info, err.Error())
	}
}

// callScalar computes one chunk. DuckDB has made its vectors flat.
func callScalar(f *lake.Function, input duckdb.DataChunk, output duckdb.Vector) error {
	rows := int(duckdb.DataChunkGetSize(input))
	frame := lake.Frame{Args: make([]lake.Vector, duckdb.DataChunkGetColumnCount(input))}
	for n := range frame.Args {
		vec, t := duckdb.DataChunkGetVector(input, duckdb.IdxT(n)), f.Params[min(n, len(f.Params)-1)]
		if t.Kind == lake.Invalid {
			t = takeType(duckdb.VectorGetColumnType(vec))
		}
		readVector(&frame.Args[n], t, vec, rows)
	}
	duckdb.VectorEnsureValidityWritable(output)
	valid := unsafe.Slice((*uint64)(duckdb.VectorGetValidity(output)), (rows+63)/64)
	put := resultWriter(f.Result, output, rows)
	for frame.Row = range rows {
		ok := true
		for n := range frame.Args {
			ok = ok && !frame.Args[n].IsNull(frame.Row)
		}
		if ok {
			frame.Bytes = frame.Bytes[:0]
			var err error
			if ok, err = f.Call(&frame); err != nil {
				return err
			}
		}
		if !ok || !put(&frame) {
			valid[frame.Row>>6] &^= 1 << (uint(frame.Row) & 63)
		}
	}
	return nil
}

// resultWriter gives what stores a frame's result; it tells of text that is no
// UTF-8, which is NULL.
func resultWriter(kind lake.Kind, output duckdb.Vector, rows int) func(*lake.Frame) bool {
	data := duckdb.VectorGetData(output)
	switch kind {
	case lake.Varchar, lake.Blob:
		return func(f *lake.Frame) bool {
			if kind == lake.Varchar && !utf8.Valid(f.Bytes) {
				return false
			}
			duckdb.UnsafeVectorAssignStringElementLen(output, duckdb.IdxT(f.Row), f.Bytes)
			return true
		}
	case lake.Boolean:
		out := unsafe.Slice((*bool)(data), rows)
		return func(f *lake.Frame) bool { out[f.Row] = f.Int != 0; return true }
	case lake.Integer, lake.Date:
		out := unsafe.Slice((*int32)(data), rows)
		return func(f *lake.Frame) bool { out[f.Row] = int32(f.Int); return true }
	case lake.Double:
		out := unsafe.Slice((*float64)(data), rows)
		return func(f *lake.Frame) bool { out[f.Row] = f.Float; return true }
	case lake.HugeInt:
		out := unsafe.Slice((*lake.Int128)(data), rows)
		return func(f *lake.Frame) bool { out[f.Row] = f.Big; return true }
	}
	out := unsafe.Slice((*int64)(data), rows)
	return func(f *lake.Frame) bool { out[f.Row] = f.Int; return true }
}
