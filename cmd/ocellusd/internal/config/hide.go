package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/ocellus-vision/ocellus/camera"
)

// secretKey finds keys whose values may be secret, with their colon.
var secretKey = regexp.MustCompile(`(?i)(?:^|[\s{\[,"'-])["']?` + keyPart + `(?:pass|pwd|token|secret|key|auth)` + keyPart + `["']?\s*:`)

const keyPart = `[^\s/{}\[\],:"'?#=&@]*`

// scalarBelow finds the end of a line whose value is the indented text that follows.
var scalarBelow = regexp.MustCompile(`(?:^|[:\s-])[|>][0-9+-]{0,2}(?:\s+#.*)?\s*$`)

// Where a secret key's value is not on its line it may even stand below it, not indented, as what is no key itself.
var (
	noValue = regexp.MustCompile(`^(?:\s+[!&]\S*)*\s*(?:\s#.*)?$`)
	keyLine = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'\[{&!|>-](?:[^#]|\S#)*?)\s*:(?:\s|$)`)
)

// hideLines returns the lines of a file without what may be secret in them: the values of keys whose names say so, with all lines that such a value may go on in, and
// users and passwords in addresses. The file need not be well formed; where in doubt too much is hidden.
func hideLines(lines []string) []string {
	out := make([]string, len(lines))
	h := hider{column: -1, text: -1}
	for i, line := range lines {
		out[i] = h.line(strings.ReplaceAll(line, "\t", " "))
	}
	return out
}

// hider goes through a file line by line.
type hider struct {
	column int    // of a secret key: what is indented deeper is its value; -1 for none
	awaits bool   // the value has not begun
	text   int    // indentation above a text that is no YAML; -1 for none
	open   []byte // what closes the brackets that are open
	within int    // the number of them down to which all is hidden; 0 for none
	quote  byte   // that is open; 0 for none
	quiet  bool   // the quote is of a secret
}

// line returns what may be seen of the next line.
func (h *hider) line(line string) string {
	body := strings.TrimLeft(line, " ")
	indent := len(line) - len(body)
	body = strings.TrimRight(body, " \r")
	deeper := body == "" || indent > h.column || indent == h.column && body[0] == '-' ||
		h.awaits && (indent == h.column || body[0] != '-') && body[0] != '#' && !keyLine.MatchString(body)
	hide := h.quote != 0 && h.quiet || h.within > 0 || h.column >= 0 && deeper
	if body != "" && body[0] != '#' {
		h.awaits = h.awaits && noValue.MatchString(" "+body)
		if !deeper && h.quote == 0 {
			h.column = -1
		}
	}
	first := len(line) // where the first secret value of the line may begin
	if h.text < 0 || body != "" && indent <= h.text {
		h.text = -1
		first = h.scan(line, hide)
		if len(h.open) == 0 && h.quote == 0 && scalarBelow.MatchString(line) {
			h.text = indent
			if key := strings.TrimLeft(body, "- "); !strings.HasPrefix(key, "|") && !strings.HasPrefix(key, ">") {
				h.text += len(body) - len(key)
			}
		}
	} else if at := secretKey.FindStringIndex(line); at != nil {
		first = at[1]
	}
	switch {
	case body == "":
		return ""
	case hide:
		return line[:indent] + hidden
	case strings.TrimSpace(line[first:]) != "":
		rest := line[first:]
		return camera.Redact(line[:first]) + rest[:len(rest)-len(strings.TrimLeft(rest, " "))] + hidden
	}
	return camera.Redact(line)
}

// scan follows brackets, quotes and secret keys along a line, and returns where the value of its first secret key begins: its end for none. secret says that all of
// the line is a secret's.
func (h *hider) scan(line string, secret bool) int {
	keys := secretKey.FindAllStringIndex(line, -1)
	first := len(line)
	if len(keys) > 0 {
		first = keys[0][1]
	}
	starts := true // a value or key may begin here
	for i := 0; i < len(line); i++ {
		if len(keys) > 0 && i >= keys[0][1]-1 {
			secret, starts = true, true
			if h.quote == 0 && len(h.open) > 0 && h.within == 0 {
				h.within = len(h.open)
			} else if len(h.open) == 0 && h.column < 0 {
				h.column = keys[0][0] + len(line[keys[0][0]:]) - len(strings.TrimLeft(line[keys[0][0]:], " {[,-"))
				h.awaits = noValue.MatchString(line[keys[0][1]:])
			}
			keys = keys[1:]
		}
		c := line[i]
		switch {
		case h.quote == '"' && c == '\\':
			i++
		case h.quote == '\'' && c == '\'' && i+1 < len(line) && line[i+1] == '\'':
			i++
		case h.quote != 0:
			if c == h.quote {
				h.quote = 0
			}
			starts = false
		case c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == ':' && h.within > 0):
			return first
		case (c == '"' || c == '\'') && starts:
			h.quote, h.quiet = c, secret
		case (c == '[' || c == '{') && (starts || len(h.open) > 0):
			h.open = append(h.open, c+2) // [ and ], { and } are two apart
			if secret && h.within == 0 {
				h.within = len(h.open)
			}
			starts = true
		case len(h.open) > 0 && c == h.open[len(h.open)-1]:
			h.open = h.open[:len(h.open)-1]
			if len(h.open) < h.within {
				h.within = 0
			}
			starts = len(h.open) > 0
		case c == ' ':
		case c == ',' && len(h.open) > 0, c == ':', c == '-' && starts:
			starts = true
		case (c == '!' || c == '&') && starts:
			for i+1 < len(line) && line[i+1] != ' ' {
				i++
			}
		default:
			starts = false
		}
	}
	return first
}

// leastHidden is the length from which on a secret is looked for in all of the file: shorter ones stand in too many words.
const leastHidden = 6

// noteSecrets notes the lines of a scalar that is a secret: of its value, and as it is written.
func (r *reader) noteSecrets(v reflect.Value, n ast.Node, value string) {
	written := n.GetToken().Origin
	if x, ok := n.(*ast.LiteralNode); ok {
		written = x.Value.GetToken().Origin
	}
	// In addresses that stand on one line the secret part is hidden by itself.
	parted := v.Type() == urlType && camera.Redact(value) != value && strings.Contains(strings.TrimSpace(written), "\n")
	if v.Type() != secretType && !parted {
		return
	}
	for _, s := range strings.Split(value+"\n"+written, "\n") {
		if s = strings.Trim(s, " \t\r\\\"'"); len(s) >= leastHidden {
			r.secrets = append(r.secrets, s)
		}
	}
}

// blot replaces the secrets that were noted in a text.
func (r *reader) blot(text string) string {
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	for _, s := range r.secrets {
		text = strings.ReplaceAll(text, s, hidden)
	}
	return text
}
