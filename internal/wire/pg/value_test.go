package pg

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"lakeport/internal/lake"
	"lakeport/internal/wire"
)

func selfSigned(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// values are texts as PostgreSQL 15 prints them.
var values = []struct {
	v    lake.Vector
	want []string
}{
	{vector(lake.Boolean, []bool{true, false}), []string{"t", "f"}},
	{vector(lake.TinyInt, []int8{-128, 127}), []string{"-128", "127"}},
	{vector(lake.SmallInt, []int16{-32768}), []string{"-32768"}},
	{vector(lake.USmallInt, []uint16{65535}), []string{"65535"}},
	{vector(lake.UInteger, []uint32{math.MaxUint32}), []string{"4294967295"}},
	{vector(lake.BigInt, []int64{math.MinInt64}), []string{"-9223372036854775808"}},
	{vector(lake.UBigInt, []uint64{math.MaxUint64}), []string{"18446744073709551615"}},
	{vector(lake.Float, []float32{1.5, 1e6, 123456, 1e-5, float32(math.Inf(1))}), []string{"1.5", "1e+06", "123456", "1e-05", "Infinity"}},
	{vector(lake.Double, []float64{0.1, 1e15, 123456789012345, 1e-4, 1e-5, math.NaN()}), []string{"0.1", "1e+15", "123456789012345", "0.0001", "1e-05", "NaN"}},
	{lake.Vector{Type: lake.Type{Kind: lake.Decimal, Width: 9, Scale: 2}, Data: []int32{-5, 0, 1000000, 123456789, 10000}}, []string{"-0.05", "0.00", "10000.00", "1234567.89", "100.00"}},
	{lake.Vector{Type: lake.Type{Kind: lake.Decimal, Width: 18, Scale: 5}, Data: []int64{1, 12345678901}}, []string{"0.00001", "123456.78901"}},
	{vector(lake.Date, []int32{0, 11016, -719528, -719529, math.MaxInt32}), []string{"1970-01-01", "2000-02-29", "0001-01-01 BC", "0002-12-31 BC", "infinity"}},
	{vector(lake.Time, []int64{0, 86399999999, 1500000}), []string{"00:00:00", "23:59:59.999999", "00:00:01.5"}},
	{vector(lake.Timestamp, []int64{0, -1, math.MaxInt64, -math.MaxInt64}), []string{"1970-01-01 00:00:00", "1969-12-31 23:59:59.999999", "infinity", "-infinity"}},
	{vector(lake.TimestampS, []int64{1}), []string{"1970-01-01 00:00:01"}},
	{vector(lake.TimestampTZ, []int64{0, 1000}), []string{"1970-01-01 00:00:00+00", "1970-01-01 00:00:00.001+00"}},
	{vector(lake.Interval, []lake.Span{{Months: 14, Days: -3, Micros: 14706000000}, {}, {Micros: -1500000}, {Months: 1, Days: 1}, {Days: -1, Micros: 1000000}}),
		[]string{"1 year 2 mons -3 days +04:05:06", "00:00:00", "-00:00:01.5", "1 mon 1 day", "-1 days +00:00:01"}},
	{vector(lake.UUID, []lake.Int128{{Hi: math.MinInt64, Lo: 1}}), []string{"00000000-0000-0000-0000-000000000001"}},
}

func vector(k lake.Kind, data any) lake.Vector {
	return lake.Vector{Type: lake.Type{Kind: k}, Data: data}
}

func TestValuesReadAsPostgreSQLPrintsThem(t *testing.T) {
	for _, c := range values {
		for i, want := range c.want {
			if got := string(appendText(nil, &c.v, i, time.UTC)); got != want {
				t.Errorf("%s row %d: got %q, want %q", c.v.Type, i, got, want)
			}
		}
	}
}

func TestBinaryFormMeansTheText(t *testing.T) {
	for _, c := range values {
		for i, want := range c.want {
			data := appendBinary(nil, &c.v, i, time.UTC)
			got, err := binaryText(nil, typeOf(c.v.Type).oid, data)
			if err != nil || string(got) != want {
				t.Errorf("%s row %d: %x reads as %q, %v; want %q", c.v.Type, i, data, got, err, want)
			}
		}
	}
}

func TestTimesAreShownInTheClientsZone(t *testing.T) {
	v := vector(lake.TimestampTZ, []int64{0})
	for zone, want := range map[string]string{"Asia/Kolkata": "1970-01-01 05:30:00+05:30", "nowhere": "1970-01-01 00:00:00+00"} {
		if got := string(appendText(nil, &v, 0, location(zone))); got != want {
			t.Errorf("%s: got %s, want %s", zone, got, want)
		}
	}
}

func TestCopyReadsWhatItWrites(t *testing.T) {
	rows := [][]string{{"a", "b"}, {"tab\t", "new\nline"}, {`\N`, ""}, {`"q", `, `\.`}, {"\r\b\f\v", "ä"}}
	for _, o := range []wire.Copy{{Format: wire.CopyText}, {Format: wire.CopyCSV}, {Format: wire.CopyCSV, Delimiter: '|', Quote: '\'', Escape: '\\'}, {Format: wire.CopyText, Delimiter: ','}} {
		full, null := defaults(o)
		w := copyOut{full, null}
		var data []byte
		for _, row := range rows {
			data = append(w.field(data, []byte(row[0]), false), full.Delimiter)
			data = append(w.field(data, []byte(row[1]), false), '\n')
		}
		r := newCopyRows(&slow{data}, o, make([]lake.Column, 2))
		for _, want := range rows {
			got, err := r.Next()
			if err != nil || got[0] == nil || got[1] == nil || string(got[0]) != want[0] || string(got[1]) != want[1] {
				t.Fatalf("%v: got %q, %v; want %q\n%s", o, got, err, want, data)
			}
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("%v: got %v, want the end", o, err)
		}
	}
}

// slow gives one byte at a time.
type slow struct{ rest []byte }

func (s *slow) Read(b []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	b[0] = s.rest[0]
	s.rest = s.rest[1:]
	return 1, nil
}

// Rows reach the client as they come: the server holds no more than a buffer.
func TestAHundredThousandRowsArrive(t *testing.T) {
	s := serve(t, newBackend(), Options{})
	c := dial(t, s)
	go c.Write(encode(t, hello(), query("rows 100000"), query("wait")))
	b := make([]byte, 1<<20)
	total := 0
	for tail := []byte{}; !slices.Contains([]string{"SELECT 100000\x00"}, string(tail)); {
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("after %d bytes: %v", total, err)
		}
		total += n
		if n >= 20 {
			tail = b[n-20 : n-6] // before ReadyForQuery
		}
	}
	if want := 100000 * (1 + 4 + 2 + 4); total < want {
		t.Errorf("got %d bytes, want at least %d", total, want)
	}
}
