package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDefault(t *testing.T) {
	c := Default()
	if len(c.Cameras) != 1 || c.Cameras[0].Name != "street" || !strings.HasPrefix(c.Cameras[0].URL.Reveal(), "synth:street") || !c.Cameras[0].Motion {
		t.Errorf("%+v", c.Cameras)
	}
	if c.Listen != "127.0.0.1:8320" || c.Keep.Age != 30*24*time.Hour || c.Keep.Bytes != 2e9 || !c.MQTT.Discovery {
		t.Errorf("%+v", c)
	}
	if none, err := Parse([]byte("cameras: []\n"), "x.yaml"); err != nil || len(none.Cameras) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	if street, err := Parse([]byte("# only a comment\n"), "x.yaml"); err != nil || len(street.Cameras) != 1 {
		t.Errorf("%+v, %v", street, err)
	}
}

const full = `
device: porch
listen: :8320
cameras:
  - &door
    name: door
    url: rtsp://admin:${DOOR}@10.0.0.7/stream?token=abc
    tasks: [pedestrians, faces]
    rate: 4.5
    motion: false
    loiter: 1m30s
    zones:
      - name: porch
        points: [[0, 0], [1, 0], [0.5, 1]]
        loiter: 30s
    lines:
      - {name: gate, from: [0.1, 0.5], to: [0.9, 0.5]}
  - name: yard
    url: synth:street
keep:
  age: 7d
  bytes: 1.5GiB
mqtt:
  url: ssl://broker:8883
  user: me
  password: ${file:%s}
webhooks:
  - url: https://example.org/hook
    secret: 0123
    kinds: [face_known]
`

func TestFull(t *testing.T) {
	t.Setenv("DOOR", "sesame")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Parse([]byte(fmt.Sprintf(full, secret)), "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	door := c.Cameras[0]
	if door.URL.Reveal() != "rtsp://admin:sesame@10.0.0.7/stream?token=abc" || door.Rate != 4.5 || door.Motion || door.Loiter != 90*time.Second ||
		door.Zones[0].Points[2] != (Point{0.5, 1}) || door.Zones[0].Loiter != 30*time.Second || door.Lines[0].To != (Point{0.9, 0.5}) {
		t.Errorf("%+v", door)
	}
	if yard := c.Cameras[1]; yard.Rate != 6 || !yard.Motion || yard.Lost != 15*time.Second {
		t.Errorf("%+v", yard)
	}
	if c.Keep.Age != 7*24*time.Hour || c.Keep.Bytes != 1.5*(1<<30) || c.MQTT.Password.Reveal() != "hush" || c.Hooks[0].Secret.Reveal() != "0123" {
		t.Errorf("%+v", c)
	}
	shown, err := json.Marshal(c.Values())
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"Text": c.Text(), "Values": string(shown), "%+v": fmt.Sprintf("%+v", *c), "%#v": fmt.Sprintf("%#v", c.Cameras)} {
		for _, s := range []string{"sesame", "hush", "0123", "token=abc"} {
			if strings.Contains(strings.ReplaceAll(text, "file:"+secret, ""), s) {
				t.Errorf("%s shows %q:\n%s", what, s, text)
			}
		}
	}
	if got := fmt.Sprint(c.MQTT, c.Hooks, c.Cameras); strings.Contains(got, "hush") || strings.Contains(got, "sesame") || strings.Contains(got, "0123") {
		t.Error(got)
	}
}

// TestErrors is the table of what is refused: the line and column that are named, and a part of what is said.
func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		yaml   string
		at     string // line:column
		says   string
		hidden string // what must not be shown
	}{
		"unknown key":        {"camers:\n  - name: a\n", "1:1", `there is no key "camers"; did you mean "cameras"?`, ""},
		"unknown inner key":  {"cameras:\n  - name: a\n    url: synth:street\n    zonse: []\n", "4:5", `there is no key "zonse" in cameras[0]; did you mean "zones"?`, ""},
		"unlike anything":    {"keep:\n  xyzzy: 1\n", "2:3", "there are age, bytes, reserve, snapshots", ""},
		"missing key":        {"cameras:\n  - name: a\n", "2:5", "cameras[0].url is missing", ""},
		"not a number":       {"threads: many\n", "1:10", "threads is a whole number, not \"many\"", ""},
		"quoted number":      {"threads: \"2\"\n", "1:10", "threads is a whole number", ""},
		"not a bool":         {"keep:\n  snapshots: perhaps\n", "2:14", "keep.snapshots is true or false", ""},
		"not a duration":     {"keep:\n  age: soon\n", "2:8", "keep.age is a duration, such as 30s", ""},
		"not bytes":          {"keep:\n  bytes: lots\n", "2:10", "keep.bytes is an amount, such as 500MB", ""},
		"too small":          {"threads: -1\n", "1:10", "threads is less than 0", ""},
		"too large":          {"tasks:\n  scene:\n    change: 1.5\n", "3:13", "tasks.scene.change is more than 1", ""},
		"wrong word":         {"tls:\n  mode: of\n", "2:9", `tls.mode is not "of"; did you mean "off"?`, ""},
		"wrong task":         {"cameras:\n  - {name: a, url: synth:street, tasks: [faces, pedestrian]}\n", "2:49", `did you mean "pedestrians"?`, ""},
		"task twice":         {"cameras:\n  - {name: a, url: synth:street, tasks: [faces, faces]}\n", "2:49", "there twice", ""},
		"bad name":           {"cameras:\n  - name: Front Door\n    url: synth:street\n", "2:11", "lower case letters", ""},
		"name twice":         {"cameras:\n  - {name: a, url: synth:street}\n  - {name: a, url: synth:street}\n", "3:12", `there is a camera "a" already`, ""},
		"list expected":      {"cameras: door\n", "1:10", "cameras is a list", ""},
		"mapping expected":   {"cameras:\n  - door\n", "2:5", "cameras[0] is made of keys and values", ""},
		"scalar expected":    {"device: [a]\n", "1:9", "device is a text", ""},
		"bool as text":       {"device: true\n", "1:9", "put it in quotes", ""},
		"not a place":        {"cameras:\n  - name: a\n    url: synth:street\n    lines: [{name: l, from: [0], to: [1, 1]}]\n", "4:29", "two numbers", ""},
		"out of the picture": {"cameras:\n  - name: a\n    url: synth:street\n    lines: [{name: l, from: [0, 320], to: [1, 1]}]\n", "4:33", "is more than 1", ""},
		"two corners":        {"cameras:\n  - name: a\n    url: synth:street\n    zones: [{name: z, points: [[0, 0], [1, 1]]}]\n", "4:31", "2 corners", ""},
		"no line":            {"cameras:\n  - name: a\n    url: synth:street\n    lines: [{name: l, from: [0, 0], to: [0, 0]}]\n", "4:14", "ends where it begins", ""},
		"no variable":        {"mqtt:\n  url: tcp://b:1883\n  password: ${NOT_SET_ANYWHERE}\n", "3:13", "no variable NOT_SET_ANYWHERE", ""},
		"no file":            {"mqtt:\n  url: tcp://b:1883\n  password: ${file:/nowhere/x}\n", "3:13", "/nowhere/x", ""},
		"no credential":      {"mqtt:\n  url: tcp://b:1883\n  password: ${credential:x}\n", "3:13", "LoadCredential", ""},
		"odd variable":       {"device: ${a:b}\n", "1:9", "none of ${VARIABLE}", ""},
		"no port":            {"listen: localhost\n", "1:9", "an address and a port", ""},
		"wrong scheme":       {"mqtt:\n  url: http://u:hush@b\n", "2:8", "begins with tcp://", "hush"},
		"user without url":   {"mqtt:\n  user: me\n  password: hush\n", "2:3", "no url", "hush"},
		"topic":              {"mqtt:\n  topic: a/#\n", "2:10", "without #", ""},
		"model missing":      {"tasks:\n  scene:\n    model: nowhere.onnx\n", "3:12", "nowhere.onnx", ""},
		"certificate":        {"tls:\n  mode: file\n", "2:9", "needs tls.certificate", ""},
		"syntax":             {"cameras:\n  - name: [a\nkeep: 3\n", "", "this is no YAML", ""},
		"syntax in a secret": {"mqtt:\n  password: \"hush\n", "", "this is no YAML", "hush"},
		"two documents":      {"device: a\n---\ndevice: b\n", "3:1", "a second document", ""},
		"key twice":          {"device: a\ndevice: b\n", "2:1", "no YAML", ""},
		"latin 1":            {"device: \xe4\n", "", "UTF-8", ""},
		"secret quoted":      {"webhooks:\n  - {url: 'ftp://x', secret: hush}\n", "2:11", "begins with http://", "hush"},
		"list as secret":     {"mqtt:\n  password: [hush]\n", "2:13", "mqtt.password is a text", "hush"},
	} {
		_, err := Parse([]byte(c.yaml), "x.yaml")
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, text := e.Problems[0], err.Error()
		if at := fmt.Sprintf("%d:%d", p.Line, p.Column); c.at != "" && at != c.at {
			t.Errorf("%s: at %s, want %s\n%s", name, at, c.at, text)
		}
		if !strings.Contains(text, c.says) || !strings.HasPrefix(text, "x.yaml:") {
			t.Errorf("%s: %s\nwant %s", name, text, c.says)
		}
		if c.hidden != "" && strings.Contains(text, c.hidden) {
			t.Errorf("%s shows %q: %s", name, c.hidden, text)
		}
	}
}

func TestErrorShowsTheLine(t *testing.T) {
	_, err := Parse([]byte("device: a\ncameras:\n  - name: a\n    ulr: synth:street\n    url: synth:street\n  - naem: b\n    url: x\n"), "o.yaml")
	want := `o.yaml:4:5: there is no key "ulr" in cameras[0]; did you mean "url"?
  4 |     ulr: synth:street
    |     ^
o.yaml:6:5: there is no key "naem" in cameras[1]; did you mean "name"?
  6 |   - naem: b
    |     ^
o.yaml:6:5: cameras[1].name is missing: lower case letters, digits, - and _
  6 |   - naem: b
    |     ^`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestSchema(t *testing.T) {
	var s struct {
		Properties map[string]struct {
			Type    any
			Default any
			Items   struct {
				Required   []string
				Properties map[string]struct {
					Items struct{ Enum []string }
				}
			}
		}
		AdditionalProperties bool
	}
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	cameras := s.Properties["cameras"]
	if s.Properties["listen"].Default != "127.0.0.1:8320" || strings.Join(cameras.Items.Required, " ") != "name url" ||
		strings.Join(cameras.Items.Properties["tasks"].Items.Enum, " ") != "pedestrians scene faces" || len(s.Properties) != len(Default().Values()) {
		t.Errorf("%+v", s)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("cameras: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b, "x.yaml")
		if (c == nil) == (err == nil) {
			t.Error(c, err)
		}
	})
}

// TestDocs reads the example of docs/daemon.md, which shows the defaults.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../../../docs/daemon.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "```yaml\n")
	text, _, ok := strings.Cut(text, "```")
	c, err := Parse([]byte(text), "daemon.md")
	if err != nil || !ok {
		t.Fatal(err)
	}
	want := Default().Values()
	got := c.Values()
	for _, k := range []string{"device", "listen", "tls", "threads", "tasks", "keep", "teach", "mqtt"} {
		if fmt.Sprint(got[k]) != fmt.Sprint(want[k]) {
			t.Errorf("%s: the docs say %v, the default is %v", k, got[k], want[k])
		}
	}
	door, street := c.Cameras[0], Default().Cameras[0]
	if door.Rate != street.Rate || door.Motion != street.Motion || door.Loiter != street.Loiter || door.Lost != street.Lost {
		t.Errorf("cameras: the docs say %+v, the default is %+v", door, street)
	}
}
