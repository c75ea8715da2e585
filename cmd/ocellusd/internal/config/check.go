package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// drawn is what is watched where no camera is named.
const drawn = "synth:street?seed=7&fps=15&size=640x480"

// check completes what was read and adds what is wrong between keys.
func (r *reader) check(c *Config) {
	if r.nodes["cameras"] == nil {
		street := Camera{Name: "street", URL: drawn}
		setDefaults(reflect.ValueOf(&street).Elem())
		c.Cameras = []Camera{street}
	}
	if len(c.Cameras) > 64 {
		r.add(r.nodes["cameras"], "more than 64 cameras are not watched")
	}
	seen := map[string]bool{}
	for i := range c.Cameras {
		at := fmt.Sprintf("cameras[%d]", i)
		if seen[c.Cameras[i].Name] {
			r.add(r.nodes[at+".name"], fmt.Sprintf("there is a camera %q already", c.Cameras[i].Name))
		}
		seen[c.Cameras[i].Name] = true
		r.checkCamera(&c.Cameras[i], at)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		r.add(r.nodes["listen"], fmt.Sprintf("listen is not %q: an address and a port such as 127.0.0.1:8320, or :8320 for all addresses", c.Listen))
	}
	if c.TLS.Mode == "file" && (c.TLS.Certificate == "" || c.TLS.Key == "") {
		r.add(r.nodes["tls.mode"], "tls.mode: file needs tls.certificate and tls.key")
	}
	r.checkAddress("mqtt.url", string(c.MQTT.URL), "tcp", "mqtt", "ssl", "tls", "mqtts", "ws", "wss")
	if c.MQTT.URL == "" && (c.MQTT.User != "" || c.MQTT.Password != "") {
		r.add(r.nodes["mqtt"], "mqtt has a user but no url: tcp://host:1883 or ssl://host:8883")
	}
	for _, k := range []string{"mqtt.topic", "mqtt.discovery_prefix"} {
		v := map[string]string{"mqtt.topic": c.MQTT.Topic, "mqtt.discovery_prefix": c.MQTT.Prefix}[k]
		if v == "" || strings.ContainsAny(v, "#+\x00") || strings.HasPrefix(v, "/") || strings.HasSuffix(v, "/") {
			r.add(r.nodes[k], fmt.Sprintf("%s is not %q: a topic without #, + and slashes at its ends", k, v))
		}
	}
	for i := range c.Hooks {
		r.checkAddress(fmt.Sprintf("webhooks[%d].url", i), string(c.Hooks[i].URL), "http", "https")
	}
	base := filepath.Dir(c.File)
	for k, p := range map[string]*string{
		"tls.certificate": &c.TLS.Certificate, "tls.key": &c.TLS.Key, "tasks.pedestrians.model": &c.Tasks.Pedestrians.Model, "tasks.scene.model": &c.Tasks.Scene.Model,
		"tasks.faces.detector": &c.Tasks.Faces.Detector, "tasks.faces.embedder": &c.Tasks.Faces.Embedder, "teach.model": &c.Teach.Model,
		"mqtt.ca": &c.MQTT.CA, "mqtt.certificate": &c.MQTT.Cert, "mqtt.key": &c.MQTT.Key,
	} {
		if *p == "" {
			continue
		}
		if c.File != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
		if info, err := os.Stat(*p); err != nil {
			r.add(r.nodes[k], fmt.Sprintf("%s: %v", k, err))
		} else if info.IsDir() {
			r.add(r.nodes[k], fmt.Sprintf("%s: %s is a folder", k, *p))
		}
	}
}

func (r *reader) checkAddress(path, address string, schemes ...string) {
	if address == "" {
		return
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		r.add(r.nodes[path], fmt.Sprintf("%s is not %q: it begins with %s:// and a host", path, URL(address), strings.Join(schemes, "://, ")))
	}
}

func (r *reader) checkCamera(c *Camera, at string) {
	for i, t := range c.Tasks {
		if slices.Contains(c.Tasks[:i], t) {
			r.add(r.nodes[fmt.Sprintf("%s.tasks[%d]", at, i)], t+" is there twice")
		}
	}
	if why, where := CheckShapes(c.Zones, c.Lines); why != "" {
		n := r.nodes[at+"."+where]
		if n == nil {
			n = r.nodes[at]
		}
		r.add(n, at+"."+where+" "+why)
	}
}

// Bounds of a camera's zones and lines.
const (
	maxShapes  = 32
	maxCorners = 64
)

// CheckShapes says what is wrong with zones and lines and where, as "zones[1].points": "" for nothing.
func CheckShapes(zones []Zone, lines []Line) (why, where string) {
	if len(zones) > maxShapes {
		return fmt.Sprintf("are %d; at most %d are watched", len(zones), maxShapes), "zones"
	}
	if len(lines) > maxShapes {
		return fmt.Sprintf("are %d; at most %d are watched", len(lines), maxShapes), "lines"
	}
	seen := map[string]bool{}
	inside := func(p Point) bool { return p[0] >= 0 && p[0] <= 1 && p[1] >= 0 && p[1] <= 1 }
	for i := range zones {
		z, at := &zones[i], fmt.Sprintf("zones[%d]", i)
		switch {
		case !shapeName.MatchString(z.Name):
			return fmt.Sprintf("is not %q: lower case letters, digits, - and _", z.Name), at + ".name"
		case seen[z.Name]:
			return fmt.Sprintf("%q is there twice", z.Name), at + ".name"
		case len(z.Points) < 3 || len(z.Points) > maxCorners:
			return fmt.Sprintf("are %d corners; a zone has 3 to %d", len(z.Points), maxCorners), at + ".points"
		case slices.ContainsFunc(z.Points, func(p Point) bool { return !inside(p) }):
			return "are shares of the picture's width and height, from 0 to 1", at + ".points"
		case z.Loiter < 0:
			return "is less than 0", at + ".loiter"
		}
		seen[z.Name] = true
	}
	for i := range lines {
		l, at := &lines[i], fmt.Sprintf("lines[%d]", i)
		switch {
		case !shapeName.MatchString(l.Name):
			return fmt.Sprintf("is not %q: lower case letters, digits, - and _", l.Name), at + ".name"
		case seen[l.Name]:
			return fmt.Sprintf("%q is there twice", l.Name), at + ".name"
		case !inside(l.From) || !inside(l.To):
			return "has its ends in shares of the picture's width and height, from 0 to 1", at
		case l.From == l.To:
			return "ends where it begins", at
		}
		seen[l.Name] = true
	}
	return "", ""
}
