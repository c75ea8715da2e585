package people

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/ocellus-vision/ocellus/model/task/face"
)

// keySize is that of AES-256.
const keySize = 32

// readKey returns the device's key, which is made where its file is not there yet.
func readKey(file string) (cipher.AEAD, error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return makeKey(f)
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: others may read the key that protects people's faces; take that away with: chmod 600 %[1]s", file)
	}
	f, err = os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	key, err := io.ReadAll(io.LimitReader(f, keySize+1))
	if err != nil {
		return nil, err
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("%s: it holds %d bytes and not a key of %d: put the file back from a backup, or remove it and enrol everyone again", file, len(key), keySize)
	}
	return aead(key)
}

// makeKey writes a new key. A file that could not be written whole is removed.
func makeKey(f *os.File) (cipher.AEAD, error) {
	key := make([]byte, keySize)
	rand.Read(key)
	_, err := f.Write(key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(f.Name()))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return nil, err
	}
	return aead(key)
}

func aead(key []byte) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// seal encrypts; what is for tells one use of a key from another, so that nothing sealed can be put in another's place.
func seal(key cipher.AEAD, plain []byte, what string) []byte {
	nonce := make([]byte, key.NonceSize(), key.NonceSize()+len(plain)+key.Overhead())
	rand.Read(nonce)
	return key.Seal(nonce, nonce, plain, []byte(what))
}

var errSealed = errors.New("it was not sealed by this device, or it is broken")

// unseal decrypts what seal returned.
func unseal(key cipher.AEAD, sealed []byte, what string) ([]byte, error) {
	if len(sealed) < key.NonceSize() {
		return nil, errSealed
	}
	plain, err := key.Open(nil, sealed[:key.NonceSize()], sealed[key.NonceSize():], []byte(what))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// keyOf and templateOf say what is sealed.
func keyOf(person int64) string { return fmt.Sprintf("ocellus key of person %d", person) }

func templateOf(person int64, network string) string {
	return fmt.Sprintf("ocellus template of person %d by %s", person, network)
}

func encode(v face.Vector) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func decode(b []byte) face.Vector {
	v := make(face.Vector, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}
