package kms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
)

// blob is a ciphertext taken apart: which key, and what is sealed under it.
//
//	1 byte   version
//	16 bytes the key's id
//	12 bytes nonce
//	rest     AES-256-GCM, with the head and the encryption context as
//	         additional authenticated data
type blob struct {
	id     string
	head   []byte
	nonce  []byte
	sealed []byte
}

const (
	blobVersion = 1
	headSize    = 1 + 16
	nonceSize   = 12
	tagSize     = 16
)

var errBlob = errors.New("not a ciphertext of KMS")

// readBlob takes a ciphertext apart.
func readBlob(b []byte) (*blob, error) {
	if len(b) < headSize+nonceSize+tagSize || b[0] != blobVersion {
		return nil, errBlob
	}
	h := hex.EncodeToString(b[1:headSize])
	return &blob{id: strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"), head: b[:headSize],
		nonce: b[headSize:][:nonceSize], sealed: b[headSize+nonceSize:]}, nil
}

// encrypt makes a ciphertext under the key.
func (s *Service) encrypt(k *key, plain []byte, context map[string]string) ([]byte, error) {
	id, err := hex.DecodeString(strings.ReplaceAll(k.ID, "-", ""))
	if err != nil || len(id) != 16 {
		return nil, errBlob
	}
	gcm, err := s.gcm(k)
	if err != nil {
		return nil, err
	}
	out := append([]byte{blobVersion}, id...)
	nonce := make([]byte, nonceSize)
	rand.Read(nonce) // never fails
	aad := append(slices.Clone(out), contextBytes(context)...)
	return gcm.Seal(append(out, nonce...), nonce, plain, aad), nil
}

// decrypt opens a ciphertext. Whatever is wrong with it, or with the context,
// is InvalidCiphertextException, which has no message.
func (s *Service) decrypt(k *key, b *blob, context map[string]string) ([]byte, error) {
	gcm, err := s.gcm(k)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open([]byte{}, b.nonce, b.sealed, append(slices.Clone(b.head), contextBytes(context)...))
	if err != nil {
		return nil, fail("InvalidCiphertextException", "")
	}
	return plain, nil
}

func (s *Service) gcm(k *key) (cipher.AEAD, error) {
	material, err := s.store.material(k)
	if err != nil {
		return nil, err
	}
	b, err := aes.NewCipher(material)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// contextBytes spells an encryption context in one way only: its order does
// not matter, every byte of it does.
func contextBytes(context map[string]string) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(context)) {
		for _, s := range []string{name, context[name]} {
			b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
			b = append(b, s...)
		}
	}
	return b
}
