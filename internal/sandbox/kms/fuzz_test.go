package kms

import (
	"encoding/json"
	"testing"
)

// FuzzCiphertext reads what clients send as a ciphertext.
func FuzzCiphertext(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{blobVersion})
	f.Add(append([]byte{blobVersion}, make([]byte, headSize+nonceSize+tagSize)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := readBlob(b)
		if err == nil && (!keyID.MatchString(c.id) || len(c.head)+len(c.nonce)+len(c.sealed) != len(b)) {
			t.Errorf("%x is taken apart as %+v", b, c)
		}
	})
}

// FuzzRequest reads the JSON bodies of all operations.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{`{}`, `{"KeyId":"alias/x","Plaintext":"eA==","EncryptionContext":{"a":"b"}}`, `{"Tags":[{"TagKey":"a"}]}`,
		`{"KeyId":"k","Operations":["Decrypt"],"Constraints":{"EncryptionContextEquals":{"a":"b"}}}`, `{"NumberOfBytes":-1}`, `{"Marker":"!"}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in := &input{}
		if json.Unmarshal([]byte(text), in) != nil {
			return
		}
		for name := range operations {
			if in.check(name) == nil {
				_, _ = in.dataKeySize()
				_, _, _ = page(in, []string{"a", "b"}, 50, func(s string) string { return s })
			}
		}
	})
}
