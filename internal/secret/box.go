package secret

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"lakeport/internal/sqlerr"
)

const (
	// KeyFile is the name of the master key's file in the data directory.
	KeyFile = "master.key"
	// KeyVariable is the environment variable that holds the master key
	// instead of the file.
	KeyVariable = "LAKEPORT_MASTER_KEY"
)

// A sealed text is: version, mark of the key, nonce, ciphertext with its tag.
const (
	version    = 1
	markSize   = 4
	headerSize = 1 + markSize + chacha20poly1305.NonceSizeX
)

// Box seals texts under the master key. It may be used from many goroutines.
type Box struct {
	aead   cipher.AEAD
	mark   [markSize]byte // tells one key from another; it tells nothing of the key
	source string         // where the key comes from, for errors
}

// Open gives the box of a data directory. The key is KeyVariable's (base64 of
// 32 bytes) if that is set, else that of KeyFile, which is made, readable by
// its owner only, where there is none.
func Open(dir string) (*Box, error) {
	if text, ok := os.LookupEnv(KeyVariable); ok {
		return newBox(text, KeyVariable)
	}
	path := filepath.Join(dir, KeyFile)
	text, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(dir, path); err == nil {
			text, err = readKey(path)
		}
	}
	if err != nil {
		return nil, err
	}
	return newBox(text, path)
}

func readKey(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read master key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", sqlerr.New(sqlerr.Invalid, "master key %s has mode %04o: others may read it", path, info.Mode().Perm()).
			WithHint("run chmod 600 %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read master key: %w", err)
	}
	return string(text), nil
}

// makeKey writes a new key under another name first and links it into place,
// so that a file of that name is always whole and never replaced: whoever
// comes second reads the first one's key.
func makeKey(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	key := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(key) // never fails
	f, err := os.CreateTemp(dir, KeyFile+".*")
	if err != nil {
		return fmt.Errorf("make master key: %w", err)
	}
	defer os.Remove(f.Name()) // at worst a spare name stays
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write master key: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make master key: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync data directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync data directory: %w", err)
	}
	return nil
}

func newBox(text, source string) (*Box, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != chacha20poly1305.KeySize {
		e := sqlerr.New(sqlerr.Invalid, "master key %s is not base64 of %d bytes", source, chacha20poly1305.KeySize)
		if source == KeyVariable {
			return nil, e.WithHint("make one with: openssl rand -base64 32")
		}
		return nil, e.WithHint("put the file back from a copy; without it no sealed secret can be read")
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("use master key %s: %w", source, err)
	}
	b := &Box{aead: aead, source: source}
	sum := sha256.Sum256(append([]byte("lakeport master key mark\x00"), key...))
	copy(b.mark[:], sum[:])
	return b, nil
}

// Seal encrypts plain for the place where it will be stored, such as
// "catalog/hive". It opens only with the same where.
func (b *Box) Seal(plain []byte, where string) []byte {
	sealed := make([]byte, headerSize, headerSize+len(plain)+b.aead.Overhead())
	sealed[0] = version
	copy(sealed[1:], b.mark[:])
	nonce := sealed[1+markSize:]
	_, _ = rand.Read(nonce) // never fails
	return b.aead.Seal(sealed, nonce, plain, []byte(where))
}

// Unseal decrypts what Seal made for the same where. It fails with an
// *sqlerr.Error that tells another key from altered or misplaced bytes.
func (b *Box) Unseal(sealed []byte, where string) ([]byte, error) {
	if len(sealed) < headerSize || sealed[0] != version {
		return nil, sqlerr.New(sqlerr.Corrupt, "the sealed secret of %s is not in lakeport's format", where).
			WithHint("restore the data directory from a copy, or define it again")
	}
	if mark := sealed[1 : 1+markSize]; string(mark) != string(b.mark[:]) {
		return nil, sqlerr.New(sqlerr.Invalid, "the secret of %s was sealed under master key %x; %s is key %x", where, mark, b.source, b.mark).
			WithHint("put back the %s that was in the data directory, or set %s to that key", KeyFile, KeyVariable)
	}
	plain, err := b.aead.Open(nil, sealed[1+markSize:headerSize], sealed[headerSize:], []byte(where))
	if err != nil {
		return nil, sqlerr.New(sqlerr.Corrupt, "the sealed secret of %s was altered, or moved there from another place", where).
			WithHint("restore the data directory from a copy, or define it again")
	}
	return plain, nil
}

// String shows where the key comes from and its mark, never the key.
func (b *Box) String() string { return fmt.Sprintf("key %x of %s", b.mark, b.source) }

// GoString implements fmt.GoStringer.
func (b *Box) GoString() string { return b.String() }
