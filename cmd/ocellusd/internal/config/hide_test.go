package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestHidesValues writes a password in all ways that YAML has: it is read, and shown neither with the settings nor with an error about any line.
func TestHidesValues(t *testing.T) {
	const url = "  url: tcp://broker:1883\n"
	for name, text := range map[string]string{
		"on the line":             "mqtt:\n" + url + "  password: hush hush\n",
		"literal":                 "mqtt:\n" + url + "  password: |\n    hush hush\n",
		"literal with comment":    "mqtt:\n" + url + "  password: |- # a comment\n    hush hush\n  topic: a\n",
		"literal of lines":        "mqtt:\n  password: |\n\n    hush\n\n    # hush\n   \n" + url,
		"folded":                  "mqtt:\n" + url + "  password: >-\n    hush\n    hush\n",
		"below":                   "mqtt:\n" + url + "  password:\n    hush hush\n  topic: a\n",
		"below a comment":         "mqtt:\n" + url + "  password:\n# a comment\n    hush hush\n",
		"goes on":                 "mqtt:\n" + url + "  password: hush\n    hush\n",
		"quotes below":            "mqtt:\n" + url + "  password:\n    \"hush hush\"\n",
		"quotes of lines":         "mqtt:\n" + url + "  password: \"hush\n    hush\n\n    # hush: [\"\n  topic: a\n",
		"single quotes":           "mqtt:\n" + url + "  password: 'hush ''\n    hush'\n  topic: a\n",
		"brackets":                "mqtt: {url: \"tcp://broker:1883\", password:\n    hush hush, topic: a}\n",
		"brackets of lines":       "mqtt: {\n  password:\n  hush hush,\n  url: \"tcp://broker:1883\"\n}\n",
		"quotes in brackets":      "mqtt: {\n  password: \"hush\n  hush\",\n  url: \"tcp://broker:1883\"\n}\n",
		"quoted key":              "mqtt:\n" + url + "  \"password\":\n    hush hush\n",
		"not indented":            "mqtt:\n" + url + "  password:\n  hush hush\n  topic: a\n",
		"less indented":           "mqtt:\n" + url + "  password:\n    !!str\n  hush hush\n",
		"odd bracket in brackets": "mqtt: {\n  password:hush ]\n    hush,\n  url: \"tcp://broker:1883\"\n}\n",
		"tag":                     "mqtt:\n" + url + "  password: !!str |\n    hush hush\n",
		"anchor":                  "mqtt:\n" + url + "  password: &p |\n    hush hush\n",
		"webhook":                 "webhooks:\n  - secret: |\n      hush hush\n    url: https://example.org/\n",
		"webhook below":           "webhooks:\n  - url: https://example.org/\n    secret:\n      hush hush\n    kinds: [face_known]\n",
		"after an apostrophe":     "mqtt:\n  topic: ada's [\n" + url + "  password: |\n    hush hush\n",
		"after a text":            "mqtt:\n  topic: |\n    it's \"[{\n" + url + "  password: |\n    hush hush\n",
	} {
		c, err := Parse([]byte(text), "x.yaml")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		held := c.MQTT.Password.Reveal()
		if len(c.Hooks) > 0 {
			held = c.Hooks[0].Secret.Reveal()
		}
		if !strings.Contains(held, "hush") {
			t.Errorf("%s: %q was read", name, held)
		}
		if strings.Contains(c.Text(), "hush") {
			t.Errorf("%s is shown:\n%s", name, c.Text())
		}
		if len(c.Hooks) == 0 && !strings.Contains(c.Text(), "broker") && !strings.Contains(name, "brackets") {
			t.Errorf("%s: too much is hidden:\n%s", name, c.Text())
		}
		// What an error about a line would show.
		for i, line := range hideLines(strings.Split(text, "\n")) {
			if strings.Contains(line, "hush") {
				t.Errorf("%s: line %d is shown: %s", name, i+1, line)
			}
		}
	}
}

// TestHidesLines is a table of files, well formed or not, and what is shown of them.
func TestHidesLines(t *testing.T) {
	for _, c := range [][2]string{
		{"tls:\n  key: a.pem\n  mode: auto\nkeep:\n  age: 1d", "tls:\n  key: ***\n  mode: auto\nkeep:\n  age: 1d"},
		{"webhooks:\n  - secret:\n      hush\n    url: x\n  - url: y", "webhooks:\n  - secret:\n      ***\n    url: x\n  - url: y"},
		{"password: [hush,\nhush\n]\ndevice: a", "password: ***\n***\n***\ndevice: a"},
		{"password:\n- hush\ndevice: a", "password:\n***\ndevice: a"},
		{"a: {b: 1, token: \"x]}\n hush\", c: [\n2], d: 3}\ndevice: a", "a: {b: 1, token: ***\n ***\n***\ndevice: a"},
		{"password: \"hush\ndevice: a", "password: ***\n***"},
		{"mqtt.password: hush\ndevice: a", "mqtt.password: ***\ndevice: a"},
		{"# the key:\n    device: a # password: hush\n      x: b", "# the key:\n    device: a # password: ***\n      x: b"},
		{"url: \"rtsp://a:hush@b/\"\n\tpassword:\thush", "url: \"rtsp://b/\"\n password: ***"},
		{"a:\n- |\n  it's\n- b: \"[\n   x\"\npassword: hush", "a:\n- |\n  it's\n- b: \"[\n   x\"\npassword: ***"},
	} {
		if got := strings.Join(hideLines(strings.Split(c[0], "\n")), "\n"); got != c[1] {
			t.Errorf("%s\nis shown as\n%s\nnot\n%s", c[0], got, c[1])
		}
	}
}

// TestHidesEverywhere looks for secrets at other places than their keys.
func TestHidesEverywhere(t *testing.T) {
	t.Setenv("DOOR", "sesame street")
	for name, text := range map[string]string{
		"alias":           "device: &p sesame-street\nmqtt:\n  url: tcp://broker:1883\n  password: *p\n",
		"comment":         "# it is sesame street\nmqtt:\n  url: tcp://broker:1883\n  password: ${DOOR}\n",
		"escaped key":     "mqtt:\n  url: tcp://broker:1883\n  \"p\\u0061ssword\": sesame street\n",
		"literal":         "mqtt:\n  url: tcp://broker:1883\n  \"p\\u0061ssword\": |\n    sesame street\n    sesame lane\n",
		"address":         "cameras:\n  - name: door\n    url: \"rtsp://admin:\\\n      sesame@10.0.0.7/\"\n",
		"address at once": "cameras:\n  - {name: door, url: 'rtsp://admin:sesame@10.0.0.7/'}\n",
	} {
		c, err := Parse([]byte(text), "x.yaml")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(c.Text(), "sesame") {
			t.Errorf("%s is shown:\n%s", name, c.Text())
		}
		_, err = Parse([]byte(text+"zones: x\n"), "x.yaml")
		var e *Error
		if !errors.As(err, &e) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := Parse([]byte("mqtt:\n  url: tcp://broker:1883\n  password: sesame street\nlisten: sesame street\n"), "x.yaml")
	if err == nil || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), fmt.Sprintf("listen is not %q", hidden)) {
		t.Errorf("a secret that was written to another key too: %v", err)
	}
}
