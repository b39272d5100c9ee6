package secret

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lakeport/internal/sqlerr"
)

func open(t testing.TB, dir string) *Box {
	t.Helper()
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealedTextOpensAfterRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	sealed := open(t, dir).Seal([]byte("hunter2"), "catalog/c")
	if bytes.Contains(sealed, []byte("hunter2")) {
		t.Fatal("not sealed")
	}
	got, err := open(t, dir).Unseal(sealed, "catalog/c")
	if err != nil || string(got) != "hunter2" {
		t.Errorf("got %q, %v", got, err)
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left over: %v", names)
	}
}

func TestSameTextSealsDifferently(t *testing.T) {
	b := open(t, t.TempDir())
	if bytes.Equal(b.Seal([]byte("x"), "w"), b.Seal([]byte("x"), "w")) {
		t.Error("the nonce repeats")
	}
}

func TestFirstStartsTogetherAgreeOnOneKey(t *testing.T) {
	dir := t.TempDir()
	boxes := make([]*Box, 8)
	var wg sync.WaitGroup
	for i := range boxes {
		wg.Go(func() { boxes[i], _ = Open(dir) })
	}
	wg.Wait()
	sealed := boxes[0].Seal([]byte("x"), "w")
	for _, b := range boxes {
		if _, err := b.Unseal(sealed, "w"); err != nil {
			t.Error(err)
		}
	}
}

func TestUnsealRefuses(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	sealed := b.Seal([]byte("hunter2"), "catalog/c")
	other := open(t, t.TempDir())
	altered := bytes.Clone(sealed)
	altered[len(altered)-1] ^= 1
	for _, c := range []struct {
		name   string
		box    *Box
		sealed []byte
		where  string
		kind   sqlerr.Kind
		want   string
	}{
		{"altered", b, altered, "catalog/c", sqlerr.Corrupt, "altered, or moved"},
		{"moved", b, sealed, "catalog/d", sqlerr.Corrupt, "the sealed secret of catalog/d was altered, or moved there"},
		{"other key", other, sealed, "catalog/c", sqlerr.Invalid, "hint: put back the master.key"},
		{"short", b, sealed[:headerSize-1], "catalog/c", sqlerr.Corrupt, "not in lakeport's format"},
		{"cut", b, sealed[:headerSize], "catalog/c", sqlerr.Corrupt, "altered"},
		{"empty", b, nil, "catalog/c", sqlerr.Corrupt, "not in lakeport's format"},
	} {
		got, err := c.box.Unseal(c.sealed, c.where)
		if got != nil || !sqlerr.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, %v", c.name, got, err)
		}
	}
}

func TestKeyFromTheEnvironment(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	t.Setenv(KeyVariable, key+"\n")
	dir := t.TempDir()
	sealed := open(t, dir).Seal([]byte("x"), "w")
	if _, err := os.Stat(filepath.Join(dir, KeyFile)); err == nil {
		t.Error("a key file was made beside the variable")
	}
	if _, err := open(t, dir).Unseal(sealed, "w"); err != nil {
		t.Error(err)
	}
	t.Setenv(KeyVariable, "c2hvcnQ=")
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "LAKEPORT_MASTER_KEY is not base64 of 32 bytes") || strings.Contains(err.Error(), "c2hvcnQ") {
		t.Errorf("got %v", err)
	}
}

func TestFaultyKeyFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, KeyFile)
	open(t, dir)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "hint: run chmod 600 "+path) {
		t.Errorf("readable by others: got %v", err)
	}
	if err := os.WriteFile(path, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "hint: put the file back from a copy") {
		t.Errorf("damaged: got %v", err)
	}
}

func TestBoxPrintsNoKey(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	t.Setenv(KeyVariable, base64.StdEncoding.EncodeToString(key))
	b := open(t, t.TempDir())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{b, struct{ b *Box }{b}} {
			got := fmt.Sprintf(verb, v)
			for _, shown := range []string{"7 ", "07", "0x7, ", "7", "\x07"} { // an address may hold a few sevens
				if strings.Contains(got, strings.Repeat(shown, 8)) {
					t.Errorf("%s: got %s", verb, got)
				}
			}
		}
	}
}

// FuzzUnseal opens any bytes: nothing panics and nothing opens.
func FuzzUnseal(f *testing.F) {
	b := open(f, f.TempDir())
	sealed := b.Seal([]byte("x"), "w")
	f.Add(sealed[:len(sealed)-1])
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, bad []byte) {
		if _, err := b.Unseal(bad, "w"); err == nil && !bytes.Equal(bad, sealed) {
			t.Errorf("opened %x", bad)
		}
	})
}

func BenchmarkSealUnseal(b *testing.B) {
	box := open(b, b.TempDir())
	plain := bytes.Repeat([]byte{1}, 40)
	for b.Loop() {
		if _, err := box.Unseal(box.Seal(plain, "catalog/c"), "catalog/c"); err != nil {
			b.Fatal(err)
		}
	}
}
