package dialect

import (
	"crypto/aes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"math/bits"

	"github.com/zeebo/xxh3"

	"lakeport/internal/lake"
)

func callCRC32(f *lake.Frame) (bool, error) {
	f.Int = int64(crc32.ChecksumIEEE(f.Text(0)))
	return true, nil
}

// murmurSeed is what StarRocks begins its murmur_hash3_32 with; each further
// argument is hashed with the hash before as its seed.
const murmurSeed = 104729

func callMurmur(f *lake.Frame) (bool, error) {
	h := uint32(murmurSeed)
	for n := range f.Args {
		h = murmur32(f.Text(n), h)
	}
	f.Int = int64(int32(h))
	return true, nil
}

// murmur32 is MurmurHash3_x86_32.
func murmur32(b []byte, h uint32) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	n := uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h ^= bits.RotateLeft32(binary.LittleEndian.Uint32(b)*c1, 15) * c2
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	var k uint32
	for i := len(b) - 1; i >= 0; i-- {
		k = k<<8 | uint32(b[i])
	}
	h ^= bits.RotateLeft32(k*c1, 15) * c2
	h ^= n
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

func callXX64(f *lake.Frame) (bool, error) {
	var h uint64
	for n := range f.Args {
		h = xxh3.HashSeed(f.Text(n), h)
	}
	f.Int = int64(h)
	return true, nil
}

// callXX128 hashes the arguments as one string, where xx_hash3_64 chains them.
func callXX128(f *lake.Frame) (bool, error) {
	all := f.Text(0)
	if len(f.Args) > 1 {
		for n := range f.Args {
			f.Bytes = append(f.Bytes, f.Text(n)...)
		}
		all = f.Bytes
	}
	h := xxh3.Hash128(all)
	f.Big = lake.Int128{Lo: h.Lo, Hi: int64(h.Hi)}
	return true, nil
}

func callSHA2(f *lake.Frame) (bool, error) {
	var sum []byte
	switch b := f.Text(0); f.Number(1) {
	case 0, 256:
		s := sha256.Sum256(b)
		sum = s[:]
	case 224:
		s := sha256.Sum224(b)
		sum = s[:]
	case 384:
		s := sha512.Sum384(b)
		sum = s[:]
	case 512:
		s := sha512.Sum512(b)
		sum = s[:]
	default:
		return false, nil
	}
	f.Bytes = hex.AppendEncode(f.Bytes, sum)
	return true, nil
}

// aesKey folds a key of any length into 128 bits, as MySQL's AES_ENCRYPT does.
func aesKey(key []byte) []byte {
	folded := make([]byte, 16)
	for i, c := range key {
		folded[i%16] ^= c
	}
	return folded
}

// callEncrypt is AES-128 in ECB mode with PKCS #7 padding.
func callEncrypt(f *lake.Frame) (bool, error) {
	block, err := aes.NewCipher(aesKey(f.Text(1)))
	if err != nil {
		return false, err
	}
	out := append(f.Bytes, f.Text(0)...)
	pad := 16 - len(out)%16
	for range pad {
		out = append(out, byte(pad))
	}
	for i := 0; i < len(out); i += 16 {
		block.Encrypt(out[i:], out[i:i+16])
	}
	f.Bytes = out
	return true, nil
}

func callDecrypt(f *lake.Frame) (bool, error) {
	block, err := aes.NewCipher(aesKey(f.Text(1)))
	if err != nil {
		return false, err
	}
	out := append(f.Bytes, f.Text(0)...)
	if len(out) == 0 || len(out)%16 != 0 {
		return false, nil
	}
	for i := 0; i < len(out); i += 16 {
		block.Decrypt(out[i:], out[i:i+16])
	}
	pad := int(out[len(out)-1])
	if pad < 1 || pad > 16 {
		return false, nil
	}
	for _, c := range out[len(out)-pad:] {
		if int(c) != pad {
			return false, nil
		}
	}
	f.Bytes = out[:len(out)-pad]
	return true, nil
}
