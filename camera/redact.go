package camera

import (
	"net/netip"
	"regexp"
	"strings"
)

// Redact returns text in which the URLs have no user and password, and in which values are blotted out whose name says that they are secret
// ("?pwd=...", "token=...").
func Redact(text string) string {
	var out strings.Builder
	for {
		i := strings.Index(text, "://")
		if i < 0 {
			out.WriteString(text)
			return secret.ReplaceAllString(out.String(), "${1}***")
		}
		out.WriteString(text[:i+3])
		text = text[i+3:]
		end := strings.IndexAny(text, " \t\r\n\"'<>")
		if end < 0 {
			end = len(text)
		}
		text = text[userinfo(text[:end]):]
	}
}

var secret = regexp.MustCompile(`(?i)([?&;][a-z0-9_.-]*(?:pass|pwd|token|secret|auth|key)[a-z0-9_.-]*=)[^&;\s"'<>]*`)

var hostPort = regexp.MustCompile(`^(\[[^\[\]]*\]|[^:\[\]]+)(:[0-9]*)?$`)

// isHostPort says whether s is a host, with or without a port. What stands in brackets is one if it is an address: "[:secret]" is not.
func isHostPort(s string) bool {
	m := hostPort.FindStringSubmatch(s)
	if m == nil || !strings.HasPrefix(m[1], "[") {
		return m != nil
	}
	_, err := netip.ParseAddr(m[1][1 : len(m[1])-1])
	return err == nil
}

// userinfo returns how many bytes of what follows "://" are the user and the password. One that holds a slash or a question mark, which
// it should not, is found too: what stands before that is then no host and port.
func userinfo(rest string) int {
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		return i + 1
	}
	if !isHostPort(authority) {
		return strings.LastIndexByte(rest, '@') + 1
	}
	return 0
}
