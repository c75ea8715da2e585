package mjpeg

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// authorization answers the challenges of a server: the header to ask with again. It prefers digests (RFC 7616) to basic authentication (RFC 7617).
func authorization(challenges []string, user, password, method, uri string) (string, error) {
	var client [8]byte
	rand.Read(client[:])
	basic := false
	for _, c := range parseChallenges(challenges) {
		switch c.scheme {
		case "digest":
			if header, ok := digest(c.params, user, password, method, uri, hex.EncodeToString(client[:])); ok {
				return header, nil
			}
		case "basic":
			basic = true
		}
	}
	if basic {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)), nil
	}
	return "", errors.New("the camera asks for a password in a way that is not known here: digest (MD5, SHA-256) and basic are")
}

// stale says whether a server refused a digest only because it was too old.
func stale(challenges []string) bool {
	for _, c := range parseChallenges(challenges) {
		if strings.EqualFold(c.params["stale"], "true") {
			return true
		}
	}
	return false
}

// digest answers a digest challenge: the header, and whether its algorithm is known here.
func digest(p map[string]string, user, password, method, uri, client string) (string, bool) {
	name := strings.ToUpper(p["algorithm"])
	sum, session := strings.CutSuffix(name, "-SESS")
	var h func(...string) string
	switch sum {
	case "", "MD5":
		h = func(parts ...string) string { return hexSum(md5.New(), parts) }
	case "SHA-256":
		h = func(parts ...string) string { return hexSum(sha256.New(), parts) }
	default:
		return "", false
	}
	qop, count := "", "00000001"
	if p["qop"] != "" {
		for q := range strings.SplitSeq(p["qop"], ",") {
			if strings.TrimSpace(q) == "auth" {
				qop = "auth"
			}
		}
		if qop == "" {
			return "", false
		}
	}
	secret := h(user, p["realm"], password)
	if session {
		secret = h(secret, p["nonce"], client)
	}
	var b strings.Builder
	write := func(key, value string) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `%s="%s"`, key, quote.Replace(value))
	}
	write("username", user)
	write("realm", p["realm"])
	write("nonce", p["nonce"])
	write("uri", uri)
	if qop == "" {
		write("response", h(secret, p["nonce"], h(method, uri)))
	} else {
		write("response", h(secret, p["nonce"], count, client, qop, h(method, uri)))
	}
	if session || qop != "" {
		write("cnonce", client)
	}
	if qop != "" {
		fmt.Fprintf(&b, ", qop=%s, nc=%s", qop, count)
	}
	if name != "" {
		fmt.Fprintf(&b, ", algorithm=%s", p["algorithm"])
	}
	if opaque, ok := p["opaque"]; ok {
		write("opaque", opaque)
	}
	return "Digest " + b.String(), true
}

var quote = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// hexSum returns the digest of parts with colons between them.
func hexSum(h hash.Hash, parts []string) string {
	h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}

// challenge is one of the ways in which a server can be asked.
type challenge struct {
	scheme string            // in lower case
	params map[string]string // names in lower case
}

// parseChallenges reads the values of WWW-Authenticate headers, several challenges in one of them included.
func parseChallenges(headers []string) []challenge {
	var all []challenge
	for _, s := range headers {
		for s != "" {
			s = strings.TrimLeft(s, " \t,")
			word := s[:token(s)]
			rest := strings.TrimLeft(s[len(word):], " \t")
			switch {
			case word == "":
				s = s[min(1, len(s)):] // what no challenge holds
			case !strings.HasPrefix(rest, "="):
				all = append(all, challenge{strings.ToLower(word), map[string]string{}})
				s = rest
			default:
				var value string
				value, s = parseValue(strings.TrimLeft(rest[1:], " \t"))
				if len(all) > 0 {
					all[len(all)-1].params[strings.ToLower(word)] = value
				}
			}
		}
	}
	return all
}

// token returns the length of the token that s begins with.
func token(s string) int {
	n := 0
	for n < len(s) && s[n] > ' ' && s[n] < 0x7f && !strings.ContainsRune(`,="\`, rune(s[n])) {
		n++
	}
	return n
}

// parseValue reads a token or a quoted string and returns what follows it.
func parseValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		n := token(s)
		return s[:n], s[n:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
