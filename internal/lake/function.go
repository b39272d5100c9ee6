package lake

// Function is a scalar function that an engine calls row by row.
type Function struct {
	Name     string
	Params   []Type // one of no kind takes any type: the argument's Vector tells which
	Variadic bool   // the last of Params may be given more than once
	// Result is Boolean, Integer, BigInt, HugeInt, Double, Varchar, Blob, Date
	// or Timestamp.
	Result Kind
	// Call computes one row, none of whose arguments is NULL, from f's arguments
	// into f's result. Not ok is NULL; an error ends the statement. It is called
	// by many threads, each with a Frame of its own.
	Call func(f *Frame) (ok bool, err error)
}

// Frame is one call of a Function: its arguments, and room for its result.
type Frame struct {
	Args []Vector
	Row  int

	// The result, in the field for its kind.
	Bytes []byte  // Varchar (UTF-8), Blob: empty when the call begins; to be appended to
	Int   int64   // Boolean (0 or 1), Integer, BigInt, Date, Timestamp
	Big   Int128  // HugeInt
	Float float64 // Double
}

// Text gives argument n, a Varchar or Blob. It is valid during the call.
func (f *Frame) Text(n int) []byte { return f.Args[n].Data.([]String)[f.Row].Bytes() }

// Numbers gives argument n, a List of BigInt, whose elements are not NULL.
func (f *Frame) Numbers(n int) []int64 {
	e := f.Args[n].Data.([]Entry)[f.Row]
	return f.Args[n].Child[0].Data.([]int64)[e.Offset : e.Offset+e.Length]
}

// Number gives argument n, a BigInt or Timestamp.
func (f *Frame) Number(n int) int64 { return f.Args[n].Data.([]int64)[f.Row] }
