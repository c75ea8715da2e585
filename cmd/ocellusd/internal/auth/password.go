package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of argon2id: that of the OWASP password storage cheat sheet with the least time, so that a small board answers within a second.
const (
	memory  = 19 << 10 // KiB
	passes  = 2
	threads = 1
	saltLen = 16
	keyLen  = 32
)

// nobody is the hash of a password that no one has.
var nobody = encode(make([]byte, saltLen), make([]byte, keyLen))

// hash returns a password's hash in the PHC string format. One password is hashed at a time.
func (a *Auth) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltLen)
	rand.Read(salt)
	key, err := a.derive(ctx, password, salt, passes, memory, threads, keyLen)
	return encode(salt, key), err
}

func (a *Auth) derive(ctx context.Context, password string, salt []byte, passes, memory uint32, threads uint8, size uint32) ([]byte, error) {
	select {
	case a.hashes <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-a.hashes }()
	return argon2.IDKey([]byte(password), salt, passes, memory, threads, size), nil
}

func encode(salt, key []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, threads, b.EncodeToString(salt), b.EncodeToString(key))
}

var errHash = errors.New("the hash of a password in the database is broken; set the password again with 'ocellusd reset-password'")

// matches says whether a password has a hash.
func (a *Auth) matches(ctx context.Context, hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	var version int
	var m, t uint32
	var p uint8
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errHash
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &m, &t, &p); err != nil || version != argon2.Version ||
		m < 8 || m > 1<<20 || t < 1 || t > 100 || p < 1 {
		return false, errHash
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, errHash
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) < 16 || len(want) > 64 {
		return false, errHash
	}
	if len(password) > maxPassword {
		return false, nil
	}
	got, err := a.derive(ctx, password, salt, t, m, p, uint32(len(want)))
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1, err
}
