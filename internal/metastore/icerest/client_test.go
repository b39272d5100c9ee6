package icerest_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"lakeport/internal/lake"
	"lakeport/internal/metastore"
	"lakeport/internal/metastore/icerest"
	"lakeport/internal/metastore/iceresttest"
	"lakeport/internal/secret"
	"lakeport/internal/sigv4"
	"lakeport/internal/sqlerr"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Every request is signed for the service and region that the catalog names,
// body, query and prefix included, colons and session token too.
func TestRequestsAreSigned(t *testing.T) {
	s := iceresttest.New(t, "s3://b/wh")
	s.Prefix = "catalogs/111111111111:s3tablescatalog:taxis"
	var verified atomic.Int64
	v := &sigv4.Verifier{Key: func(id, token string) (string, error) {
		if id != "ASIAEXAMPLE" || token != "session" {
			t.Errorf("got key %q and token %q", id, token)
		}
		return "secret", nil
	}}
	s.Before = func(w http.ResponseWriter, r *http.Request) bool {
		got, err := v.Verify(r)
		if err != nil || got.Service != "glue" || got.Region != "eu-central-1" {
			t.Errorf("%s %s: got %+v, %v", r.Method, r.URL, got, err)
		}
		verified.Add(1)
		return false
	}
	c := icerest.New(icerest.Options{URI: s.URL + "/", Warehouse: "111111111111:s3tablescatalog/taxis", Vended: true, Signer: &icerest.Signer{
		Credentials: credentials.NewStaticCredentialsProvider("ASIAEXAMPLE", "secret", "session"), Name: "glue", Region: "eu-central-1"}})
	must(t, c.CreateDatabase(t.Context(), &metastore.Database{Name: "d"}))
	_, err := c.CreateTable(t.Context(), "d", icerest.Definition{Name: "t x/y"})
	must(t, err)
	if names, err := c.Tables(t.Context(), "d"); err != nil || !slices.Equal(names, []string{"t x/y"}) {
		t.Errorf("got %q, %v", names, err)
	}
	if verified.Load() < 4 {
		t.Errorf("got %d signed requests, want all", verified.Load())
	}
}

func TestNamespacesNest(t *testing.T) {
	s := iceresttest.New(t, "s3://b/wh")
	s.Page = 1
	c := icerest.New(icerest.Options{URI: s.URL, Nested: true})
	for _, db := range []string{"a", "a.b", "a.b.c", "d", "d.e"} {
		must(t, c.CreateDatabase(t.Context(), &metastore.Database{Name: db, Location: "s3://b/" + db}))
	}
	if got, err := c.Databases(t.Context()); err != nil || !slices.Equal(got, []string{"a", "a.b", "a.b.c", "d", "d.e"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if d, err := c.Database(t.Context(), "a.b.c"); err != nil || d.Location != "s3://b/a.b.c" {
		t.Errorf("got %+v, %v", d, err)
	}
	flat := icerest.New(icerest.Options{URI: s.URL})
	if got, err := flat.Databases(t.Context()); err != nil || !slices.Equal(got, []string{"a", "d"}) {
		t.Errorf("got %q, %v, want the outermost", got, err)
	}
	if _, err := c.Database(t.Context(), "a.x"); !sqlerr.Is(err, sqlerr.NotFound) {
		t.Errorf("got %v, want NotFound", err)
	}
}

// Credentials are asked for again before they end, and when S3 has rejected
// them; of several, those of the longest prefix count.
func TestVendedCredentialsAreRenewed(t *testing.T) {
	s := iceresttest.New(t, "s3://b/wh")
	start := time.Unix(1_700_000_000, 0)
	var now atomic.Int64
	now.Store(start.UnixMilli())
	keys := func(id string, ends time.Time) map[string]string {
		return map[string]string{"s3.access-key-id": id, "s3.secret-access-key": "secret", "s3.session-token": "t", "s3.session-token-expires-at-ms": strconv.FormatInt(ends.UnixMilli(), 10)}
	}
	s.Keys = keys("one", start.Add(time.Hour))
	c := icerest.New(icerest.Options{URI: s.URL, Vended: true, Now: func() time.Time { return time.UnixMilli(now.Load()) }})
	must(t, c.CreateDatabase(t.Context(), &metastore.Database{Name: "d"}))
	loaded, err := c.CreateTable(t.Context(), "d", icerest.Definition{Name: "t"})
	must(t, err)
	v := c.Vended("d", "t", "s3://b/wh/d/t", loaded)
	expect := func(want string) {
		t.Helper()
		if got, err := v.Retrieve(t.Context()); err != nil || got.AccessKeyID != want || got.SessionToken != "t" {
			t.Errorf("got %v, %v, want %s", got.AccessKeyID, err, want)
		}
	}
	expect("one")
	s.Lock()
	s.Keys = keys("two", start.Add(2*time.Hour))
	s.Unlock()
	expect("one")
	now.Store(start.Add(59 * time.Minute).UnixMilli())
	expect("two")
	s.Lock()
	s.Keys = keys("three", start.Add(3*time.Hour))
	s.Unlock()
	v.Reject("one") // an old one: nothing to do
	expect("two")
	v.Reject("two")
	expect("three")

	loaded.Storage = []icerest.StorageKeys{{Prefix: "s3://b/", Config: keys("wide", start)}, {Prefix: "s3a://b/wh/d/", Config: keys("near", start)}, {Prefix: "s3://other/", Config: keys("other", start)}}
	if k, ok := loaded.Keys("s3://b/wh/d/t"); !ok || k.AccessKeyID != "near" {
		t.Errorf("got %+v, want those of the longest prefix", k)
	}
}

// A token that is not accepted any more is fetched again once; reads are
// repeated, changes are not where the catalog may have made them.
func TestAnswersThatAreNoSuccess(t *testing.T) {
	s := iceresttest.New(t, "s3://b/wh")
	s.Token = "first"
	c := icerest.New(icerest.Options{URI: s.URL, Credential: secret.New("id:secret"), Scope: "all"})
	must(t, c.CreateDatabase(t.Context(), &metastore.Database{Name: "d"}))
	s.Lock()
	s.Token = "second"
	s.Unlock()
	_, err := c.CreateTable(t.Context(), "d", icerest.Definition{Name: "t"})
	must(t, err)

	answer := func(status int, times int64) *atomic.Int64 {
		var n atomic.Int64
		s.Lock()
		defer s.Unlock()
		s.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if n.Add(1) > times {
				return false
			}
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(status)
			return true
		}
		return &n
	}
	for _, status := range []int{500, 502, 503, 504, 429} {
		n := answer(status, 2)
		if _, err := c.Load(t.Context(), "d", "t"); err != nil || n.Load() != 3 {
			t.Errorf("read after %d: got %v in %d requests, want it at the third", status, err, n.Load())
		}
	}
	for _, e := range []struct {
		status   int
		times    int64
		outcome  lake.Outcome
		conflict bool
	}{
		{500, 1, lake.Unknown, false}, {502, 1, lake.Unknown, false}, {504, 1, lake.Unknown, false}, {409, 1, lake.Rejected, true}, {403, 1, lake.Rejected, false},
		{400, 1, lake.Rejected, false}, {503, 1, lake.Committed, false}, {429, 2, lake.Committed, false},
	} {
		answer(e.status, e.times)
		outcome, err := c.Commit(t.Context(), "d", "t", []any{}, []any{})
		if outcome != e.outcome || sqlerr.Is(err, sqlerr.Conflict) != e.conflict {
			t.Errorf("commit after %d: got %v, %v, want %v", e.status, outcome, err, e.outcome)
		}
	}
	answer(418, 1)
	if err := c.DropTable(t.Context(), "d", "t", true); err == nil || !strings.Contains(err.Error(), "drop table d.t: the catalog answers 418") {
		t.Errorf("got %v", err)
	}
}

// Who watches is told of every call; those that would change something are told
// and not made.
func TestChangesAreToldAndNotMade(t *testing.T) {
	s := iceresttest.New(t, "s3://b/wh")
	made := icerest.New(icerest.Options{URI: s.URL})
	must(t, made.CreateDatabase(t.Context(), &metastore.Database{Name: "d"}))
	_, err := made.CreateTable(t.Context(), "d", icerest.Definition{Name: "t"})
	must(t, err)
	s.Lock()
	s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s is sent", r.Method, r.URL)
		}
		return false
	}
	s.Unlock()
	var told []icerest.Operation
	c := icerest.New(icerest.Options{URI: s.URL, Asking: func(c icerest.Call) { told = append(told, c.Operation) }})
	must(t, c.CreateDatabase(t.Context(), &metastore.Database{Name: "e"}))
	_, err = c.Databases(t.Context())
	must(t, err)
	_, err = c.Database(t.Context(), "d")
	must(t, err)
	_, err = c.Tables(t.Context(), "d")
	must(t, err)
	_, err = c.CreateTable(t.Context(), "d", icerest.Definition{Name: "u"})
	must(t, err)
	_, err = c.Load(t.Context(), "d", "t")
	must(t, err)
	outcome, err := c.Commit(t.Context(), "d", "t", []any{}, []any{})
	if must(t, err); outcome != lake.Committed {
		t.Errorf("got %v", outcome)
	}
	must(t, c.DropTable(t.Context(), "d", "t", true))
	must(t, c.DropDatabase(t.Context(), "d"))
	if want := []icerest.Operation{icerest.GetConfig, icerest.CreateNamespace, icerest.ListNamespaces, icerest.LoadNamespace, icerest.ListTables, icerest.CreateTable, icerest.LoadTable,
		icerest.CommitTable, icerest.DropTable, icerest.DropNamespace}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	if names, err := made.Databases(t.Context()); err != nil || !slices.Equal(names, []string{"d"}) {
		t.Errorf("got %q, %v, want what was there", names, err)
	}
}
