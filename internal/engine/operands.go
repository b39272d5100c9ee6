package engine

/*
extern void lakeportOperandsBind(void *info);
extern void lakeportOperandsCall(void *info, void *input, void *output);
*/
import "C"

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"lakeport/internal/lake"
	"lakeport/internal/sqlerr"
)

// OperandsFunction is what a query calls with a number and two typeof(x) to have
// Operands tell these types. It gives a DOUBLE.
const OperandsFunction = "lakeport_operands"

// told are the types of operands by the number beside them.
type told map[int][2]lake.Type

// asking are the calls of Operands under way, by their connections.
type asking struct {
	sync.Mutex
	open map[duckdb.IdxT]told
}

// Operands binds a query and tells by the number of each OperandsFunction the
// two types beside it: numbers and VARCHAR. Invalid is another, one that the
// query leaves open or one that is not the same wherever the number stands. Every table that query names must be a stub.
func (p *Planner) Operands(ctx context.Context, query string, stubs []Stub) (types map[int][2]lake.Type, err error) {
	types = told{}
	err = p.with(func(d *desk) error {
		return d.over(stubs, func() error {
			id := d.conn.id()
			p.asking.Lock()
			p.asking.open[id] = types
			p.asking.Unlock()
			defer func() {
				p.asking.Lock()
				defer p.asking.Unlock()
				delete(p.asking.open, id)
			}()
			st, err := d.conn.prepare(ctx, query)
			if err != nil {
				return err
			}
			st.Close()
			return nil
		})
	})
	return types, err
}

// id is the number by which DuckDB knows a connection.
func (c *Conn) id() duckdb.IdxT {
	var client duckdb.ClientContext
	duckdb.ConnectionGetClientContext(c.handle, &client)
	defer duckdb.DestroyClientContext(&client)
	return duckdb.ClientContextGetConnectionId(client)
}

// addOperands makes OperandsFunction in a planner's instance.
func (a *asking) addOperands(c *Conn) error {
	s := duckdb.CreateScalarFunction()
	defer duckdb.DestroyScalarFunction(&s)
	duckdb.ScalarFunctionSetName(s, OperandsFunction)
	for _, id := range []duckdb.Type{duckdb.TypeInteger, duckdb.TypeVarchar, duckdb.TypeVarchar} {
		t := duckdb.CreateLogicalType(id)
		duckdb.ScalarFunctionAddParameter(s, t)
		duckdb.DestroyLogicalType(&t)
	}
	t := duckdb.CreateLogicalType(duckdb.TypeDouble)
	duckdb.ScalarFunctionSetReturnType(s, t)
	duckdb.DestroyLogicalType(&t)
	data, drop := box(a)
	duckdb.ScalarFunctionSetExtraInfo(s, data, drop)
	duckdb.ScalarFunctionSetBind(s, unsafe.Pointer(C.lakeportOperandsBind))
	duckdb.ScalarFunctionSetFunction(s, unsafe.Pointer(C.lakeportOperandsCall))
	if duckdb.RegisterScalarFunction(c.handle, s) == duckdb.StateError {
		return sqlerr.New(sqlerr.Internal, "define function %s: DuckDB refuses it", OperandsFunction)
	}
	return nil
}

//export lakeportOperandsBind
func lakeportOperandsBind(p unsafe.Pointer) {
	info := duckdb.BindInfo{Ptr: p}
	defer func() {
		if r := recover(); r != nil {
			duckdb.ScalarFunctionBindSetError(info, fmt.Sprintf("bind %s: internal fault: %v\n%s", OperandsFunction, r, debug.Stack()))
		}
	}()
	asked := unbox[*asking](duckdb.ScalarFunctionBindGetExtraInfo(info))
	var client duckdb.ClientContext
	duckdb.ScalarFunctionGetClientContext(info, &client)
	defer duckdb.DestroyClientContext(&client)
	number, _ := strconv.Atoi(argument(info, client, 0))
	a, b := scalarType(argument(info, client, 1)), scalarType(argument(info, client, 2))
	asked.Lock()
	defer asked.Unlock()
	if types := asked.open[duckdb.ClientContextGetConnectionId(client)]; types != nil {
		types.learn(number, a, b)
	}
}

// argument gives the text of an argument that is a constant once it is bound,
// as typeof(x) is; "" if it is none.
func argument(info duckdb.BindInfo, client duckdb.ClientContext, n duckdb.IdxT) string {
	x := duckdb.ScalarFunctionBindGetArgument(info, n)
	defer duckdb.DestroyExpression(&x)
	if !duckdb.ExpressionIsFoldable(x) {
		return ""
	}
	var v duckdb.Value
	if e := duckdb.ExpressionFold(client, x, &v); e.Ptr != nil {
		duckdb.DestroyErrorData(&e)
		return ""
	}
	defer duckdb.DestroyValue(&v)
	return duckdb.GetVarchar(v)
}

// scalarType reads the name of a type: a number's, VARCHAR or that of NULL.
func scalarType(name string) lake.Type {
	var t lake.Type
	if n, _ := fmt.Sscanf(name, "DECIMAL(%d,%d)", &t.Width, &t.Scale); n == 2 {
		t.Kind = lake.Decimal
		return t
	}
	for k := lake.Null; k <= lake.Double; k++ {
		if t.Kind = k; name == t.String() {
			return t
		}
	}
	return lake.Type{Kind: map[string]lake.Kind{"VARCHAR": lake.Varchar}[name]}
}

// learn notes the types beside a number; those that differ are Invalid.
func (t told) learn(n int, a, b lake.Type) {
	if before, met := t[n]; met && (before[0].String() != a.String() || before[1].String() != b.String()) {
		a, b = lake.Type{}, lake.Type{}
	}
	t[n] = [2]lake.Type{a, b}
}

// lakeportOperandsCall gives NULLs, where the planner folds constants.
//
//export lakeportOperandsCall
func lakeportOperandsCall(_, input, output unsafe.Pointer) {
	vec := duckdb.Vector{Ptr: output}
	rows := int(duckdb.DataChunkGetSize(duckdb.DataChunk{Ptr: input}))
	duckdb.VectorEnsureValidityWritable(vec)
	clear(unsafe.Slice((*uint64)(duckdb.VectorGetValidity(vec)), (rows+63)/64))
}
