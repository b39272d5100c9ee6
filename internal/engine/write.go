package engine

/*
#include <stdint.h>
#include <string.h>

extern void duckdb_unsafe_vector_assign_string_element_len(void *vector, uint64_t index, const char *text, uint64_t length);

// Gives the vector copies of its strings that are too long to stand inline.
// data is the vector's own: 16 bytes for each string, the length in the first
// four, the pointer of a long one in the last eight.
static void lakeport_own_strings(void *vector, char *data, uint64_t rows) {
	for (uint64_t i = 0; i < rows; i++) {
		uint32_t length;
		const char *text;
		memcpy(&length, data + 16 * i, 4);
		if (length <= 12) continue;
		memcpy(&text, data + 16 * i + 8, 8);
		duckdb_unsafe_vector_assign_string_element_len(vector, i, text, length);
	}
}
*/
import "C"

import (
	"runtime"
	"unicode/utf8"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// typeIDs is kinds read backwards.
var typeIDs = func() map[lake.Kind]duckdb.Type {
	ids := map[lake.Kind]duckdb.Type{lake.JSON: duckdb.TypeVarchar}
	for id, k := range kinds {
		ids[k] = id
	}
	return ids
}()

// makeType is the inverse of takeType. The result must be destroyed.
func makeType(t lake.Type) (duckdb.LogicalType, error) {
	switch t.Kind {
	case lake.Decimal:
		return duckdb.CreateDecimalType(t.Width, t.Scale), nil
	case lake.List:
		elem, err := makeType(*t.Elem)
		defer duckdb.DestroyLogicalType(&elem)
		if err != nil {
			return duckdb.LogicalType{}, err
		}
		return duckdb.CreateListType(elem), nil
	case lake.Map:
		key, err := makeType(*t.Key)
		defer duckdb.DestroyLogicalType(&key)
		if err != nil {
			return duckdb.LogicalType{}, err
		}
		value, err := makeType(*t.Elem)
		defer duckdb.DestroyLogicalType(&value)
		if err != nil {
			return duckdb.LogicalType{}, err
		}
		return duckdb.CreateMapType(key, value), nil
	case lake.Struct:
		return makeStruct(t.Fields)
	}
	id, ok := typeIDs[t.Kind]
	if !ok || t.Kind == lake.Enum || t.Kind == lake.Array {
		return duckdb.LogicalType{}, sqlerr.New(sqlerr.Internal, "rows of type %s cannot be handed to DuckDB", t)
	}
	l := duckdb.CreateLogicalType(id)
	if t.Kind == lake.JSON {
		duckdb.LogicalTypeSetAlias(l, "JSON")
	}
	return l, nil
}

func makeStruct(fields []lake.Column) (duckdb.LogicalType, error) {
	var types []duckdb.LogicalType
	var names []string
	defer func() {
		for i := range types {
			duckdb.DestroyLogicalType(&types[i])
		}
	}()
	for _, f := range fields {
		l, err := makeType(f.Type)
		if err != nil {
			return l, err
		}
		types, names = append(types, l), append(names, f.Name)
	}
	if len(types) == 0 {
		return duckdb.LogicalType{}, sqlerr.New(sqlerr.Unsupported, "a struct without fields has no type in DuckDB")
	}
	return duckdb.CreateStructType(types, names), nil
}

// lend points v at an empty vector of DuckDB's with room for n rows.
func lend(v *lake.Vector, vec duckdb.Vector, n int) {
	switch v.Type.Kind {
	case lake.Null:
	case lake.Struct:
		v.Child = make([]lake.Vector, len(v.Type.Fields))
		for i, f := range v.Type.Fields {
			v.Child[i].Type = f.Type
			lend(&v.Child[i], duckdb.StructVectorGetChild(vec, duckdb.IdxT(i)), n)
		}
	case lake.List:
		v.Data = unsafe.Slice((*lake.Entry)(duckdb.VectorGetData(vec)), n)
		v.Child = []lake.Vector{{Type: *v.Type.Elem}}
	case lake.Map:
		v.Data = unsafe.Slice((*lake.Entry)(duckdb.VectorGetData(vec)), n)
		v.Child = []lake.Vector{{Type: entryType(v.Type), Child: []lake.Vector{{Type: *v.Type.Key}, {Type: *v.Type.Elem}}}}
	default:
		v.Data = slice(v.Type, duckdb.VectorGetData(vec), n)
	}
}

// entryType is the type of a map's entries.
func entryType(t lake.Type) lake.Type {
	return lake.Type{Kind: lake.Struct, Fields: []lake.Column{{Name: "key", Type: *t.Key}, {Name: "value", Type: *t.Elem}}}
}

// writeVector makes the first n rows of v DuckDB's. above is the mask of the
// struct around v: where that is NULL, so are its fields.
func writeVector(vec duckdb.Vector, v *lake.Vector, n int, above []uint64) error {
	if n == 0 {
		return nil
	}
	valid := v.Valid
	if above != nil {
		valid = both(valid, above, n)
	}
	if hasNull(valid, n) {
		writeMask(vec, valid, n)
	} else {
		valid = nil
	}
	switch t := v.Type; t.Kind {
	case lake.Null:
		return nil
	case lake.Struct:
		if len(v.Child) != len(t.Fields) {
			return badShape(v, n)
		}
		for i, f := range t.Fields {
			v.Child[i].Type = f.Type
			if err := writeVector(duckdb.StructVectorGetChild(vec, duckdb.IdxT(i)), &v.Child[i], n, valid); err != nil {
				return err
			}
		}
		return nil
	case lake.List:
		return writeEntries(vec, v, *t.Elem, n, valid)
	case lake.Map:
		return writeEntries(vec, v, entryType(t), n, valid)
	case lake.Varchar, lake.JSON, lake.Blob, lake.Bit:
		return writeStrings(vec, v, n, valid)
	}
	return writeNumbers(vec, v, n)
}

func badShape(v *lake.Vector, n int) error {
	return sqlerr.New(sqlerr.Internal, "%d rows of type %s were delivered as %T with %d children", n, v.Type, v.Data, len(v.Child))
}

// isNull reads a mask, which may be shorter than the rows: the rest is valid.
func isNull(mask []uint64, i int) bool {
	return i>>6 < len(mask) && mask[i>>6]&(1<<(uint(i)&63)) == 0
}

func hasNull(mask []uint64, n int) bool {
	for i := 0; i < len(mask) && i*64 < n; i++ {
		used := ^uint64(0)
		if left := n - i*64; left < 64 {
			used = 1<<left - 1
		}
		if mask[i]&used != used {
			return true
		}
	}
	return false
}

// both is the mask of rows that are valid in two masks.
func both(a, b []uint64, n int) []uint64 {
	out := make([]uint64, (n+63)/64)
	for i := range out {
		out[i] = ^uint64(0)
		if i < len(a) {
			out[i] &= a[i]
		}
		if i < len(b) {
			out[i] &= b[i]
		}
	}
	return out
}

func writeMask(vec duckdb.Vector, valid []uint64, n int) {
	duckdb.VectorEnsureValidityWritable(vec)
	mask := unsafe.Slice((*uint64)(duckdb.VectorGetValidity(vec)), (n+63)/64)
	for i := copy(mask, valid); i < len(mask); i++ {
		mask[i] = ^uint64(0)
	}
}

// writeEntries makes a list's entries and elements DuckDB's.
func writeEntries(vec duckdb.Vector, v *lake.Vector, elem lake.Type, n int, valid []uint64) error {
	from, ok := v.Data.([]lake.Entry)
	if !ok || len(from) < n || len(v.Child) != 1 {
		return badShape(v, n)
	}
	to := unsafe.Slice((*lake.Entry)(duckdb.VectorGetData(vec)), n)
	total := uint64(0)
	for i := range n {
		if isNull(valid, i) {
			to[i] = lake.Entry{}
			continue
		}
		e := from[i]
		if e.Length > maxElements || e.Offset > maxElements {
			return badShape(v, n)
		}
		total = max(total, e.Offset+e.Length)
		to[i] = e
	}
	if duckdb.ListVectorReserve(vec, duckdb.IdxT(total)) == duckdb.StateError || duckdb.ListVectorSetSize(vec, duckdb.IdxT(total)) == duckdb.StateError {
		return sqlerr.New(sqlerr.Internal, "DuckDB refuses room for %d elements", total)
	}
	v.Child[0].Type = elem
	return writeVector(duckdb.ListVectorGetChild(vec), &v.Child[0], int(total), nil)
}

// maxElements bounds the elements of one vector's lists.
const maxElements = 1 << 40

// writeStrings makes strings DuckDB's. Text must be UTF-8: the engine relies on
// it.
func writeStrings(vec duckdb.Vector, v *lake.Vector, n int, valid []uint64) error {
	from, ok := v.Data.([]lake.String)
	if !ok || len(from) < n {
		return badShape(v, n)
	}
	to := unsafe.Slice((*lake.String)(duckdb.VectorGetData(vec)), n)
	text, long := v.Type.Kind == lake.Varchar || v.Type.Kind == lake.JSON, false
	for i := range n {
		if isNull(valid, i) {
			to[i] = lake.String{}
			continue
		}
		to[i] = from[i]
		long = long || to[i].Long()
		if text && !utf8.Valid(to[i].Bytes()) {
			return sqlerr.New(sqlerr.Corrupt, "a text holds bytes that are not UTF-8: %.40q", to[i].Bytes())
		}
	}
	if long {
		C.lakeport_own_strings(vec.Ptr, (*C.char)(duckdb.VectorGetData(vec)), C.uint64_t(n))
	}
	runtime.KeepAlive(from)
	return nil
}

// writeNumbers copies values of fixed width, unless they are there already.
func writeNumbers(vec duckdb.Vector, v *lake.Vector, n int) error {
	ok := false
	p := duckdb.VectorGetData(vec)
	switch to := slice(v.Type, p, n).(type) {
	case []bool:
		ok = copyRows(to, v.Data)
	case []int8:
		ok = copyRows(to, v.Data)
	case []int16:
		ok = copyRows(to, v.Data)
	case []int32:
		ok = copyRows(to, v.Data)
	case []int64:
		ok = copyRows(to, v.Data)
	case []uint8:
		ok = copyRows(to, v.Data)
	case []uint16:
		ok = copyRows(to, v.Data)
	case []uint32:
		ok = copyRows(to, v.Data)
	case []uint64:
		ok = copyRows(to, v.Data)
	case []float32:
		ok = copyRows(to, v.Data)
	case []float64:
		ok = copyRows(to, v.Data)
	case []lake.Int128:
		ok = copyRows(to, v.Data)
	case []lake.Span:
		ok = copyRows(to, v.Data)
	}
	if !ok {
		return badShape(v, n)
	}
	return nil
}

// copyRows fills to from data of the same type; false: data is another, or
// shorter.
func copyRows[T any](to []T, data any) bool {
	from, ok := data.([]T)
	if !ok || len(from) < len(to) {
		return false
	}
	if len(to) > 0 && &from[0] != &to[0] {
		copy(to, from)
	}
	return true
}
