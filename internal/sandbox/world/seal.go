package world

import (
	"bytes"
	"compress/flate"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/crypto/chacha20poly1305"
)

// keyFile holds the key that seals the database's records and the session
// tokens, beside the database.
const keyFile = "sandbox.key"

// sealer encrypts with XChaCha20-Poly1305 under a random nonce, which stands
// first in what it makes.
type sealer struct{ aead cipher.AEAD }

// openSealer reads the key of dir, or makes one.
func openSealer(dir string) (*sealer, error) {
	path := filepath.Join(dir, keyFile)
	key, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key = randomBytes(chacha20poly1305.KeySize)
		err = writeSynced(path, key)
	}
	if err != nil {
		return nil, fmt.Errorf("open sealing key: %w", err)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("open sealing key %s: %w", path, err)
	}
	return &sealer{aead}, nil
}

// writeSynced writes a file that only its owner reads, whole or not at all,
// and has it on disk when it returns.
func writeSynced(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// seal binds the result to label: it opens under the same label only.
func (s *sealer) seal(plain []byte, label string) []byte {
	nonce := randomBytes(s.aead.NonceSize())
	return s.aead.Seal(nonce, nonce, plain, []byte(label))
}

func (s *sealer) open(sealed []byte, label string) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("sealed text is too short")
	}
	return s.aead.Open(nil, sealed[:n], sealed[n:], []byte(label))
}

// deflate packs a session's facts as tightly as is worth it.
func deflate(b []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func inflate(b []byte, limit int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), limit))
}
