package engine

/*
extern void lakeportGateCall(void *info, void *input, void *output);
*/
import "C"

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// gateFunction is the condition that asks a gate. Like the feeds' function it
// is made once for each database, and clients' SQL cannot call it.
const gateFunction = "lakeport_gate"

// Gate counts the rows of a statement that a condition lets through and those
// that it does not, and keeps the first reasons. One pass over the rows is
// enough to load the good ones and to know whether they are enough.
type Gate struct {
	Passed     atomic.Int64
	Refused    atomic.Int64
	Unselected atomic.Int64

	mu      sync.Mutex
	reasons []string
}

// keptReasons is how many refused rows a gate remembers.
const keptReasons = 100

// Reasons gives the reasons of the first rows refused, in no order.
func (g *Gate) Reasons() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reasons
}

// refuse counts a row.
func (g *Gate) refuse(reason string) {
	if g.Refused.Add(1) > keptReasons {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reasons = append(g.reasons, reason)
}

var gates = struct {
	sync.Mutex
	last int64
	open map[int64]*Gate
}{open: map[int64]*Gate{}}

// Condition gives the SQL condition that asks the gate, good until ctx ends:
// a row passes if selected is true and fault is NULL; both are SQL expressions.
// It must be evaluated once for each row: alone in its WHERE.
func (g *Gate) Condition(ctx context.Context, selected, fault string) string {
	gates.Lock()
	defer gates.Unlock()
	gates.last++
	n := gates.last
	gates.open[n] = g
	context.AfterFunc(ctx, func() {
		gates.Lock()
		defer gates.Unlock()
		delete(gates.open, n)
	})
	return fmt.Sprintf("%s(%d, %s, %s)", gateFunction, n, selected, fault)
}

var gateParams = []lake.Type{{Kind: lake.BigInt}, {Kind: lake.Boolean}, {Kind: lake.Varchar}}

// addGates makes the function. It is volatile: DuckDB must neither drop nor
// repeat its calls.
func (c *Conn) addGates() error {
	f := duckdb.CreateScalarFunction()
	defer duckdb.DestroyScalarFunction(&f)
	duckdb.ScalarFunctionSetName(f, gateFunction)
	for _, p := range gateParams {
		t, err := makeType(p)
		if err != nil {
			return err
		}
		duckdb.ScalarFunctionAddParameter(f, t)
		duckdb.DestroyLogicalType(&t)
	}
	result := duckdb.CreateLogicalType(duckdb.TypeBoolean)
	defer duckdb.DestroyLogicalType(&result)
	duckdb.ScalarFunctionSetReturnType(f, result)
	duckdb.ScalarFunctionSetVolatile(f)
	duckdb.ScalarFunctionSetSpecialHandling(f) // NULL arguments arrive
	duckdb.ScalarFunctionSetFunction(f, unsafe.Pointer(C.lakeportGateCall))
	if duckdb.RegisterScalarFunction(c.handle, f) == duckdb.StateError {
		return sqlerr.New(sqlerr.Internal, "open DuckDB: it refuses the function %s", gateFunction)
	}
	return nil
}

//export lakeportGateCall
func lakeportGateCall(p, input, output unsafe.Pointer) {
	info := duckdb.FunctionInfo{Ptr: p}
	defer func() {
		if r := recover(); r != nil {
			duckdb.ScalarFunctionSetError(info, fmt.Sprintf("judge rows: internal fault: %v\n%s", r, debug.Stack()))
		}
	}()
	chunk := duckdb.DataChunk{Ptr: input}
	rows := int(duckdb.DataChunkGetSize(chunk))
	var args [3]lake.Vector
	for i := range args {
		readVector(&args[i], gateParams[i], duckdb.DataChunkGetVector(chunk, duckdb.IdxT(i)), rows)
	}
	pass := unsafe.Slice((*bool)(duckdb.VectorGetData(duckdb.Vector{Ptr: output})), rows)
	if rows == 0 {
		return
	}
	gates.Lock()
	g := gates.open[args[0].Data.([]int64)[0]]
	gates.Unlock()
	if g == nil {
		duckdb.ScalarFunctionSetError(info, "the statement is over")
		return
	}
	selected := args[1].Data.([]bool)
	var passed, unselected int64
	for i := range rows {
		pass[i] = false
		switch {
		case args[1].IsNull(i) || !selected[i]:
			unselected++
		case !args[2].IsNull(i):
			g.refuse(args[2].Text(i))
		default:
			pass[i] = true
			passed++
		}
	}
	g.Passed.Add(passed)
	g.Unselected.Add(unselected)
}
