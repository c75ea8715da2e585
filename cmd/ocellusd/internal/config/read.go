package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/ocellus-vision/ocellus/camera"
)

// maxBytes is the largest file that is read.
const maxBytes = 256 << 10

// Problem is something wrong in the file.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0 where it is not about a place
	Text         string // the line, without secrets
	Message      string
}

// Error is all that is wrong in a file.
type Error struct{ Problems []Problem }

// Error shows each problem with its line and a caret.
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		if p.Line == 0 {
			fmt.Fprintf(&b, "%s: %s", p.File, p.Message)
			continue
		}
		number := strconv.Itoa(p.Line)
		column := min(p.Column, utf8.RuneCountInString(p.Text)+1)
		fmt.Fprintf(&b, "%s:%d:%d: %s\n  %s | %s\n  %s | %s^", p.File, p.Line, p.Column, p.Message, number, p.Text,
			strings.Repeat(" ", len(number)), strings.Repeat(" ", max(column-1, 0)))
	}
	return b.String()
}

// Load reads a file.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxBytes {
		return nil, fmt.Errorf("%s: larger than %d KiB", path, maxBytes>>10)
	}
	return Parse(b, path)
}

// Default is what stands for no file: a drawn street is watched.
func Default() *Config {
	c, err := Parse(nil, "")
	if err != nil {
		panic("config: the defaults: " + err.Error())
	}
	return c
}

// Parse reads settings from YAML. file is named in errors, and relative paths are taken from its folder. The error is an *Error.
func Parse(b []byte, file string) (c *Config, err error) {
	r := &reader{file: file, nodes: map[string]ast.Node{}, anchors: map[string]ast.Node{}}
	if file == "" {
		r.file = "settings"
	}
	r.shown = hideLines(strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n"))
	c = &Config{File: file}
	defer func() {
		if p := recover(); p != nil { // of the YAML parser, on bytes that nobody wrote
			r.errs = nil
			r.add(nil, fmt.Sprintf("this is no YAML: %v", p))
			c, err = nil, &Error{r.errs}
		}
	}()
	setDefaults(reflect.ValueOf(c).Elem())
	if body := r.body(b); body != nil {
		r.fill(reflect.ValueOf(c).Elem(), "", "", body)
	}
	if len(r.errs) == 0 {
		r.check(c)
	}
	if len(r.errs) > 0 {
		slices.SortStableFunc(r.errs, func(a, b Problem) int { return a.Line - b.Line })
		for i := range r.errs {
			r.errs[i].Text, r.errs[i].Message = r.blot(r.errs[i].Text), r.blot(r.errs[i].Message)
		}
		return nil, &Error{r.errs}
	}
	text := r.blot(strings.Join(r.shown, "\n"))
	c.text = &text
	return c, nil
}

// reader collects what is wrong.
type reader struct {
	file    string
	shown   []string // the lines, without secrets
	errs    []Problem
	nodes   map[string]ast.Node // of the keys and elements that are there, by their path: cameras[0].zones[1].name
	anchors map[string]ast.Node
	secrets []string // and parts of them, that are shown nowhere
}

// add notes a problem at a node: of a mapping, at its first key.
func (r *reader) add(n ast.Node, message string) {
	p := Problem{File: r.file, Message: message}
	if list, ok := pairs(n); ok && len(list) > 0 {
		n = list[0].Key
	}
	if n != nil && n.GetToken() != nil {
		if at := n.GetToken().Position; at != nil {
			p.Line, p.Column = at.Line, at.Column
		}
	}
	r.at(p)
}

func (r *reader) at(p Problem) {
	if len(r.errs) == 20 {
		return
	}
	if p.Line > 0 && p.Line <= len(r.shown) {
		p.Text = r.shown[p.Line-1]
	}
	r.errs = append(r.errs, p)
}

// body parses the file and returns its one document's value; nil where it is empty.
func (r *reader) body(b []byte) ast.Node {
	if !utf8.Valid(b) {
		r.add(nil, "the file is not written in UTF-8")
		return nil
	}
	f, err := parser.ParseBytes(b, 0)
	if err != nil {
		p := Problem{File: r.file, Message: camera.Redact(err.Error())}
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			p.Message = "this is no YAML: " + camera.Redact(syntax.Message)
			if syntax.Token != nil && syntax.Token.Position != nil {
				p.Line, p.Column = syntax.Token.Position.Line, syntax.Token.Position.Column
			}
		}
		r.at(p)
		return nil
	}
	var body ast.Node
	for _, d := range f.Docs {
		n := r.plain(d.Body)
		if n == nil {
			continue
		}
		if body != nil {
			r.add(n, "a second document begins here; one is meant")
			return nil
		}
		body = n
	}
	return body
}

// plain returns the node under anchors, aliases and tags; nil for nothing.
func (r *reader) plain(n ast.Node) ast.Node {
	for range 100 {
		switch x := n.(type) {
		case nil, *ast.NullNode, *ast.CommentGroupNode:
			return nil
		case *ast.AnchorNode:
			r.anchors[x.Name.GetToken().Value] = x.Value
			n = x.Value
		case *ast.AliasNode:
			n = r.anchors[x.Value.GetToken().Value]
		case *ast.TagNode:
			n = x.Value
		default:
			return n
		}
	}
	return nil
}

// pairs returns the pairs of a mapping, and false for something else.
func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch x := n.(type) {
	case *ast.MappingNode:
		return x.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{x}, true
	}
	return nil, false
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	bytesType    = reflect.TypeFor[Bytes]()
	secretType   = reflect.TypeFor[Secret]()
	urlType      = reflect.TypeFor[URL]()
)

// setDefaults gives the fields of a struct, and of those in it, their defaults.
func setDefaults(v reflect.Value) {
	for i := range v.NumField() {
		field, tag := v.Field(i), v.Type().Field(i).Tag
		if field.Kind() == reflect.Struct {
			setDefaults(field)
			continue
		}
		if text := tag.Get("default"); text != "" {
			if err := setScalar(field, text); err != nil {
				panic("config: the default of " + v.Type().Field(i).Name + ": " + err.Error())
			}
		}
	}
}

// key is the name of a field in the file; "" for one that is not there.
func key(f reflect.StructField) string {
	name := f.Tag.Get("yaml")
	if name == "-" || !f.IsExported() {
		return ""
	}
	return name
}

// fill sets v to what a node says. tag is that of the field, path where it is.
func (r *reader) fill(v reflect.Value, tag reflect.StructTag, path string, node ast.Node) {
	n := r.plain(node)
	if n == nil {
		return
	}
	switch {
	case v.Kind() == reflect.Struct:
		r.fillStruct(v, path, n)
	case v.Kind() == reflect.Slice:
		seq, ok := n.(*ast.SequenceNode)
		if !ok {
			r.add(n, fmt.Sprintf("%s is a list: one element a line, each after a dash", path))
			return
		}
		list := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
		for i, x := range seq.Values {
			at := fmt.Sprintf("%s[%d]", path, i)
			r.nodes[at] = x
			if r.plain(x) == nil {
				r.add(n, at+" is empty")
				continue
			}
			if list.Index(i).Kind() == reflect.Struct {
				setDefaults(list.Index(i))
			}
			r.fill(list.Index(i), tag, at, x)
		}
		v.Set(list)
	case v.Kind() == reflect.Array:
		seq, ok := n.(*ast.SequenceNode)
		if !ok || len(seq.Values) != v.Len() {
			r.add(n, fmt.Sprintf("%s is a place: two numbers, such as [0.25, 0.5]", path))
			return
		}
		for i, x := range seq.Values {
			r.fill(v.Index(i), tag, fmt.Sprintf("%s[%d]", path, i), x)
		}
	default:
		r.fillScalar(v, tag, path, n)
	}
}

func (r *reader) fillStruct(v reflect.Value, path string, n ast.Node) {
	list, ok := pairs(n)
	if !ok {
		what := path
		if what == "" {
			what = "the file"
		}
		r.add(n, what+" is made of keys and values: \"key: value\"")
		return
	}
	var keys []string
	fields := map[string]int{}
	for i := range v.NumField() {
		if k := key(v.Type().Field(i)); k != "" {
			keys, fields[k] = append(keys, k), i
		}
	}
	for _, p := range list {
		name := p.Key.GetToken().Value
		i, known := fields[name]
		if !known {
			r.add(p.Key, fmt.Sprintf("there is no key %q%s%s", name, within(path), suggest(name, keys)))
			continue
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		r.nodes[at] = p.Value
		r.fill(v.Field(i), v.Type().Field(i).Tag, at, p.Value)
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		at := strings.TrimPrefix(path+"."+key(f), ".")
		if f.Tag.Get("need") != "" && r.plain(r.nodes[at]) == nil {
			r.add(n, fmt.Sprintf("%s is missing: %s", at, f.Tag.Get("about")))
		}
	}
}

func within(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

// suggest says which word is meant by one that is not in a list.
func suggest(word string, list []string) string {
	best, least := "", 3
	for _, w := range list {
		if d := distance(word, w); d < least || best == "" && len(word) > 2 && strings.HasPrefix(w, word) {
			best, least = w, min(d, least)
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; there are " + strings.Join(list, ", ")
}

// distance is how many letters must be changed, added or removed to make b of a.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}

// meant says what a value of a type looks like.
func meant(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration, such as 30s, 5m, 12h or 30d"
	case t == bytesType:
		return "an amount, such as 500MB or 2GB"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Float64:
		return "a number"
	}
	return "a text"
}

func (r *reader) fillScalar(v reflect.Value, tag reflect.StructTag, path string, n ast.Node) {
	var text string
	switch x := n.(type) {
	case *ast.StringNode:
		text = x.Value
	case *ast.LiteralNode:
		text = strings.TrimRight(x.Value.Value, "\n")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		text = n.GetToken().Value
		if _, isBool := n.(*ast.BoolNode); isBool && v.Kind() == reflect.String {
			r.add(n, fmt.Sprintf("%s is a text: put it in quotes", path))
			return
		}
	default:
		r.add(n, fmt.Sprintf("%s is %s", path, meant(v.Type())))
		return
	}
	if v.Kind() == reflect.String {
		var err error
		if text, err = expand(text); err != nil {
			r.add(n, fmt.Sprintf("%s: %v", path, err))
			return
		}
		r.noteSecrets(v, n, text)
	}
	if _, quoted := n.(*ast.StringNode); quoted && v.Kind() != reflect.String && v.Type() != durationType && v.Type() != bytesType {
		r.add(n, fmt.Sprintf("%s is %s, not %q", path, meant(v.Type()), text))
		return
	}
	if err := setScalar(v, text); err != nil {
		r.add(n, fmt.Sprintf("%s is %s, not %q", path, meant(v.Type()), text))
		return
	}
	if why := bounds(v, tag); why != "" {
		r.add(n, fmt.Sprintf("%s %s", path, why))
	}
}

// bounds says what is wrong with a value by its field's tag; "" for nothing.
func bounds(v reflect.Value, tag reflect.StructTag) string {
	if v.Kind() == reflect.String && v.String() != "" {
		words := strings.Fields(tag.Get("one"))
		if len(words) > 0 && !slices.Contains(words, v.String()) {
			return fmt.Sprintf("is not %q%s", v.String(), suggest(v.String(), words))
		}
	}
	if pattern := tag.Get("pattern"); pattern != "" && !regexp.MustCompile(pattern).MatchString(v.String()) {
		return fmt.Sprintf("is not %q: %s", v.String(), tag.Get("about"))
	}
	number := func(v reflect.Value) float64 {
		if v.Kind() == reflect.Float64 {
			return v.Float()
		}
		return float64(v.Int())
	}
	limit := func(text string) float64 {
		x := reflect.New(v.Type()).Elem()
		if err := setScalar(x, text); err != nil {
			panic("config: a bound: " + err.Error())
		}
		return number(x)
	}
	switch least, most := tag.Get("least"), tag.Get("most"); {
	case v.Type() == bytesType && v.Int() < 0:
		return "is less than nothing"
	case least != "" && !(number(v) >= limit(least)):
		return "is less than " + least
	case most != "" && !(number(v) <= limit(most)):
		return "is more than " + most
	}
	return ""
}

// setScalar sets v to what a text says.
func setScalar(v reflect.Value, text string) error {
	switch {
	case v.Type() == durationType:
		d, err := parseDuration(text)
		v.SetInt(int64(d))
		return err
	case v.Type() == bytesType:
		b, err := ParseBytes(text)
		v.SetInt(int64(b))
		return err
	case v.Kind() == reflect.String:
		v.SetString(text)
		return nil
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		v.SetBool(b)
		return err
	case v.Kind() == reflect.Int:
		n, err := strconv.ParseInt(text, 10, 32)
		v.SetInt(n)
		return err
	case v.Kind() == reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		v.SetFloat(x)
		return err
	}
	panic("config: a field of the type " + v.Type().String())
}

// parseDuration reads 1h30m as Go does, and whole days as 30d.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

var units = map[string]float64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}

// ParseBytes reads an amount such as 1.5GB.
func ParseBytes(text string) (Bytes, error) {
	i := strings.LastIndexAny(text, "0123456789.") + 1
	unit, known := units[strings.ToUpper(strings.TrimSpace(text[i:]))]
	x, err := strconv.ParseFloat(strings.TrimSpace(text[:i]), 64)
	if err != nil || !known || !(x*unit < 1e18 && x >= 0) {
		return 0, fmt.Errorf("%q is no amount", text)
	}
	return Bytes(x * unit), nil
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// expand replaces ${VAR} by the environment's, ${file:PATH} by the content of a file and ${credential:NAME} by what systemd hands over.
func expand(text string) (string, error) {
	var failed error
	out := variable.ReplaceAllStringFunc(text, func(match string) string {
		value, err := lookUp(match[2 : len(match)-1])
		if err != nil && failed == nil {
			failed = err
		}
		return value
	})
	return out, failed
}

func lookUp(name string) (string, error) {
	kind, arg, colon := strings.Cut(name, ":")
	switch {
	case !colon:
		value, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("the environment has no variable %s", name)
		}
		return value, nil
	case kind == "file":
		return readSecret(arg)
	case kind == "credential":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", fmt.Errorf("no credentials are handed over here: %s needs LoadCredential= in the unit of systemd", name)
		}
		if arg != filepath.Base(arg) {
			return "", fmt.Errorf("%q is no name of a credential", arg)
		}
		return readSecret(filepath.Join(dir, arg))
	}
	return "", fmt.Errorf("${%s} is none of ${VARIABLE}, ${file:PATH} and ${credential:NAME}", name)
}

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	const most = 64 << 10
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", err
	}
	if len(b) > most {
		return "", fmt.Errorf("%s: too large for a secret", path)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
